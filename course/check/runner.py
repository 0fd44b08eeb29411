"""Running checks in a worker process, and hearing what it has to say."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.check.activity import Activity
from course.check.result import Check, StepResult
from course.errors import CourseError
from course.process.child import Child
from course.process.launcher import environment
from course.process.signals import REASONS, name_of
from course.source import NotPythonText, lines_of, read_source
from course.steps import Step, StepId, from_root

TIME_LIMIT = 20.0  # Seconds that one check may run, compiling not counted.
SILENCE = 60.0  # Seconds without any sign of life.


@dataclass(frozen=True)
class Doing:
    """What the worker is busy with.

    Attributes:
        what: What it does.
        step: The step being checked.
    """

    what: Activity
    step: StepId


@dataclass(frozen=True)
class Done:
    """The worker has done what it was asked.

    Attributes:
        again: Whether it can be asked again, because it is as good as new.
    """

    again: bool


@dataclass(frozen=True)
class Ended:
    """The worker process is gone.

    Attributes:
        step: The step that it was checking.
        name: The check that it was in.
        status: Its exit status; negative for a signal.
        frames: Where the main thread was, if it was stopped for its endless loop.
        silent: Whether it was stopped because it gave no sign of life.
        output: The end of what it printed.
        ready: Whether it had started at all.
    """

    step: StepId
    name: str
    status: int
    frames: list[tuple[str, int]]
    silent: bool
    output: str
    ready: bool

    @property
    def last_words(self) -> str:
        """The end of the end."""
        return self.output[-800:].strip()


Event = Doing | StepResult | Done | Ended


def time_limit() -> float:
    """How many seconds one check may run."""
    return float(os.environ.get("COURSE_TIME_LIMIT", TIME_LIMIT))


class Worker:
    """A process with MAX imported, which checks steps when it is asked.

    Attributes:
        ready: Whether it has started and can check.
        busy: Whether it has not yet done what it was asked.
    """

    def __init__(self, limit: float) -> None:
        # The user's settings and other packages' plugins are for other tests.
        variables = environment(PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
        for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS"):
            variables.pop(name, None)
        self._child = Child("course.check.worker", f"{limit}", variables=variables)
        self.ready = False
        self.busy = False
        self._heard = time.monotonic()
        self._ended: dict[str, Any] = {}

    def check(
        self,
        steps: Sequence[Step],
        *,
        file: Path | None = None,
        solutions: bool = False,
        device: str = "auto",
    ) -> None:
        """Ask it to check steps; the answers come from `hear`."""
        self.busy = True
        self._heard = time.monotonic()
        self._child.printed = b""
        self._ended = {
            "step": steps[0].number,
            "name": "",
            "frames": [],
            "silent": False,
        }
        arguments = [f"--device={device}", *(from_root(s.check) for s in steps)]
        arguments += ["--solutions"] if solutions else []
        arguments += [f"--file={file}"] if file else []
        self._child.send(arguments)

    def descriptors(self) -> list[int]:
        """What to wait for until there is something to hear."""
        return self._child.descriptors()

    def hear(self, wait: float) -> list[Event]:
        """Return what it says within so many seconds; `Ended` is always the last."""
        events: list[Event] = []
        for message in self._child.hear(wait):
            self._heard = time.monotonic()
            events += filter(None, [self._understand(message)])
        if self.busy and time.monotonic() - self._heard > SILENCE:
            self._ended["silent"] = True
            self._child.kill()
        if self._child.has_ended:
            status = self._child.status or 0
            output = self._child.log()
            state = self._ended or {"step": 0, "name": "", "frames": [], "silent": 0}
            ended = Ended(status=status, output=output, ready=self.ready, **state)
            events.append(ended)
        return events

    def _understand(self, event: dict[str, Any]) -> Event | None:
        match event.pop("event"):
            case "ready":
                self.ready = True
            case "check" | "stuck":
                self._ended.update(event)
            case "doing":
                return Doing(Activity[event["what"]], self._ended["step"])
            case "result":
                return StepResult.from_dict(event["result"])
            case "done":
                self.busy = False
                return Done(event["again"])
        return None

    def stop(self) -> None:
        """End it, whatever it does."""
        self._child.stop()


def run_checks(
    steps: Sequence[Step],
    *,
    file: Path | None = None,
    solutions: bool = False,
    device: str = "auto",
) -> Iterator[Doing | StepResult]:
    """Check steps in a new process.

    Yields:
        A `Doing` twice a second, and a `StepResult` for every step.

    Raises:
        CourseError: The process cannot start, which is no fault of a step.
    """
    waiting = list(steps)
    while waiting:
        worker = Worker(time_limit())
        try:
            worker.check(waiting, file=file, solutions=solutions, device=device)
            yield Doing(Activity.START, waiting[0].number)
            for event in _all_events(worker):
                if isinstance(event, Doing):
                    yield event
                elif isinstance(event, StepResult):
                    waiting = [step for step in waiting if step.number != event.step]
                    yield event
                elif isinstance(event, Ended) and waiting:
                    assert_started(event)
                    # In the middle of a step: that step is to blame.
                    step = next((s for s in waiting if s.number == event.step), None)
                    step = step or waiting[0]
                    path = step.solution if solutions else file or step.skeleton
                    yield explain(step, event, path)
                    waiting = waiting[waiting.index(step) + 1 :]
        finally:
            worker.stop()


def _all_events(worker: Worker) -> Iterator[Event]:
    """Return what a worker says until it is done or has ended."""
    while True:
        for event in worker.hear(1.0):
            yield event
            if isinstance(event, Done | Ended):
                return


def assert_started(ended: Ended) -> None:
    """Refuse to blame a step for a process that ended before it looked at one.

    Raises:
        CourseError: It did; the message is the last that it said.
    """
    if ended.ready:
        return
    if ended.status < 0:
        name = name_of(ended.status)
        why = f"it ended by {name}: {REASONS.get(name, 'it crashed')}."
    else:
        why = f"it says\n{ended.last_words}"
    if folders := os.environ.get("PYTHONPATH"):
        why += f"\nPYTHONPATH is {folders}: a file there may hide one of Python's own."
    raise CourseError(f"The process that checks cannot start: {why}")


def explain(step: Step, ended: Ended, path: Path) -> StepResult:
    """Say why a worker ended in the middle of a step."""
    shown = from_root(path)
    check = Check(ended.name or "the check starts", passed=False)
    if ended.frames:
        own = [line for name, line in ended.frames if Path(name) == path]
        check.short = "no end"
        where = f", last seen at line {own[0]}" if own else ""
        check.message = (
            f"{shown} was still running after {time_limit():g} seconds{where}."
        )
        if own:
            check.message += f"\n    {own[0]} │ {_line(path, own[0])}"
            check.message += "\nIs there a loop that never ends?"
    elif ended.silent:
        check.short = "no end"
        check.message = (
            f"{shown} gave no sign of life for {SILENCE:g} seconds. Is there a loop "
            "that never ends inside a single call?"
        )
    elif ended.status == -signal.SIGKILL:
        check.short = "killed"
        check.message = (
            f"The system stopped Python while it ran {shown}. Most often memory ran "
            "out: is a tensor far larger than meant, or is one made in a loop?"
        )
    elif ended.status < 0 and name_of(ended.status) in REASONS:
        name = name_of(ended.status)
        check.short = f"ended by {name}"
        check.message = (
            f"Python was ended by {name} while it ran {shown}. That is not the fault "
            f"of the step: {REASONS[name]}."
        )
    elif ended.status < 0:
        name = name_of(ended.status)
        check.short = "Python crashed"
        check.message = (
            f"Python itself crashed ({name}) while running {shown}. Most often an "
            "index is beyond the end of a table: a token ID not below vocab_size, a "
            "position not below n_positions."
        )
    else:
        check.short = "the check ended early"
        check.message = (
            f"The check ended with status {ended.status} before it was done. Does "
            f"{shown} call os._exit()? Its last words:\n{ended.last_words}"
        )
    return StepResult(step.number, step.title, shown, [check])


def _line(path: Path, number: int) -> str:
    try:
        return lines_of(read_source(path))[number - 1].strip()
    except (OSError, NotPythonText, IndexError):
        return ""
