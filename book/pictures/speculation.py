"""What is drawn for step 19."""

from __future__ import annotations

from book.numbers.example import WORDS
from book.numbers.speculation import MODEL_SAYS, WRITTEN
from book.pictures.svg import WIDTH, Drawing
from course.check.loading import load_solution


def lookup() -> Drawing:
    """A proposal, the pass that checks it, and the cache that is rolled back."""
    tokens = [WORDS.index(word) for word in WRITTEN]
    ids = load_solution(19).find_proposal(tokens, 2, 3)
    proposal = [WORDS[token_id] for token_id in ids]
    agree = next(at for at, word in enumerate(proposal) if word != MODEL_SAYS[at])
    drawing = Drawing(
        "Looked up, checked, rolled back",
        f"The text is: {' '.join(WRITTEN)}. Its last two words stand at the beginning "
        f"as well, and what follows there is proposed: {' '.join(proposal)}. One pass "
        f"reads the last word and the proposal. The model chooses "
        f"{' '.join(MODEL_SAYS)}: {agree} words agree, the next one is taken in place "
        "of the proposed one, and the last is thrown away.",
        WIDTH,
        196,
    )
    cell = 48
    drawing.text(0, 12, "the text", "strong small")
    for place, word in enumerate(WRITTEN):
        found = place in (1, 2, 5, 6)
        hue = "blue" if found else "orange" if 3 <= place < 6 else "plain"
        drawing.box(place * cell, 20, cell - 2, 24, word, hue, "mid mono tiny")
    drawing.text(
        0, 62, "blue: the last two, and where they stood; behind, orange:", "small dim"
    )
    drawing.text(0, 84, "read in one pass", "strong small")
    drawing.text(0, 138, "chosen", "strong small")
    read = [WRITTEN[-1], *proposal]
    for place, word in enumerate(read):
        hue = "orange" if place else "plain"
        x = place * 80
        drawing.box(x, 92, 76, 24, word, hue, "mid mono small")
        drawing.arrow([(x + 38, 116), (x + 38, 146)])
        kept = place <= agree
        hue = "green" if place < agree else "violet" if kept else "plain"
        drawing.box(x, 146, 76, 24, MODEL_SAYS[place], hue, "mid mono small")
        what = "agrees" if place < agree else "in its place" if kept else "thrown away"
        drawing.text(x + 38, 186, what, "mid tiny dim")
    return drawing


DRAWINGS = (lookup,)
