"""`course hint`: three levels of help with what is not done yet."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from course.check.report import check_command
from course.open_todos import next_todo
from course.skeleton import Todo, read_tasks
from course.steps import Step, from_root

LEVELS = (1, 2, 3)
INDENT = " " * 4


def print_hints(
    step: Step, level: int, everything: bool, console: Console, file: Path | None
) -> None:
    """Print hints up to a level for the next open TODO, or for all TODOs.

    Args:
        step: The step.
        level: 1 to 3.
        everything: For all TODOs, whether they are open or not.
        console: Where to.
        file: What is worked on as this step, if it is not in steps/.

    Raises:
        CourseError: The file cannot be read.
    """
    if everything:
        _print(_hints(step, level), console)
        return
    todo = next_todo(step, file)
    _print(render_next(step, level, file), console)
    if todo and level < LEVELS[-1]:
        command = check_command("hint", step, file or step.skeleton)
        more = f"More: {command} --level {level + 1}"
        _print(_in_one_piece(Text(more, style="cyan")), console)


def render_next(step: Step, level: int, file: Path | None = None) -> RenderableType:
    """Hints up to a level for the next open TODO.

    Without an open TODO there may still be a mistake, which only a check finds: then
    that is said first, and all the hints follow.

    Raises:
        CourseError: The file cannot be read.
    """
    if found := next_todo(step, file):
        path, number, todo = found
        return _hint(todo, level, f"{from_root(path)}, line {number}")
    file = file or step.skeleton
    check = Text(f"  {check_command('check', step, file)}\n", style="cyan")
    return Group(
        Text(f"{from_root(file)} has no open TODO. What is wrong, if it is:"),
        _in_one_piece(check),
        Text("And these are all its hints, to compare your lines with:\n"),
        _hints(step, level),
    )


def _print(what: RenderableType, console: Console) -> None:
    # Not cropped: lines of code are as long as they are, to be copied.
    console.print(what, crop=False)


def _hints(step: Step, level: int) -> RenderableType:
    todos = (todo for part in step.parts for todo in read_tasks(part).todos)
    return Group(*(_hint(todo, level) for todo in todos))


def _hint(todo: Todo, level: int, where: str = "") -> RenderableType:
    headline = Text(todo.todo, style="bold")
    if where:
        headline.append(f"  {where}", style="not bold dim")
    parts: list[RenderableType] = [headline, Padding(Text(todo.look), (0, 0, 0, 2))]
    if level >= 2:
        parts.append(Padding(Text(todo.hint), (0, 0, 0, 2)))
    if level >= 3:
        parts.append(_code(todo.answer))
    return Group(*parts, "")


def _code(answer: str) -> RenderableType:
    """Code in colours, every line in one piece however narrow the terminal is."""
    syntax = Syntax("", "python", theme="ansi_dark", background_color="default")
    lines = syntax.highlight(answer).split("\n", allow_blank=False)
    return _in_one_piece(Text("\n").join(Text(INDENT) + line for line in lines))


def _in_one_piece(text: Text) -> RenderableType:
    """A text whose lines are neither wrapped nor cut, to be copied."""
    text.no_wrap, text.overflow = True, "ignore"
    return Group(text)  # `print` takes a text by itself apart.
