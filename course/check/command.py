"""`course check`: warms MAX where needed, runs the checks, shows what they found."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
)
from rich.status import Status
from rich.table import Table

from course.check.report import print_report
from course.check.result import StepResult
from course.check.runner import Doing, run_checks
from course.runtime import assert_device_name, find_device
from course.steps import Step
from course.warm import missing_kernels, warm

DOING = {
    "start": "starting MAX",
    "run": "running your code",
    "compile": "MAX compiles an operation that your code uses for the first time",
    "serve": "starting MAX's server: 20 seconds, and minutes the first time",
    "reference": "asking Hugging Face GPT-2 for the right answers, once",
}
PATIENCE = 1.0  # Seconds before the reader is told what takes so long.


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
    """Check steps and print what was found.

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
    assert_device_name(device)
    if device == "gpu":
        find_device(device)
    warm(missing_kernels([step.number for step in steps], device), device, console)
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
    status = Status("", console=console)
    began = time.monotonic()
    with progress:
        bar = progress.add_task("checking", total=len(steps))
        try:
            for event in events:
                if isinstance(event, StepResult):
                    results.append(event)
                    progress.update(bar, advance=1)
                    began = time.monotonic()
                    status.stop()
                else:
                    _tell(event, status, progress, bar, as_table, began)
        finally:
            status.stop()
    if as_json:
        found = [result.to_json() for result in results]
        print(json.dumps(found if as_table else found[0], ensure_ascii=False))
    elif as_table:
        print_table(results)
    else:
        for result in results:
            print_report(result)
    return all(result.passed for result in results)


def _tell(
    doing: Doing,
    status: Status,
    progress: Progress,
    bar: TaskID,
    as_table: bool,
    began: float,
) -> None:
    text = DOING[doing.what]
    if as_table:
        progress.update(bar, description=f"step {doing.step:02d}: {text}")
    elif time.monotonic() - began > PATIENCE or doing.what == "reference":
        status.update(f"step {doing.step:02d}: {text} …")
        status.start()


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
        table.add_row(f"{result.step:02d}", row[0], result.title, row[1])
    console.print(table)
    done = sum(result.passed for result in results)
    console.print(f"\n{done} of {len(results)} steps are right.")
