"""Step 19 with one mistake: proposals, the tokens that are kept, and pauses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

Tokens = Sequence[int]


def _places(tokens: Tokens, size: int, *, itself: bool = False) -> list[int]:
    """Where the last tokens stand earlier; or, by mistake, at the end as well."""
    ngram = list(tokens[-size:])
    starts = range(len(tokens) - size + itself)
    return [at for at in starts if list(tokens[at : at + size]) == ngram]


def _propose(
    tokens: Tokens,
    sizes: Sequence[int],
    count: int,
    *,
    which: int = 0,
    itself: bool = False,
    shift: int = 0,
    from_the_match: bool = False,
) -> list[int]:
    for size in sizes:
        if places := _places(tokens, size, itself=itself):
            start = places[which] + shift + (0 if from_the_match else size)
            return list(tokens[start : start + count])
    return []


def _down(longest: int) -> Sequence[int]:
    return range(longest, 0, -1)


PROPOSALS: Mapping[str, Callable[[Tokens, int, int], list[int]]] = {
    "last-match": lambda t, n, count: _propose(t, _down(n), count, which=-1),
    "match-itself": lambda t, n, count: _propose(
        t, _down(n), count, from_the_match=True
    ),
    "fewer-never-tried": lambda t, n, count: _propose(t, _down(n), count, itself=True),
    "shortest-first": lambda t, n, count: _propose(t, range(1, n + 1), count),
    "single-tokens-left-out": lambda t, n, count: _propose(t, range(n, 1, -1), count),
    "one-proposed-too-many": lambda t, n, count: _propose(t, _down(n), count + 1),
    "proposal-one-late": lambda t, n, count: _propose(t, _down(n), count, shift=1),
    "proposal-one-early": lambda t, n, count: _propose(t, _down(n), count, shift=-1),
    "all-that-follows": lambda t, n, count: _propose(t, _down(n), len(t)),
}
"""What is proposed then, of a text, by the longest n-gram and the number of tokens."""


def chosen(rows: Tokens, proposal: Tokens, ends: Tokens) -> dict[str, list[int]]:
    """What is kept by mistake, if these are the most likely tokens of all rows."""
    agree = 0
    while agree < len(proposal) and rows[agree] == proposal[agree]:
        agree += 1
    until_end = next((at + 1 for at, one in enumerate(rows) if one in ends), len(rows))
    right = min(agree + 1, until_end)
    return {
        "past-the-end": list(rows[: agree + 1]),
        "bonus-dropped": list(rows[: right - 1]),
        "bonus-dropped-at-the-end": list(rows[: min(right, len(proposal))]),
        "one-too-many": list(rows[: min(agree + 2, until_end)]),
        "one-too-few": list(rows[: max(right - 1, 1)]),
        "nothing-checked": [*proposal, rows[-1]],
        "wrong-one-kept": [*proposal, rows[-1]][:right],
        "all-rows": list(rows),
        "only-the-first": list(rows[:1]),
    }


PAUSES: Mapping[str, Callable[[int, int, int], int]] = {
    "pauses-never-end": lambda length, accepted, longest: min(2 * length + 1, longest),
    "pauses-do-not-grow": lambda length, accepted, longest: (
        0 if accepted else min(1, longest)
    ),
    "pauses-without-bound": lambda length, accepted, longest: (
        0 if accepted else 2 * length + 1
    ),
    "pauses-the-wrong-way": lambda length, accepted, longest: (
        min(2 * length + 1, longest) if accepted else 0
    ),
    "never-pauses": lambda length, accepted, longest: 0,
}
"""How long a pause is then: by the last one, what was accepted, and the longest."""
