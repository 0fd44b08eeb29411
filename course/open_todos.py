"""Which TODOs of a step file are still open, and where.

A TODO is open as long as its placeholder stands. The reader may delete the comment, or
leave it above what is done, or write below the placeholder: only code counts.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path

from course.skeleton import Todo, make_skeleton, read_tasks
from course.source import lines_of, read_step
from course.steps import Step

SCOPE = re.compile(r"(?:async )?(?:def|class|struct) (\w+)")


@dataclass(frozen=True)
class Open:
    """A TODO that the reader has not begun.

    Attributes:
        todo: What is to be done.
        line: The number of the line of its comment; without one, of its placeholder.
        start: The index of the first line of its placeholder.
        end: The index after the last one; `start` if it has none.
    """

    todo: Todo
    line: int
    start: int
    end: int


def open_todos(step: Step, source: str) -> list[tuple[int, Todo]]:
    """Return the todos that the reader has not begun, each with its line number."""
    return [(found.line, found.todo) for found in find_open(step, source)]


def next_todo(step: Step, file: Path | None = None) -> tuple[Path, int, Todo] | None:
    """Return the first open TODO of a step, with its file and the number of its line.

    Args:
        step: The step.
        file: What is worked on as this step; by default, what is in steps/.

    Raises:
        StepCannotLoad: A file cannot be read.
    """
    for part, path in step.files(file).items():
        if todos := open_todos(part, read_step(part, path)):
            return path, *todos[0]
    return None


def find_open(step: Step, source: str) -> list[Open]:
    """Return the todos that the reader has not begun, in the order of their lines."""
    lines = lines_of(source)
    found = [_find(todo, step, lines, source) for todo in read_tasks(step).todos]
    return sorted(filter(None, found), key=lambda one: one.line)


@functools.cache
def scopes(step: Step) -> dict[Todo, str]:
    """In which function or class each todo of a step is: "Decoder.prefill"."""
    lines = _skeleton_lines(step)
    return {
        todo: scope_of(lines, lines.index(comment))
        for todo in read_tasks(step).todos
        for comment in lines
        if comment.strip() == f"# TODO: {todo.todo}"
    }


def scope_of(lines: list[str], index: int) -> str:
    """The names of the functions and classes around a line, joined by dots."""
    names: list[str] = []
    indent = _indent(lines[index])
    for line in reversed(lines[:index]):
        # Not where a signature of several lines ends: it begins as far to the left.
        if line.strip() and line.lstrip()[0] not in "#)]}" and _indent(line) < indent:
            indent = _indent(line)
            if opened := SCOPE.match(line.strip()):
                names.insert(0, opened[1])
    return ".".join(names)


def _find(todo: Todo, step: Step, lines: list[str], source: str) -> Open | None:
    comment = f"# TODO: {todo.todo}"
    at = next((i for i, line in enumerate(lines) if line.strip() == comment), None)
    if is_import(todo):
        return _find_import(todo, at, lines, source)
    stub = todo.stub.splitlines()
    if at is not None:
        starts = [_next_code(lines, at + 1)]
    elif "None" in todo.stub:  # Any other placeholder may be the reader's own code.
        scope = scopes(step)[todo]
        begins = (i for i, line in enumerate(lines) if _code(line) == stub[0])
        starts = [i for i in begins if scope_of(lines, i) == scope]
    else:
        starts = []
    for start in starts:
        end = start + len(stub)
        if [_code(line) for line in lines[start:end]] == stub:
            if (
                _is_after_return(lines, start)
                or _written_above(todo, lines, at)
                or _written_below(todo, step, lines, end)
            ):
                return None
            return Open(todo, (start if at is None else at) + 1, start, end)
    return None


def _find_import(
    todo: Todo, at: int | None, lines: list[str], source: str
) -> Open | None:
    """Open as long as one of its names is not imported."""
    if at is None or new_names(todo) <= bound_names(source):
        return None
    start = _next_code(lines, at + 1)
    stub = todo.stub.splitlines()
    if stub and lines[start : start + 1] == stub:
        return Open(todo, at + 1, start, start + 1)
    return Open(todo, at + 1, at + 1, at + 1)


def is_import(todo: Todo) -> bool:
    """Whether a todo is an import."""
    return todo.answer.startswith(("from ", "import "))


def new_names(todo: Todo) -> set[str]:
    """The names that an import adds to those of its placeholder."""
    return bound_names(todo.answer) - bound_names(todo.stub)


def bound_names(source: str) -> set[str]:
    """The names that the imports and top-level assignments of a module bind."""
    try:
        body = ast.parse(source).body
    except SyntaxError:  # Then the check says so, and nothing else matters.
        imported = re.findall(r"^(?:from .*)?import (.*)", source, re.MULTILINE)
        return set(re.findall(r"\w+", " ".join(imported)))
    names = set()
    for node in body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        else:
            names |= {
                part.id
                for part in ast.walk(node)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            }
    return names


def _is_after_return(lines: list[str], start: int) -> bool:
    """Whether a line is never reached, since the one before it returns."""
    for line in reversed(lines[:start]):
        is_code = line.strip() and line.lstrip()[0] not in "#)]}"
        if is_code and _indent(line) <= _indent(lines[start]):
            same = _indent(line) == _indent(lines[start])
            return same and line.lstrip().startswith("return ")
    return False


def _written_above(todo: Todo, lines: list[str], at: int | None) -> bool:
    """Whether what is to stand above the placeholder stands above the comment."""
    above = todo.answer.removesuffix("\n" + todo.stub)
    return above != todo.answer and at is not None and lines[at - 1].strip() == above


def _written_below(todo: Todo, step: Step, lines: list[str], end: int) -> bool:
    """Whether the reader has left the placeholder and written below it."""
    following = next((i for i in range(end, len(lines)) if lines[i].strip()), None)
    if following is None or _indent(lines[following]) < _indent(lines[end - 1]):
        return False
    line = lines[following].strip()
    if todo.stub == "pass":
        if line.startswith("# TODO") or line == _follows(todo, step):
            return False
        # Who takes comments away with what is done would have taken this one, too.
        inside = scopes(step)
        todos = [one for one in inside if inside[one] == inside[todo]]
        after = todos[todos.index(todo) + 1 :]
        return not after or any(
            line.strip() == f"# TODO: {after[0].todo}" for line in lines
        )
    if " = None" not in todo.stub:
        return False
    names = re.findall(r"[\w.]+", todo.stub.rpartition("=")[0])
    target, equals, value = line.partition(" = ")
    return bool(equals) and any(
        re.search(rf"(?<![\w.]){re.escape(name)}\b", target)
        and not re.search(rf"(?<![\w.]){re.escape(name)}\b", value)
        for name in names
    )


def _follows(todo: Todo, step: Step) -> str:
    """The line of the skeleton after a todo's placeholder."""
    lines = _skeleton_lines(step)
    [at] = [i for i, line in enumerate(lines) if line.strip() == f"# TODO: {todo.todo}"]
    end = _next_code(lines, at + 1) + len(todo.stub.splitlines())
    following = _next_code(lines, end)
    return lines[following].strip() if following < len(lines) else ""


@functools.cache
def _skeleton_lines(step: Step) -> list[str]:
    return make_skeleton(step).splitlines()


def _next_code(lines: list[str], start: int) -> int:
    """The index of the first line from there on that is neither blank nor a comment."""
    for index in range(start, len(lines)):
        if lines[index].strip() and not lines[index].strip().startswith("#"):
            return index
    return len(lines)


def _code(line: str) -> str:
    """A line without its comment."""
    return line.partition("  #")[0].strip()


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
