"""How a tokenizer is trained, on a text that fits into a chapter."""

from __future__ import annotations

import textwrap
from collections import Counter
from itertools import pairwise

from book.numbers.example import columns

TEXT = "the cat sat down and the dog sat down and then the cat ran up"
SPACE = "␣"
MERGES = 8


# ANCHOR: train
def pieces_of(text: str) -> list[list[str]]:
    """Each word as a list of letters, with the space before it."""
    return [list(word) for word in text.replace(" ", f" {SPACE}").split()]


def join(word: list[str], pair: tuple[str, str]) -> list[str]:
    """A word in which two pieces are one wherever they are neighbors."""
    joined = word[:1]
    for piece in word[1:]:
        if (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def train(text: str, merges: int) -> list[tuple[tuple[str, str], int]]:
    """Join the most frequent pair, again and again; say which, and how often it was."""
    words = pieces_of(text)
    ids = {letter: i for i, letter in enumerate(sorted(set(text) - {" "} | {SPACE}))}
    learned = []
    for _ in range(merges):
        pairs = Counter(pair for word in words for pair in pairwise(word))
        if not pairs:
            break
        # Among equals the pair comes first whose pieces are older.
        best = max(pairs, key=lambda p: (pairs[p], -ids[p[0]], -ids[p[1]]))
        learned.append((best, pairs[best]))
        ids["".join(best)] = len(ids)
        words = [join(word, best) for word in words]
    return learned


# ANCHOR_END: train
def merged() -> str:
    """The merges, how often each pair was there, and how long the text is after it."""
    words = pieces_of(TEXT)
    rows = [["", "", "", str(sum(map(len, words)))]]
    for number, (pair, count) in enumerate(train(TEXT, MERGES), 1):
        words = [join(word, pair) for word in words]
        left = str(sum(map(len, words)))
        rows.append([str(number), " + ".join(pair), str(count), left])
    text = " ".join(piece for word in words for piece in word)
    table = columns(["", "joined", "times", "tokens"], rows, [3, 14, 7, 8], left=2)
    return f"{table}\n\n{textwrap.fill(text, 40)}"
