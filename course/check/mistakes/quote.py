"""Finding the reader's line that a mistake is about; rather none than a wrong one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from course.open_todos import scope_of
from course.source import NotPythonText, lines_of, read_source


def quote(step: Any, patterns: Sequence[str], within: str = "") -> str:
    """The first of the reader's lines that matches, with its number.

    Args:
        step: The reader's module.
        patterns: Regular expressions, the best one first.
        within: The function to search; all of them, and the classes, by default.
    """
    try:
        path = Path(step.__file__)
        source = read_source(path)
        found = _lines_of_mojo if path.suffix == ".mojo" else _lines_of_python
        numbers = sorted(set(found(source, within)))
    except (OSError, NotPythonText, SyntaxError):
        return ""
    lines = lines_of(source)
    for pattern in patterns:
        for number in numbers:
            line = lines[number - 1].partition("#")[0]
            if re.search(pattern, line):
                return f"    {number} │ {line.strip()}"
    return ""


def _lines_of_mojo(source: str, within: str) -> Iterator[int]:
    """The lines inside a function, or all of them, that are no docstrings."""
    lines = lines_of(re.sub(r'""".*?"""', _blanked, source, flags=re.DOTALL))
    for index, line in enumerate(lines):
        if line.strip() and (not within or scope_of(lines, index) == within):
            yield index + 1


def _blanked(docstring: re.Match[str]) -> str:
    return "\n" * docstring[0].count("\n")


def _lines_of_python(source: str, within: str) -> Iterator[int]:
    """The lines inside functions and classes that are no docstrings."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            if within and node.name != within:
                continue
            if isinstance(node, ast.ClassDef):
                yield node.lineno
            for statement in node.body:
                is_text = isinstance(statement, ast.Expr) and isinstance(
                    statement.value, ast.Constant
                )
                is_scope = isinstance(statement, ast.FunctionDef | ast.ClassDef)
                if not is_text and not is_scope:
                    end = statement.end_lineno or statement.lineno
                    yield from range(statement.lineno, end + 1)
