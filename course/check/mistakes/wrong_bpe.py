"""The tokenizer of the side step `bpe`, with one mistake in a part of it.

What is right in the other parts is the solution's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, pairwise
from typing import Any

from course.check.loading import load_solution

Word = tuple[bytes, ...]
Pair = tuple[bytes, bytes]
Words = Mapping[Word, int]
Merges = list[Pair]

PIECES: Mapping[str, Callable[[str], tuple[object, ...]]] = {
    "characters-for-bytes": lambda word: tuple(letter.encode() for letter in word),
    "letters-for-bytes": tuple,
    "numbers-for-bytes": lambda word: tuple(word.encode()),
    "word-in-one-piece": lambda word: (word.encode(),),
}
"""The pieces of a word."""


def _counted(words: Words, pairs_of: Callable[[Word], Iterable[Pair]]) -> Counter[Pair]:
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in pairs_of(word):
            counts[pair] += times
    return counts


def _apart(word: Word) -> Iterable[Pair]:
    """The pairs that could be joined at once: of three equal pieces, one pair."""
    at = 0
    while at < len(word) - 1:
        yield word[at], word[at + 1]
        at += 2 if word[at : at + 2] == word[at + 1 : at + 3] else 1


COUNTS: Mapping[str, Callable[[Words], Counter[Pair]]] = {
    "word-counted-once": lambda words: _counted(dict.fromkeys(words, 1), pairwise),
    "pair-counted-once-a-word": lambda words: _counted(
        words, lambda word: set(pairwise(word))
    ),
    "pairs-counted-apart": lambda words: _counted(words, _apart),
    "pairs-counted-across-words": lambda words: Counter(
        pairwise(chain.from_iterable(word * times for word, times in words.items()))
    ),
}
"""How often each pair is there."""


def _overlapping(word: Word, pair: Pair) -> Word:
    merged: list[bytes] = []
    is_right_piece = False
    for at, piece in enumerate(word):
        is_left_piece = word[at : at + 2] == pair
        if is_left_piece:
            merged.append(b"".join(pair))
        elif not is_right_piece:
            merged.append(piece)
        is_right_piece = is_left_piece
    return tuple(merged)


def _right_kept(word: Word, pair: Pair) -> Word:
    return tuple(
        b"".join(pair) if word[at : at + 2] == pair else piece
        for at, piece in enumerate(word)
    )


def _first_only(word: Word, pair: Pair) -> Word:
    for at in range(len(word) - 1):
        if word[at : at + 2] == pair:
            return (*word[:at], b"".join(pair), *word[at + 2 :])
    return word


def _from_the_right(word: Word, pair: Pair) -> Word:
    merged: list[bytes] = []
    end = len(word)
    while end:
        size = 2 if word[max(end - 2, 0) : end] == pair else 1
        merged.insert(0, b"".join(word[end - size : end]))
        end -= size
    return tuple(merged)


def _without_the_last(word: Word, pair: Pair) -> Word:
    merged, at = [], 0
    while at < len(word) - 1:
        size = 2 if word[at : at + 2] == pair else 1
        merged.append(b"".join(word[at : at + size]))
        at += size
    return tuple(merged)


MERGED: Mapping[str, Callable[[Word, Pair], Word]] = {
    "overlapping-pairs-joined": _overlapping,
    "right-piece-kept": _right_kept,
    "joined-once-only": _first_only,
    "joined-from-the-right": _from_the_right,
    "last-piece-lost": _without_the_last,
}
"""A word in which a pair is joined."""


def _trained(
    texts: Sequence[str],
    num_merges: int,
    *,
    words_of: Callable[[Any, str], Iterable[str]] = lambda step, text: step.split(text),
    once: bool = False,
    rarest: bool = False,
) -> Merges:
    step = load_solution("bpe")
    words = Counter(
        step.pieces(word) for text in texts for word in words_of(step, text)
    )
    if once:
        words = Counter(dict.fromkeys(words, 1))
    merges: Merges = []
    while len(merges) < num_merges and (counts := step.count_pairs(words)):
        best = _best(counts, step.vocabulary(merges), rarest)
        merges.append(best)
        words = Counter({step.merge(word, best): words[word] for word in words})
    return merges


def _best(counts: Counter[Pair], ids: Mapping[bytes, int], rarest: bool) -> Pair:
    sign = 1 if rarest else -1
    return min(counts, key=lambda p: (sign * counts[p], ids[p[0]], ids[p[1]]))


TRAINED: Mapping[str, Callable[[Sequence[str], int], Merges]] = {
    "merges-across-words": lambda texts, n: _trained(
        texts, n, words_of=lambda step, text: [text]
    ),
    "spaces-left-out": lambda texts, n: _trained(
        texts, n, words_of=lambda step, text: text.split()
    ),
    "first-text-only": lambda texts, n: _trained(texts[:1], n),
    "words-counted-once": lambda texts, n: _trained(texts, n, once=True),
    "rarest-pair-first": lambda texts, n: _trained(texts, n, rarest=True),
}
"""The merges that are learned."""


Choose = Callable[[list[Pair], Mapping[Pair, int]], Pair]


def _encoded(tokenizer: Any, text: str, choose: Choose, *, often: bool = True) -> Word:
    """The tokens of a text, if `choose` says which merge is done next."""
    step = load_solution("bpe")
    tokens: list[bytes] = []
    for word in map(step.pieces, step.split(text)):
        while known := [pair for pair in pairwise(word) if pair in tokenizer.ranks]:
            word = step.merge(word, choose(known, tokenizer.ranks))
            if not often:
                break
        tokens += word
    return tuple(tokens)


def _longest_tokens(tokenizer: Any, text: str) -> Word:
    """The tokens of a text, if the longest that fits is taken, from the left on."""
    tokens: list[bytes] = []
    for word in load_solution("bpe").split(text):
        rest = word.encode()
        while rest:
            ends = range(len(rest), 0, -1)
            end = next(end for end in ends if rest[:end] in tokenizer.ids)
            tokens.append(rest[:end])
            rest = rest[end:]
    return tuple(tokens)


def _lowest(known: list[Pair], ranks: Mapping[Pair, int]) -> Pair:
    return min(known, key=ranks.__getitem__)


ENCODED: Mapping[str, Callable[[Any, str], Word]] = {
    "first-pair-found": lambda t, text: _encoded(t, text, lambda known, _: known[0]),
    "last-pair-found": lambda t, text: _encoded(t, text, lambda known, _: known[-1]),
    "highest-rank-first": lambda t, text: _encoded(
        t, text, lambda known, ranks: max(known, key=ranks.__getitem__)
    ),
    "longest-pair-first": lambda t, text: _encoded(
        t, text, lambda known, _: max(known, key=lambda pair: len(b"".join(pair)))
    ),
    "longest-token-first": _longest_tokens,
    "one-merge-a-word": lambda t, text: _encoded(t, text, _lowest, often=False),
    "nothing-merged": lambda t, text: tuple(bytes([byte]) for byte in text.encode()),
}
"""The tokens of a text."""


DECODED: Mapping[str, Callable[[Sequence[bytes]], object]] = {
    "decoded-token-by-token": lambda tokens: "".join(
        token.decode(errors="replace") for token in tokens
    ),
    "broken-bytes-dropped": lambda tokens: b"".join(tokens).decode(errors="ignore"),
    "bytes-as-characters": lambda tokens: b"".join(tokens).decode("latin-1"),
    "bytes-not-decoded": b"".join,
}
"""The text of tokens."""
