"""How the demo model's tokenizer puts a word together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from book.numbers.byte_pairs import demo, shown
from book.pictures.svg import WIDTH, Drawing
from course.check.loading import load_solution

WORD = " little"
CELL, ROW = 30, 34


def stages() -> Iterator[tuple[tuple[bytes, ...], int | None]]:
    """The word in pieces, and the rank of the merge that is done next."""
    step, ranks = load_solution("bpe"), demo().ranks
    word = step.pieces(WORD)
    while known := [pair for pair in pairwise(word) if pair in ranks]:
        pair = min(known, key=ranks.__getitem__)
        yield word, ranks[pair]
        word = step.merge(word, pair)
    yield word, None


def merges() -> Drawing:
    """The merges of one word, row by row: what is joined next is marked."""
    rows = [*stages()]
    pairs = [*demo().ranks]
    told = "; ".join(
        f"merge {rank + 1} joins {' and '.join(map(shown, pairs[rank]))}"
        for _, rank in rows
        if rank is not None
    )
    drawing = Drawing(
        "How a word becomes a token",
        f"The word {shown(WORD.encode())}, where ␣ is a space, in single bytes at "
        f"first. In each row, the merge with the lowest number is done: {told}. In the "
        "end the word is one token.",
        WIDTH,
        ROW * len(rows),
    )
    for place, (word, rank) in enumerate(rows):
        y, at = place * ROW, 0
        joined = pairs[rank] if rank is not None else ()
        for number, piece in enumerate(word):
            near = word[number : number + 2], word[max(number - 1, 0) : number + 1]
            is_done = rank is None
            hue = "green" if is_done else "orange" if joined in near else "plain"
            width = CELL * len(piece)
            drawing.box(at, y + 1, width - 2, 24, shown(piece), hue, "mid mono small")
            at += width
        says = "one token" if rank is None else f"merge {rank + 1:,}"
        drawing.text(WIDTH - 1, y + 17, says, "end small dim")
    return drawing


DRAWINGS = (merges,)
