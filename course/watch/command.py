"""The loop of `course watch`: saves, verdicts and keys, as they come."""

from __future__ import annotations

import contextlib
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from types import FrameType

from rich.console import Console, RenderableType

from course.check.activity import Activity
from course.hints import LEVELS
from course.process.child import Child
from course.runtime import assert_device
from course.steps import SIDE_STEPS, STEPS, Step, StepId
from course.warm import missing_kernels
from course.watch import panels
from course.watch.checker import Checker, Job
from course.watch.files import Files
from course.watch.session import Session
from course.watch.terminal import Terminal
from course.watch.views import Plain, Screen, View, progress, status

TICK = 0.03  # Seconds between two looks at the files.
LEAVING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 1.0  # Seconds that what nobody waits for any more may go on.


def watch(start: Step | None, device: str, plain: bool) -> None:
    """Watch the steps until the reader quits.

    Args:
        start: The step to begin with; the first that is not right by default. A side
            step is watched by itself.
        device: "auto", "cpu" or "gpu".
        plain: Print reports one after the other, even in a terminal.

    Raises:
        CourseError: The process that checks cannot start.
    """
    for signum in LEAVING:
        signal.signal(signum, _leave)
    console = Console(highlight=False)
    assert_device(device, console)
    in_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    steps = (start,) if start in SIDE_STEPS else STEPS
    session = Session(steps, start)
    with _compiling_in_the_background(steps, device):
        if in_terminal and not plain and not console.is_dumb_terminal:
            with Watch(session, Screen(console), device, console) as watching:
                watching.run_with_keys()
            return
        if not in_terminal:
            console.print("This is no terminal: reports follow each other, no keys.")
        console.print("Save a file in steps/ and it is checked; Ctrl-C ends this.\n")
        with Watch(session, Plain(console), device, console) as watching:
            watching.run()


def _leave(signum: int, frame: FrameType | None) -> None:
    """End the program, through every `finally`, which no other signal may disturb."""
    for other in LEAVING:
        signal.signal(other, signal.SIG_IGN)
    raise SystemExit(128 + signum)


@contextlib.contextmanager
def _compiling_in_the_background(steps: Sequence[Step], device: str) -> Iterator[None]:
    """Have MAX compile what the steps will need, while the reader works on the first.

    A check that comes before it compiles for itself, and says so.
    """
    if not missing_kernels([step.number for step in steps], device):
        yield
        return
    options = ("warm", f"--device={device}")
    warming = Child("course", *options, prints_to=subprocess.DEVNULL)
    try:
        yield
    finally:
        warming.stop(GRACE)


class Watch:
    """Keeps a worker busy with what was saved, and shows what it finds."""

    def __init__(
        self, session: Session, view: View, device: str, console: Console
    ) -> None:
        self._session = session
        self._view = view
        self._console = console
        self._files = Files(session.steps)
        self._checker = Checker(device)
        self._rehearsed: set[StepId] = set()
        self._key = ""  # Whose panel is shown.
        self._hint: tuple[StepId, str, int] = (0, "", 0)  # Step, TODO, level.
        self._drawn: object = None

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *_: object) -> None:
        self._checker.stop()

    def run_with_keys(self) -> None:
        """Watch until the reader quits or the terminal is gone."""
        with Terminal(redraw=self._draw) as terminal:
            while True:
                if terminal.descriptor in self._wait([terminal.descriptor]):
                    keys = terminal.keys()
                    if keys is None or "q" in keys.lower():
                        break
                    for key in keys.lower():
                        self._press(key)
                self._go_on()
        print()

    def run(self) -> None:
        """Watch until a signal ends it."""
        while True:
            self._wait([])
            self._go_on()

    def _wait(self, descriptors: list[int]) -> list[int]:
        """Wait for the worker or the given descriptors, but no longer than a tick."""
        waited_for = [*descriptors, *self._checker.descriptors()]
        ready, _, _ = select.select(waited_for, [], [], TICK)
        return ready

    def _go_on(self) -> None:
        """Take in what has happened, begin what is to be done, show what is new."""
        session = self._session
        job = self._checker.job
        verdict = self._checker.hear()
        shown = session.current
        if saved := self._files.saved():
            session.saved(saved)
            self._close_panel()
        if verdict and job and not self._is_outdated(job.step):
            session.verdict(verdict, time.monotonic() - job.began)
        if session.current != shown:
            self._key = ""
        self._give_up_what_was_saved_over()
        if self._checker.job is None and (job := self._next_job()):
            self._checker.start(job)
        self._draw_what_is_new()

    def _is_outdated(self, step: Step) -> bool:
        """Whether a step has been saved since its check began."""
        return self._session.is_stale(step) or self._files.is_changing(step.number)

    def _give_up_what_was_saved_over(self) -> None:
        """End a check that keeps the reader waiting for that of the newest save."""
        job, since = self._checker.job, self._session.waits_since()
        if (
            job is None
            or since is None
            or job.doing is not Activity.RUN
            or not self._checker.ready
        ):
            return
        if time.monotonic() - max(since, job.began) > GRACE:
            self._checker.restart()
            if not job.rehearse:
                self._session.check_again(job.step)

    def _next_job(self) -> Job | None:
        """The current step first, then its rehearsal, then steps not yet looked at."""
        session = self._session
        current = session.current
        if not session.is_stale(current) and current.number not in self._rehearsed:
            self._rehearsed.add(current.number)
            if not session.is_right(current):
                return Job(current, rehearse=True)
        step = session.next_to_check()
        if step is None or self._files.is_changing(step.number):
            return None
        return Job(step, began=session.begin(step))

    def _press(self, key: str) -> None:
        """Do what a key says."""
        session = self._session
        if key == "h":
            self._hint = self._next_hint()
        if key in "hdc?":
            self._key = key
        elif key == "r":
            session.check_again(session.current)
        elif key in "np":
            session.go_by(1 if key == "n" else -1)
            self._key = ""
        else:
            self._key = ""
        self._drawn = None

    def _next_hint(self) -> tuple[StepId, str, int]:
        """One level more, or the first level if the reader has come to another TODO."""
        step, todo, level = self._hint
        current = self._session.current
        now = panels.open_todo(current)
        same = (step, todo) == (current.number, now)
        return current.number, now, min(level + 1, LEVELS[-1]) if same else 1

    def _close_panel(self) -> None:
        """After a save, only a hint stays, as long as it is about the next TODO."""
        step, todo, _ = self._hint
        current = self._session.current
        if self._key != "h" or (step, todo) != (
            current.number,
            panels.open_todo(current),
        ):
            self._key = ""

    def _panel(self) -> RenderableType | None:
        step = self._session.current
        match self._key:
            case "h":
                return panels.hint(step, self._hint[2])
            case "d":
                return panels.diff(step)
            case "c":
                return panels.chapter(step)
            case "?":
                return panels.help_text()
        return None

    def _draw_what_is_new(self) -> None:
        """Draw if anything on the screen has changed, or the screen itself."""
        session = self._session
        seen = (
            self._console.size,
            session.current,
            session.checked_at,
            progress(session),
            status(session, self._checker.job),
            self._key,
            self._hint,
        )
        if seen != self._drawn:
            self._drawn = seen
            self._draw()

    def _draw(self) -> None:
        self._view.draw(self._session, self._checker.job, self._panel())
