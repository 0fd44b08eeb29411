"""The report that the reader sees after a check."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from course.check.result import Check, StepResult
from course.steps import (
    ROOT,
    SIDE_STEPS,
    STEPS,
    Step,
    from_root,
    get_step,
    list_files,
)

PRINTED_LINES = 12
BOOK_WIDTH = 72


def print_report(result: StepResult, console: Console | None = None) -> None:
    """Print the report of one step."""
    (console or Console(highlight=False)).print(render(result), crop=False)


def as_text(result: StepResult) -> str:
    """The report of one step as the book shows it."""
    out = io.StringIO()
    print_report(result, Console(file=out, width=BOOK_WIDTH, highlight=False))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()).strip()


def render(result: StepResult, for_help: str = "") -> RenderableType:
    """Lay out the report of one step.

    Args:
        result: What was found.
        for_help: How the reader gets a hint; by default, with `course hint`.
    """
    parts: list[RenderableType] = [_headline(result), _checks(result)]
    printed = next((c.printed for c in result.checks if c.printed.strip()), "")
    failure = result.first_failure
    step = get_step(result.step)
    for_help = for_help or check_command("hint", step, ROOT / result.file)
    help_with_it = f"{for_help} · {step.chapter}"
    if failure is None:
        then = f"Right. Next: {_next_step(step)}"
    elif result.not_done:
        parts += _not_done(result)
        then = f"Next: {help_with_it}"
    else:
        parts.append(Padding(Text(failure.message), (1, 0, 0, 2)))
        # Hints are about what is not done, so they would lead away from what is wrong.
        then = f"Next: {help_with_it}"
        if result.todo:
            then = f"Next: put this right · then {result.todo[0]}"
    if printed:
        parts.append(_printed(printed))
    parts.append(_next(then))
    return Group(*parts)


def _headline(result: StepResult) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right", style="dim")
    title = get_step(result.step).heading.replace(": ", " · ", 1)
    grid.add_row(Text(title, style="bold"), _files(result))
    return grid


def _files(result: StepResult) -> str:
    """The file that was checked, or all of the step's files."""
    step = get_step(result.step)
    for files in ([p.skeleton for p in step.parts], [p.solution for p in step.parts]):
        if result.file == from_root(files[-1]):
            return list_files(files)
    return result.file


def _checks(result: StepResult) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    names = [check.name.partition(": ")[0] for check in result.checks]
    for check, name in zip(result.checks, names, strict=True):
        grid.add_row(" " + _mark(check), _name(check, alone=names.count(name) == 1))
    return grid


def _mark(check: Check) -> str:
    if check.left_out or not check.reached:
        return "[dim]–[/]"
    if check.open:
        return "[yellow]·[/]"
    return "[green]✓[/]" if check.passed else "[red]✗[/]"


def _name(check: Check, alone: bool) -> Text:
    """What was checked; two checks of one function are told apart by what they ask."""
    name, _, detail = check.name.partition(": ")
    if not check.reached:
        return Text(name if alone else f"{name}  {detail}", style="dim")
    if check.left_out:
        return Text(f"{name}  left out: {check.left_out}", style="dim")
    text = Text(name)
    if not check.passed and not alone:
        text.append(f"  {detail}", style="dim")
    if check.passed:
        text.append(f"  {check.message or detail}", style="dim")
    elif check.short:
        text.append(f"  {check.short}", style="yellow" if check.open else "red")
    return text


def _not_done(result: StepResult) -> list[RenderableType]:
    """What is done so far, what is next, and what comes after."""
    parts: list[RenderableType] = []
    if result.done:
        right = "and right" if result.sure else "and right as far as can be told yet"
        parts.append(Text(f"✓ done so far, {right}: {', '.join(result.done)}", "green"))
    if result.later:
        later = ", ".join(result.later)
        parts.append(Text(f"done, but only checked when the rest is there: {later}"))
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    for place, entry in enumerate(result.todo):
        line, _, text = entry.partition(": ")
        when = {0: "next:", 1: "then:"}.get(place, "")
        style = "" if place == 0 else "dim"
        grid.add_row(Text(when, style), Text(line, "yellow"), Text(text, style))
    return [Padding(part, (1, 0, 0, 2)) for part in [*parts, grid]]


def _printed(printed: str) -> RenderableType:
    lines = printed.strip().splitlines()
    shown = [line[:200] for line in lines[:PRINTED_LINES]]
    if len(lines) > PRINTED_LINES:
        shown.append(f"… and {len(lines) - PRINTED_LINES} more lines")
    text = Text("Your code printed:\n", style="dim")
    text.append("\n".join(f"  {line}" for line in shown))
    return Padding(text, (1, 0, 0, 2))


def _next(text: str) -> RenderableType:
    """A line with a command, in one piece to be copied however long it is."""
    line = Text(f"  {text}", style="cyan", no_wrap=True, overflow="ignore")
    return Group("", line, "")


def check_command(command: str, step: Step, file: Path) -> str:
    """What is typed for a check or a hint; a file of one's own is named.

    Args:
        command: "check" or "hint".
        step: The step.
        file: What is worked on as this step.
    """
    text = f"course {command} {step.number}"
    own = {path for part in step.parts for path in (part.skeleton, part.solution)}
    if file.resolve() in {path.resolve() for path in own}:
        return text
    return f"{text} --file {shlex.quote(from_root(file))}"


def _next_step(step: Step) -> str:
    if step in SIDE_STEPS:
        return "course list"
    if step == STEPS[-1]:
        return "course serve --code steps"
    following = STEPS[STEPS.index(step) + 1]
    return f"course check {following.number} · {following.chapter}"
