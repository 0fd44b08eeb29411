"""What the keys show below the report: hints, the diff, the chapter's address."""

from __future__ import annotations

import difflib

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from course.errors import CourseError
from course.hints import LEVELS, render_next
from course.open_todos import next_todo
from course.skeleton import MODULE_DOCSTRING, finished
from course.source import StepCannotLoad, lines_of, read_step
from course.steps import ROOT, Step, from_root

KEYS = {
    "h": ("hint", "a hint for the next TODO; again for the next level"),
    "d": ("diff", "your file beside the solution: - yours, + the solution's"),
    "c": ("chapter", "where the chapter of this step is"),
    "r": ("rerun", "check again without a save"),
    "n": ("next", "the next step"),
    "p": ("previous", "the previous step"),
    "?": ("help", "this list"),
    "q": ("quit", "stop watching"),
}


def hint(step: Step, level: int) -> RenderableType:
    """The hints up to a level for the next open TODO, as `course hint` shows them."""
    try:
        hints = render_next(step, level)
    except CourseError as error:
        return Text(str(error))
    if level == LEVELS[-1]:
        return hints
    return Group(hints, Text("Press h again for more.", style="cyan"))


def open_todo(step: Step) -> str:
    """The TODO that hints are about; empty when there is none."""
    try:
        found = next_todo(step)
    except CourseError:
        return ""
    return found[-1].todo if found else ""


def diff(step: Step) -> RenderableType:
    """What would turn the reader's files into the solution."""
    parts = [_diff(part) for part in step.parts]
    different = [part for part in parts if part]
    return (
        Group(*different)
        if different
        else Text("Your file is the solution, word for word.")
    )


def _diff(part: Step) -> Text | None:
    """What would turn a file of the reader's into the solution, if anything."""
    try:
        yours = read_step(part, part.skeleton)
    except StepCannotLoad as error:
        return Text(str(error))
    solution = _with_docstring_of(yours, finished(part))
    lines = list(
        difflib.unified_diff(
            lines_of(yours),
            lines_of(solution),
            from_root(part.skeleton),
            from_root(part.solution),
            n=2,
            lineterm="",
        )
    )
    if not lines:
        return None
    return Text("\n").join(Text(line, style=_style(line)) for line in lines)


def _with_docstring_of(yours: str, solution: str) -> str:
    """Put the module docstring of one source into another: it is no difference."""
    docstring, theirs = MODULE_DOCSTRING.match(yours), MODULE_DOCSTRING.match(solution)
    if docstring is None or theirs is None:
        return solution
    return docstring[0] + solution[theirs.end() :]


def _style(line: str) -> str:
    if line.startswith(("---", "+++")):
        return "bold"
    return {"-": "red", "+": "green", "@": "cyan"}.get(line[:1], "dim")


def chapter(step: Step) -> RenderableType:
    """Where the chapter is: the built page if there is one, or else its source."""
    page = ROOT / "book" / "book" / f"{step.module}.html"
    source = ROOT / "book" / "src" / f"{step.module}.md"
    path = page if page.exists() else source
    return Text(f"This is {step.chapter}: {path}", overflow="fold")


def help_text() -> RenderableType:
    """What every key does."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(style="cyan", no_wrap=True)
    for key, (_, text) in KEYS.items():
        grid.add_row(key, text)
    about = "Save a file in steps/ and it is checked. Scroll up if a text is long."
    return Group(grid, Padding(Text(about, style="dim"), (1, 0, 0, 0)))
