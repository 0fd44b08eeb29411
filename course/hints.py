"""`course hint`: three levels of help with what is not done yet."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.syntax import Syntax
from rich.text import Text

from course.check.loading import StepCannotLoad, read_source
from course.errors import CourseError
from course.open_todos import open_todos
from course.skeleton import Todo, read_tasks
from course.steps import Step, from_root

LEVELS = (1, 2, 3)


def print_hints(step: Step, level: int, everything: bool, console: Console) -> None:
    """Print hints up to a level for the next open TODO, or for all TODOs.

    Raises:
        CourseError: The step's file cannot be read.
    """
    if everything:
        console.print(_hints(read_tasks(step).todos, level))
        return
    todo = next_todo(step)
    console.print(render_next(step, level))
    if todo and level < LEVELS[-1]:
        console.print(
            f"More: course hint {step.number} --level {level + 1}", style="cyan"
        )


def render_next(step: Step, level: int) -> RenderableType:
    """Hints up to a level for the next open TODO, or all hints if there is none.

    Raises:
        CourseError: The step's file cannot be read.
    """
    file = from_root(step.skeleton)
    if found := next_todo(step):
        number, todo = found
        return _hint(todo, level, f"{file}, line {number}")
    note = f"{file} has no open TODO; all its hints:\n"
    return Group(note, _hints(read_tasks(step).todos, level))


def next_todo(step: Step) -> tuple[int, Todo] | None:
    """The first open TODO, with its line number.

    Raises:
        CourseError: The step's file cannot be read.
    """
    try:
        todos = open_todos(step, read_source(step, step.skeleton))
    except StepCannotLoad as error:
        raise CourseError(str(error)) from None
    return todos[0] if todos else None


def _hints(todos: Sequence[Todo], level: int) -> RenderableType:
    return Group(*(_hint(todo, level) for todo in todos))


def _hint(todo: Todo, level: int, where: str = "") -> RenderableType:
    headline = Text(todo.todo, style="bold")
    if where:
        headline.append(f"  {where}", style="not bold dim")
    parts: list[RenderableType] = [headline, Padding(Text(todo.look), (0, 0, 0, 2))]
    if level >= 2:
        parts.append(Padding(Text(todo.hint), (0, 0, 0, 2)))
    if level >= 3:
        code = Syntax(
            todo.answer, "python", theme="ansi_dark", background_color="default"
        )
        parts.append(Padding(code, (0, 0, 0, 4)))
    return Group(*parts, "")
