"""Finding the mistake, or the two mistakes, that explain wrong outputs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from course.check.attempt import Answer, Close
from course.check.mistakes.outputs import OtherQuestion, compute
from course.check.mistakes.table import Mistake, mistakes_of
from course.check.mistakes.wrong_gpt2 import Array

Found = tuple[Mistake, ...]
Options = dict[str, Any]


def find(number: int, answers: Sequence[Answer], close: Close) -> Found:
    """The mistakes that explain all answers: one, else two, else none.

    What goes wrong with large numbers only is not computed again: where an exponential
    overflows, and to what, is up to the machine.
    """
    wrong = [answer for answer in answers if not answer.is_right(close)]
    if not wrong:
        return ()
    # A wrong answer first: it rules out most mistakes at once.
    ordered = [*wrong, *(a for a in answers if a not in wrong)]
    known = [mistake for mistake in mistakes_of(number) if mistake.ways]
    # Where every number is NaN, any two mistakes that give NaN would do.
    if all(getattr(answer.case, "times", 1) != 1 for answer in wrong):
        return tuple(one for one in mistakes_of(number) if one.large_numbers)
    telling = any(a.actual is None or np.isfinite(a.actual).any() for a in wrong)
    pairs = itertools.combinations(known, 2) if telling else ()
    for mistakes in itertools.chain(((mistake,) for mistake in known), pairs):
        for options in _together(mistakes):
            if _explains(number, options, ordered, close):
                return mistakes
    return ()


def _together(mistakes: Found) -> Iterator[Options]:
    """All ways to make some mistakes at once."""
    for ways in itertools.product(*(mistake.ways for mistake in mistakes)):
        merged = {name: value for way in ways for name, value in way.items()}
        if len(merged) == sum(map(len, ways)):
            yield merged


def _explains(
    number: int, options: Options, answers: Sequence[Answer], close: Close
) -> bool:
    """Whether the options give each of the answers."""
    for answer in answers:
        try:
            computed = _compute(number, options, answer)
        except OtherQuestion:
            return False
        if answer.actual is None or computed is None:
            if answer.actual is not computed:
                return False
        elif not close(answer.actual, computed):
            return False
    return True


def _compute(number: int, options: Options, answer: Answer) -> Array | None:
    """What a mistake gives, or None if it looks something up out of bounds."""
    try:
        with np.errstate(all="ignore"):
            return compute(number, answer.case, answer.expected, **options)
    except (IndexError, ValueError):
        return None
