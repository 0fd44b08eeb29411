"""Finding the mistake, or the two mistakes, that explain wrong outputs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.max_errors import Refused
from course.check.mistakes.mistake import (
    Mistake,
    Options,
    OtherQuestion,
    Shapes,
    mistakes_of,
    table_module,
)
from course.check.mistakes.numbers import Array

Close = Callable[[Array, Array], bool]
Found = tuple[Mistake, ...]


@dataclass(frozen=True)
class Answer:
    """What the reader's code returned in one case, and what it should have.

    Attributes:
        case: The case.
        expected: What Hugging Face has and computes.
        actual: The reader's output; None if a look-up was out of bounds.
    """

    case: Any
    expected: Expected
    actual: Array | None

    def is_right(self, close: Close) -> bool:
        """Whether the reader's output is the expected one."""
        return self.actual is not None and close(self.actual, self.expected.output)


@dataclass(frozen=True)
class Parameters:
    """The reader's parameters for one size of model, and what they should be."""

    sizes: dict[str, Any]
    expected: Shapes
    actual: Shapes


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
    compute = table_module(number).compute
    known = [mistake for mistake in mistakes_of(number) if mistake.ways]
    # Where every number is NaN, any two mistakes that give NaN would do.
    if all(getattr(answer.case, "times", 1) != 1 for answer in wrong):
        return tuple(one for one in mistakes_of(number) if one.large_numbers)
    telling = any(a.actual is None or np.isfinite(a.actual).any() for a in wrong)
    pairs = itertools.combinations(known, 2) if telling else ()
    for mistakes in itertools.chain(((mistake,) for mistake in known), pairs):
        for options in _together(mistakes):
            if _explains(compute, options, ordered, close):
                return mistakes
    return ()


def _together(mistakes: Found) -> Iterator[Options]:
    """All ways to make some mistakes at once."""
    for ways in itertools.product(*(mistake.ways for mistake in mistakes)):
        merged = {name: value for way in ways for name, value in way.items()}
        if len(merged) == sum(map(len, ways)):
            yield merged


def _explains(
    compute: Callable[..., Array],
    options: Options,
    answers: Sequence[Answer],
    close: Close,
) -> bool:
    """Whether the options give each of the answers."""
    for answer in answers:
        try:
            computed = _compute(compute, options, answer)
        except OtherQuestion:
            return False
        if answer.actual is None or computed is None:
            if answer.actual is not computed:
                return False
        elif not close(answer.actual, computed):
            return False
    return True


def _compute(
    compute: Callable[..., Array], options: Options, answer: Answer
) -> Array | None:
    """What a mistake gives, or None if it looks something up out of bounds."""
    try:
        with np.errstate(all="ignore"):
            return compute(answer.case, answer.expected, **options)
    except (IndexError, ValueError):
        return None


def find_parameters(number: int, found: Sequence[Parameters]) -> Mistake | None:
    """The mistake that explains the parameters for every size of model."""
    for mistake in mistakes_of(number):
        if mistake.shapes and all(
            mistake.shapes(one.expected, one.sizes) == one.actual for one in found
        ):
            return mistake
    return None


def find_in_module(number: int, module: Any) -> Mistake | None:
    """The mistake that the reader's module shows as it is constructed."""
    for mistake in mistakes_of(number):
        if mistake.seen_in and mistake.seen_in(module):
            return mistake
    return None


def find_refused(number: int, refused: Refused, cases: Iterable[Any]) -> Mistake | None:
    """The mistake behind an operation that MAX refused in one of the cases."""
    cases = [case for case in cases if isinstance(case, Case)]
    for mistake in mistakes_of(number):
        if any(shows(refused, case) for shows in mistake.refused for case in cases):
            return mistake
    return None
