"""`course hint`: three levels of help with what is not done yet."""

from __future__ import annotations

from rich.console import Console
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from course.check.loading import StepCannotLoad, read_source
from course.errors import CourseError
from course.skeleton import Todo, open_todos, read_tasks
from course.steps import Step, from_root

LEVELS = (1, 2, 3)


def print_hints(step: Step, level: int, everything: bool, console: Console) -> None:
    """Print hints up to a level for the next open TODO, or for all TODOs.

    Raises:
        CourseError: The step's file cannot be read.
    """
    try:
        todos = open_todos(step, read_source(step, step.skeleton))
    except StepCannotLoad as error:
        raise CourseError(str(error)) from None
    if everything or not todos:
        if not everything:
            console.print(
                f"{from_root(step.skeleton)} has no open TODO; all its hints:\n"
            )
        for todo in read_tasks(step).todos:
            _print(todo, "", level, console)
        return
    number, todo = todos[0]
    _print(todo, f"{from_root(step.skeleton)}, line {number}", level, console)
    if level < LEVELS[-1]:
        console.print(
            f"More: course hint {step.number} --level {level + 1}", style="cyan"
        )


def _print(todo: Todo, where: str, level: int, console: Console) -> None:
    headline = Text(todo.todo, style="bold")
    if where:
        headline.append(f"  {where}", style="not bold dim")
    console.print(headline)
    console.print(Padding(Text(todo.look), (0, 0, 0, 2)))
    if level >= 2:
        console.print(Padding(Text(todo.hint), (0, 0, 0, 2)))
    if level >= 3:
        code = Syntax(
            todo.answer, "python", theme="ansi_dark", background_color="default"
        )
        console.print(Padding(code, (0, 0, 0, 4)))
    console.print()
