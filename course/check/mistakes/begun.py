"""Which methods of a module are done already, though its `forward` is not."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path

from course.check.mistakes.where import Part
from course.skeleton import open_todos
from course.source import read_source
from course.steps import get_step


def finished(parts: Sequence[Part], number: int, path: Path) -> Iterator[Part]:
    """The parts that are methods in the reader's file and have no open TODO."""
    source = read_source(path)
    open_lines = {line for line, _ in open_todos(get_step(number), source)}
    methods = {
        node.name: range(node.lineno, (node.end_lineno or node.lineno) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
    }
    for part in parts:
        if part.name in methods and not open_lines & set(methods[part.name]):
            yield part
