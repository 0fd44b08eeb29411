"""What the reader sees: a screen that is drawn anew, or reports one after another."""

from __future__ import annotations

import sys
import time
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.rule import Rule
from rich.text import Text

from course.check.activity import PATIENCE
from course.check.report import render
from course.steps import list_files
from course.watch.checker import Job
from course.watch.panels import KEYS
from course.watch.session import Session

CLEAR = "\x1b[H\x1b[2J"


class View(Protocol):
    """Shows the session."""

    def draw(
        self, session: Session, job: Job | None, panel: RenderableType | None
    ) -> None:
        """Show what is new."""


class Screen:
    """Clears the terminal and draws everything, with the keys at the bottom."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def draw(
        self, session: Session, job: Job | None, panel: RenderableType | None
    ) -> None:
        """Draw everything."""
        parts: list[RenderableType] = [progress(session), ""]
        if session.finished:
            parts += [celebration(session), ""]
        if session.result:
            parts.append(render(session.result, for_help="h for a hint"))
        if panel:
            parts += [Rule(style="dim"), panel, Rule(style="dim")]
        parts += [status(session, job), keys()]
        with self._console.capture() as capture:
            # Not cropped: a hint shows lines of code, to be copied.
            self._console.print(Group(*parts), end="", crop=False)
        # All at once, so that it does not flicker.
        sys.stdout.write(CLEAR + capture.get())
        sys.stdout.flush()


class Plain:
    """Prints a report for every verdict: for pipes, logs and screen readers."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: object = None
        self._told = ""

    def draw(
        self, session: Session, job: Job | None, panel: RenderableType | None
    ) -> None:
        """Print the verdict if it is new, or what takes so long."""
        shown = (session.current, session.checked_at)
        if session.result is not None and shown != self._shown:
            self._shown = shown
            self._print_report(session)
        doing, _, _ = _waiting_for(session, job).rpartition(", ")  # Not the seconds.
        if doing and doing != self._told:
            self._console.print(f"step {session.current.label}: {doing} …")
        self._told = doing

    def _print_report(self, session: Session) -> None:
        assert session.result is not None
        if session.finished:
            self._console.print(celebration(session), "")
        self._console.print(render(session.result), end="", crop=False)
        self._console.print(progress(session))
        self._console.print(status(session, None), "")


def progress(session: Session) -> Text:
    """How far the reader is: a tick for every step that is right."""
    done = sum(session.is_right(step) for step in session.steps)
    text = Text("")
    for step in session.steps:
        if session.is_right(step):
            text.append("✓", style="bold green" if step == session.current else "green")
        elif step == session.current:
            text.append("▸", style="bold cyan")
        else:
            text.append("·", style="dim")
    text.append(f"  {done} of {len(session.steps)}", style="bold")
    return text


def celebration(session: Session) -> Text:
    """A line for a step that has just become right."""
    assert session.finished is not None
    title = f"Step {session.finished.label} is right: {session.finished.title}."
    text = Text(f"✓ {title}", style="bold green")
    if session.all_right:
        text.append(" All steps are right: your GPT-2 is whole.")
    return text


def status(session: Session, job: Job | None) -> Text:
    """What happens now, or how long the last check took."""
    file = list_files([part.skeleton for part in session.current.parts])
    if waiting := _waiting_for(session, job):
        return Text(f"{waiting} …", style="yellow")
    if session.result is None:
        return Text(f"checking {file} …", style="yellow")
    text = Text(f"watching {file}", style="dim")
    if session.checked_at:
        clock = time.strftime("%H:%M:%S", time.localtime(session.checked_at))
        text.append(f" · checked in {session.seconds:.1f} s at {clock}")
    return text


def _waiting_for(session: Session, job: Job | None) -> str:
    """What the reader waits for, if it takes long."""
    since = session.waits_since()
    is_awaited = job and job.step == session.current and not job.rehearse
    if job is None or (since is None and (job.answered or not is_awaited)):
        return ""
    waited = time.monotonic() - (since or job.began)
    return f"{job.doing.describe(waited)}, {waited:.0f} s" if waited > PATIENCE else ""


def keys() -> Text:
    """The keys, in one line."""
    text = Text()
    for key, (name, _) in KEYS.items():
        text.append("  " if text else "")
        text.append(key, style="bold cyan")
        text.append(f"\N{NO-BREAK SPACE}{name}")
    return text
