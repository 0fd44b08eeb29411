"""The skeletons in `steps/`, made from the solutions and the tasks in `course/todo/`.

A skeleton is its solution with some lines taken out: each todo names the lines
(`answer`) and says what stands in their place. So the two cannot drift apart, and
the lines taken out are also the last level of the hints.
"""

from __future__ import annotations

import functools
import re
import textwrap
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass

from course.steps import ALL_STEPS, Step

LINE_LENGTH = 88
MODULE_DOCSTRING = re.compile(r'"""(.*?)"""', re.DOTALL)


@dataclass(frozen=True)
class Todo:
    """One place in a skeleton where the reader writes."""

    task: int
    """The number of the task in the module docstring."""
    todo: str
    """What to do, as the TODO comment says it."""
    hint: str
    """Which call to use, as the Hint comment says it."""
    look: str
    """Hint 1: where to look, or how to think about it."""
    shapes: str
    """Hint 1: what goes in and what comes out; empty where no tensor does."""
    example: str
    """Hint 2: such a call on the tiny example of the book."""
    gives: str
    """Hint 2: its result."""
    answer: str
    """Hint 3: the lines of the solution, without their indentation."""
    stub: str
    """What stands in the skeleton instead of the answer; empty for imports."""


@dataclass(frozen=True)
class Tasks:
    """What the reader is asked to do in one step."""

    goal: str
    given: str
    """What the names stand for in the examples of the hints."""
    tasks: tuple[str, ...]
    todos: tuple[Todo, ...]
    first: int = 1
    """The number of the first task: where a step has two files, they count on."""


@functools.cache
def read_tasks(step: Step) -> Tasks:
    """Read the tasks of a step."""
    data = tomllib.loads(step.todo_file.read_text(encoding="utf-8"))
    todos = tuple(
        Todo(
            task=todo["task"],
            todo=todo["todo"],
            hint=todo["hint"],
            look=todo["look"],
            shapes=todo.get("shapes", ""),
            example=todo.get("example", ""),
            gives=todo.get("gives", ""),
            answer=todo["answer"].strip("\n"),
            stub=todo.get("stub", ""),
        )
        for todo in data["todo"]
    )
    return Tasks(
        data["goal"],
        data.get("given", ""),
        tuple(data["tasks"]),
        todos,
        data.get("first_task", 1),
    )


def make_skeleton(step: Step) -> str:
    """Make the text of a step's skeleton from its solution.

    Raises:
        ValueError: A todo's answer is not in the solution exactly once.
    """
    tasks = read_tasks(step)
    text = take_out(step.solution.read_text(encoding="utf-8"), tasks.todos, step)
    text = text.replace("from solution_", "from step_")
    docstring = MODULE_DOCSTRING.match(text)
    assert docstring is not None
    return text.replace(docstring[1], _module_docstring(step, tasks), 1)


def finished(part: Step) -> str:
    """The text of a solution as the reader would have written it."""
    text = part.solution.read_text(encoding="utf-8")
    return text.replace("from solution_", "from step_")


def take_out(text: str, todos: Iterable[Todo], step: Step) -> str:
    """Put comments and stubs in the place of the answers of some todos.

    Raises:
        ValueError: An answer is not in the text exactly once.
    """
    for todo in todos:
        text = _take_out(text, todo, step)
    return _space_out(text)


def _take_out(text: str, todo: Todo, step: Step) -> str:
    """Replace a todo's answer by its comment and stub, keeping the indentation."""
    answer = todo.answer.splitlines()
    lines = text.splitlines()
    places = [
        index
        for index in range(len(lines) - len(answer) + 1)
        if textwrap.dedent("\n".join(lines[index : index + len(answer)])) == todo.answer
    ]
    if len(places) != 1:
        raise ValueError(
            f"{step.todo_file.name}: the answer of “{todo.todo}” stands "
            f"{len(places)} times in {step.solution.name}, not once"
        )
    [start] = places
    indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
    stand_in = [*_comment(todo, LINE_LENGTH - len(indent)), *todo.stub.splitlines()]
    lines[start : start + len(answer)] = [indent + line for line in stand_in]
    return "\n".join(lines) + "\n"


def _space_out(text: str) -> str:
    """Put a blank line between a stub and the next TODO."""
    lines: list[str] = []
    for line in text.splitlines():
        is_todo = line.lstrip().startswith("# TODO:")
        if is_todo and lines and _is_statement(lines[-1]):
            lines.append("")
        lines.append(line)
    return "\n".join(lines) + "\n"


def _is_statement(line: str) -> bool:
    return bool(line) and not line.lstrip().startswith("#") and line[-1] not in ':"'


def _comment(todo: Todo, width: int = LINE_LENGTH) -> list[str]:
    """The TODO and Hint comment of a todo, one line each."""
    lines = [f"# TODO: {todo.todo}"]
    lines += [f"# Hint: {line}" for line in todo.hint.splitlines()]
    for line in lines:
        if len(line) > width:
            raise ValueError(f"longer than {width} characters: {line}")
    return lines


def _module_docstring(step: Step, tasks: Tasks) -> str:
    entries = enumerate(tasks.tasks, tasks.first)
    numbered = "\n".join(f"{number}. {task}" for number, task in entries)
    return (
        f"\n{step.heading}\n\n"
        f"{textwrap.fill(tasks.goal, LINE_LENGTH)}\n\n"
        f"Tasks:\n{numbered}\n\n"
        f"Run: pixi run {step.task}\n"
    )


def main() -> None:
    """Write every skeleton into `steps/`, over what is there."""
    for step in ALL_STEPS:
        for part in step.parts:
            part.skeleton.write_text(make_skeleton(part), encoding="utf-8")


if __name__ == "__main__":
    main()
