"""What the user is told beside the result: on the standard error."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

# Nobody knows beforehand whether MAX finds a graph in its cache; it takes seconds then.
COMPILING = "compiling the model (minutes the first time, then kept on disk)"
PATIENCE = 8.0
AT_ONCE = 2.0
"""What takes less than so many seconds gets no progress bar."""

Item = TypeVar("Item")


def notes() -> Console:
    """Where progress and remarks go: the standard error."""
    return Console(stderr=True, highlight=False)


@contextlib.contextmanager
def say(notes: Console, what: str, later: str = "") -> Iterator[None]:
    """Show what takes its time, for as long as it takes.

    Args:
        notes: Where.
        what: What is being done.
        later: What it must be, once it has taken longer than `PATIENCE`.
    """
    if not notes.is_terminal:
        notes.print(f"{what} …", markup=False)
        timer = threading.Timer(PATIENCE, notes.print, [f"{later} …"])
        timer.daemon = True
        if later:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
        return
    columns = (SpinnerColumn(), Told(later or what), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


def track_slow(items: Sequence[Item], what: str, notes: Console) -> Iterator[Item]:
    """Go through items, with a progress bar once that has taken a while.

    Args:
        items: What to go through.
        what: What is being done.
        notes: Where the bar is shown.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    start = time.perf_counter()
    with Progress(
        *columns, TimeRemainingColumn(), console=notes, transient=True
    ) as progress:
        task = progress.add_task(what, total=len(items), visible=False)
        for item in items:
            yield item
            is_slow = time.perf_counter() - start > AT_ONCE
            progress.update(task, advance=1, visible=is_slow)


class Told(ProgressColumn):
    """What is being done, and another text when that has taken long."""

    def __init__(self, later: str) -> None:
        super().__init__()
        self._later = later

    def render(self, task: Task) -> Text:
        """Return the text for now."""
        early = (task.elapsed or 0.0) < PATIENCE
        return Text(task.description if early else self._later)
