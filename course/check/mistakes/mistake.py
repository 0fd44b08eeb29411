"""What is known about a mistake, and the tables in which the mistakes stand."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from course.check.mistakes.refusals import Refusal
from course.steps import STEPS

Options = dict[str, Any]
Shapes = dict[str, list[int]]


class OtherQuestion(Exception):
    """A mistake is about something else than what a case asks."""


@dataclass(frozen=True)
class Mistake:
    """One mistake.

    Attributes:
        id: Its name, unique in the course.
        what: What is wrong, to the reader.
        why: Why it matters.
        look: Where to look.
        ways: Options for the step's `compute`; several if there are variants.
        shapes: How the names and shapes of the parameters change, given the right
            ones and the sizes of the model.
        refused: How it shows in an operation that MAX refuses to do.
        seen_in: Whether the reader's module, as constructed, shows it.
        large_numbers: Whether it shows in large numbers only, as an overflow does.
        lines: Patterns that find the reader's line, the best one first.
        within: The function in which to look for that line; everywhere by default.
    """

    id: str
    what: str
    why: str
    look: str
    ways: tuple[Options, ...] = ()
    shapes: Callable[[Shapes, dict[str, Any]], Shapes] | None = None
    refused: tuple[Refusal, ...] = ()
    seen_in: Callable[[Any], bool] | None = None
    large_numbers: bool = False
    lines: tuple[str, ...] = ()
    within: str = ""


def table_module(number: int) -> ModuleType:
    """The module with a step's mistakes and its `compute`."""
    return importlib.import_module(f"course.check.mistakes.step_{number:02d}")


def mistakes_of(number: int) -> tuple[Mistake, ...]:
    """The known mistakes of a step."""
    mistakes: tuple[Mistake, ...] = table_module(number).MISTAKES
    return mistakes


def get_mistake(number: int, name: str) -> Mistake:
    """One mistake of a step, by its id, or one that is known in every step."""
    from course.check.mistakes.any_step import MISTAKES

    known = (*mistakes_of(number), *MISTAKES)
    return next(mistake for mistake in known if mistake.id == name)


def all_mistakes() -> dict[int, tuple[Mistake, ...]]:
    """All tables, by the number of the step; 0 for what is known in every step."""
    from course.check.mistakes.any_step import MISTAKES

    return {0: MISTAKES} | {step.number: mistakes_of(step.number) for step in STEPS}
