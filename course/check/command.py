"""`course check`: warms MAX where needed, runs the checks, shows what they found."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
)
from rich.status import Status
from rich.table import Table

from course.check.activity import PATIENCE, Activity
from course.check.report import print_report
from course.check.result import StepResult
from course.check.runner import Doing, run_checks
from course.progress.record import Candidate
from course.runtime import assert_device
from course.steps import Step, get_step
from course.streams import print_json
from course.warm import missing_kernels, warm

PATIENCE_OF_LOGS = 5.0


def check(
    steps: Sequence[Step],
    *,
    file: Path | None,
    solutions: bool,
    device: str,
    as_json: bool,
    as_table: bool,
    console: Console,
) -> bool:
    """Check steps, print what was found, and note which files are right.

    Args:
        steps: The steps to check.
        file: A file to check in place of the reader's, with one step.
        solutions: Check the solutions instead of the reader's files.
        device: "auto", "cpu" or "gpu".
        as_json: Print JSON on stdout: an object, or a list of them for a table.
        as_table: Print a table instead of a report for each step.
        console: Where progress goes.

    Returns:
        Whether every step is right.
    """
    assert_device(device, console)
    warm(missing_kernels([step.number for step in steps], device), device, console)
    candidates = {one.number: Candidate(one, file) for one in steps}
    events = run_checks(steps, file=file, solutions=solutions, device=device)
    results: list[StepResult] = []
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=console,
        transient=True,
        disable=not as_table,
    )
    waiting = Waiting(console, progress if as_table else None)
    with progress:
        bar = progress.add_task("checking", total=len(steps))
        try:
            for event in events:
                if isinstance(event, StepResult):
                    results.append(event)
                    if event.passed and not solutions:
                        candidates[event.step].has_passed(event.measured)
                    progress.update(bar, advance=1)
                    waiting.over()
                else:
                    waiting.tell(event)
        finally:
            waiting.over()
    if as_json:
        found = [result.to_json() for result in results]
        print_json(found if as_table else found[0])
    elif as_table:
        print_table(results)
    else:
        for result in results:
            print_report(result)
    return all(result.passed for result in results)


class Waiting:
    """Says what takes so long: in a terminal for as long as it does, else in a line."""

    def __init__(self, console: Console, progress: Progress | None) -> None:
        """Wait for the first step.

        Args:
            console: Where it is said.
            progress: The bar whose description says it, if there is one.
        """
        self._console = console
        self._progress = progress
        self._status = Status("", console=console)
        self._began = time.monotonic()
        self._told: set[str] = set()
        self._doing: Doing | None = None
        self._since = self._began

    def tell(self, doing: Doing) -> None:
        """Say what is being done, if it is time to."""
        now = time.monotonic()
        if doing != self._doing:
            self._doing, self._since = doing, now
        what = doing.what.describe(now - self._since)
        text = f"step {get_step(doing.step).label}: {what}"
        waited = now - self._began
        if not self._console.is_terminal:
            # A log: what ends soon is not worth a line.
            if waited > PATIENCE_OF_LOGS and text not in self._told:
                self._told.add(text)
                self._console.print(f"{text} …", markup=False)
        elif self._progress:
            [bar] = self._progress.task_ids
            self._progress.update(bar, description=text)
        elif waited > PATIENCE or doing.what is Activity.REFERENCE:
            self._status.update(f"{text} …")
            self._status.start()

    def over(self) -> None:
        """A step is done, or all are."""
        self._began = time.monotonic()
        self._status.stop()


def print_table(results: Sequence[StepResult]) -> None:
    """Print one line for each step."""
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in ("step", "", "", ""):
        table.add_column(heading)
    for result in results:
        failure = result.first_failure
        if failure is None:
            row = ("[green]✓[/]", "[green]right[/]")
        elif result.not_done:
            row = ("[yellow]·[/]", f"not done yet: {len(result.todo)} TODOs")
        else:
            name = failure.name.partition(": ")[0]
            row = ("[red]✗[/]", f"{name}: {failure.short or 'not right'}")
        table.add_row(get_step(result.step).label, row[0], result.title, row[1])
    console.print(table)
    done = sum(result.passed for result in results)
    console.print(f"\n{done} of {len(results)} steps are right.")
