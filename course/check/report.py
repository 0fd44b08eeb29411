"""The report that the reader sees after a check."""

from __future__ import annotations

import io

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from course.check.result import Check, StepResult

PRINTED_LINES = 12
BOOK_WIDTH = 72


def print_report(result: StepResult, console: Console | None = None) -> None:
    """Print the report of one step."""
    (console or Console(highlight=False)).print(render(result))


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
    if failure is None:
        if printed:
            parts.append(_printed(printed))
        parts.append(_next(f"Right. Next: {_next_step(result)}"))
        return Group(*parts)
    if failure.message:
        parts.append(Padding(Text(failure.message), (1, 0, 0, 2)))
    if failure.todo:
        parts.append(_todo(failure.todo))
    if printed:
        parts.append(_printed(printed))
    number = result.step
    for_help = for_help or f"course hint {number}"
    parts.append(_next(f"Next: {for_help} · chapter {number:02d}"))
    return Group(*parts)


def _headline(result: StepResult) -> RenderableType:
    grid = Table.grid(expand=True)
    grid.add_column()
    grid.add_column(justify="right", style="dim")
    title = f"Step {result.step:02d} · {result.title}"
    grid.add_row(Text(title, style="bold"), result.file)
    return grid


def _checks(result: StepResult) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    for check in result.checks:
        grid.add_row(" " + _mark(check), _name(check))
    return grid


def _mark(check: Check) -> str:
    if not check.reached:
        return "[dim]–[/]"
    return "[green]✓[/]" if check.passed else "[red]✗[/]"


def _name(check: Check) -> Text:
    name, _, detail = check.name.partition(": ")
    if not check.reached:
        return Text(name, style="dim")
    text = Text(name)
    if check.passed:
        text.append(f"  {detail}", style="dim")
    elif check.short:
        text.append(f"  {check.short}", style="red")
    return text


def _todo(todo: list[str]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    grid.add_column(no_wrap=True)
    for entry in todo:
        line, _, text = entry.partition(": ")
        grid.add_row(Text(line, style="yellow"), Text(text))
    return Padding(Group(Text("not done yet:"), grid), (1, 0, 0, 2))


def _printed(printed: str) -> RenderableType:
    lines = printed.strip().splitlines()
    shown = [line[:200] for line in lines[:PRINTED_LINES]]
    if len(lines) > PRINTED_LINES:
        shown.append(f"… and {len(lines) - PRINTED_LINES} more lines")
    text = Text("Your code printed:\n", style="dim")
    text.append("\n".join(f"  {line}" for line in shown))
    return Padding(text, (1, 0, 0, 2))


def _next(text: str) -> RenderableType:
    return Padding(Text(text, style="cyan"), (1, 0, 1, 2))


def _next_step(result: StepResult) -> str:
    from course.steps import STEPS

    if result.step == len(STEPS):
        return "course serve --code steps (uses your steps 13 and 18)"
    return f"course check {result.step + 1} · chapter {result.step + 1:02d}"
