"""Where the reader is in the course, without checking anything."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from course.open_todos import open_todos
from course.progress import record
from course.skeleton import make_skeleton, read_tasks
from course.source import StepCannotLoad, read_step
from course.steps import STEPS, Step


class State(StrEnum):
    """How far a step is."""

    UNTOUCHED = "not begun"
    BEGUN = "begun"
    FILLED = "all TODOs done"
    RIGHT = "right"
    UNREADABLE = "cannot be read"


@dataclass(frozen=True)
class Standing:
    """How far the reader is in one step.

    Attributes:
        step: The step.
        state: How far it is.
        todos: How many TODOs it has.
        done: How many of them are done.
        passed: The check that the file has passed as it is now, if it has.
    """

    step: Step
    state: State
    todos: int
    done: int
    passed: record.Passed | None

    @property
    def minutes_left(self) -> int:
        """About how long it still takes: as if all TODOs took the same time."""
        if self.passed:
            return 0
        return round(self.step.minutes * (self.todos - self.done) / self.todos)


def look_at(step: Step) -> Standing:
    """See how far a step is."""
    todos = sum(len(read_tasks(part).todos) for part in step.parts)
    try:
        sources = {part: read_step(part, part.skeleton) for part in step.parts}
    except StepCannotLoad:
        return Standing(step, State.UNREADABLE, todos, 0, None)
    done = todos - sum(len(open_todos(*each)) for each in sources.items())
    passed = record.find(step)
    if passed:
        state = State.RIGHT
    elif done == todos:
        state = State.FILLED
    elif all(text.strip() == make_skeleton(p).strip() for p, text in sources.items()):
        state = State.UNTOUCHED
    else:
        state = State.BEGUN
    return Standing(step, state, todos, done, passed)


def look_at_all() -> list[Standing]:
    """See how far every step is."""
    return [look_at(step) for step in STEPS]


def next_step(standings: Sequence[Standing]) -> Step | None:
    """The first step that is not known to be right."""
    return next((one.step for one in standings if not one.passed), None)
