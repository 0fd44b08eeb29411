"""Where the reader is in the course: which steps are right, and which comes next."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence

from course.check.result import StepResult
from course.open_todos import next_todo
from course.source import StepCannotLoad
from course.steps import Step, StepId, get_step


class Session:
    """Decides which step is shown and what is checked next.

    Attributes:
        steps: All the steps.
        current: The step that is shown.
        results: The last verdict on each step.
        finished: The step that has just become right, until the next save.
        seconds: How long the last verdict on the current step took, from its save.
        checked_at: The time of that verdict; 0 if the step is only just shown.
    """

    def __init__(self, steps: Sequence[Step], start: Step | None) -> None:
        self.steps = steps
        self.current = start or steps[0]
        self.results: dict[StepId, StepResult] = {}
        self.finished: Step | None = None
        self.seconds = 0.0
        self.checked_at = 0.0
        self._seeking = start is None  # Moves on for as long as steps are right.
        self._stale: dict[StepId, float] = {}
        for step in steps:
            if step == self.current or _looks_finished(step):
                self.check_again(step)

    @property
    def result(self) -> StepResult | None:
        """The verdict on the current step."""
        return self.results.get(self.current.number)

    @property
    def all_right(self) -> bool:
        """Whether the course is done."""
        return all(self.is_right(step) for step in self.steps)

    def is_right(self, step: Step) -> bool:
        """Whether a step was right when it was last checked."""
        result = self.results.get(step.number)
        return result is not None and result.passed

    def next_to_check(self) -> Step | None:
        """The step to check now: the current one first."""
        if self.is_stale(self.current):
            return self.current
        return next((step for step in self.steps if self.is_stale(step)), None)

    def is_stale(self, step: Step) -> bool:
        """Whether a step is to be checked, because it was saved or is new here."""
        return step.number in self._stale

    def waits_since(self) -> float | None:
        """When the current step was saved, if no check has begun since."""
        return self._stale.get(self.current.number)

    def begin(self, step: Step) -> float:
        """Note that a step's check begins; returns when it was saved."""
        return self._stale.pop(step.number)

    def saved(self, times: dict[StepId, float]) -> None:
        """Note that files were saved; one that is not shown becomes the current one."""
        for number, when in times.items():
            step = get_step(number)
            if step == self.current or _looks_finished(step):
                self._stale[number] = when
            else:
                self.results.pop(number, None)
        if self.current.number in times:
            self.finished = None
        elif len(times) == 1:
            step = get_step(*times)
            if os.path.exists(step.skeleton):
                self.go_to(step)

    def check_again(self, step: Step) -> None:
        """Check a step again, though it was not saved."""
        self._stale.setdefault(step.number, time.monotonic())

    def go_to(self, step: Step) -> None:
        """Show a step, and stay there until it becomes right."""
        self._show(step)
        self.finished = None
        self._seeking = False

    def go_by(self, distance: int) -> None:
        """Show the step that is so many after the current one."""
        index = self.steps.index(self.current) + distance
        self.go_to(self.steps[index % len(self.steps)])

    def verdict(self, result: StepResult, seconds: float) -> None:
        """Take in a verdict; move on if it makes the current step right."""
        before = self.results.get(result.step)
        self.results[result.step] = result
        if result.step != self.current.number:
            self._seek()
            return
        self.seconds = seconds
        self.checked_at = time.time()
        if not result.passed:
            self._seeking = False
        elif before is not None and not before.passed:
            self._seeking = True
            self._seek()
            self.finished = get_step(result.step)
        else:
            self._seek()

    def _seek(self) -> None:
        """Move on to the first step from here that is not known to be right."""
        if not self._seeking or not self.is_right(self.current):
            return
        here = self.steps.index(self.current) + 1
        rest = [*self.steps[here:], *self.steps[:here]]
        step = next((step for step in rest if not self.is_right(step)), None)
        if step is not None:
            self._show(step)
            self._seeking = step.number not in self.results

    def _show(self, step: Step) -> None:
        self.current = step
        self.checked_at = 0.0
        if self.is_stale(step) or self.result is None:
            self._stale[step.number] = time.monotonic()


def _looks_finished(step: Step) -> bool:
    """Whether no TODO is left. If one is, the step is checked once it is shown."""
    try:
        return next_todo(step) is None
    except StepCannotLoad:
        return False
