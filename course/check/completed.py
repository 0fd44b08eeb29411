"""The reader's file with the TODOs that are still open done as in the solution.

So what is there can be checked before the rest is: whatever fails in the completed file
is wrong in what the reader has written.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from course.open_todos import Open, find_open, scope_of, scopes
from course.source import lines_of
from course.steps import Step


@dataclass(frozen=True)
class Completed:
    """A completed file.

    Attributes:
        tree: Its code. What stands in for a TODO has the line number of the TODO.
        ours: These line numbers.
        replaced: The functions ("Decoder.prefill") that are the solution's as a whole,
            because the reader's names do not go together with the solution's lines.
    """

    tree: ast.Module
    ours: frozenset[int]
    replaced: frozenset[str]


@dataclass(frozen=True)
class MojoText:
    """A completed Mojo file.

    Attributes:
        text: What it says.
        numbers: For each line, its number in the reader's file.
        ours: The numbers of the TODOs for which something stands.
        places: The functions in which they are.
    """

    text: str
    numbers: Sequence[int]
    ours: frozenset[int]
    places: frozenset[str]


@dataclass(frozen=True)
class Piece:
    """Lines of the solution, and the reader's lines in whose place they stand.

    Attributes:
        start: The index of the first line that they replace.
        end: The index after the last one.
        text: The solution's lines.
        line: The number that they get in the completed file.
    """

    start: int
    end: int
    text: Sequence[str]
    line: int


def complete(step: Step, source: str) -> Completed | None:
    """Do the open TODOs of a file as in the solution; None if no Python comes out."""
    lines = lines_of(source)
    solution = step.solution.read_text(encoding="utf-8")
    todos = find_open(step, source)
    ours = frozenset(one.line for one in todos)
    try:
        tree = _put_together(lines, [_answer(one, lines) for one in todos])
        made, right = _functions(tree), _functions(ast.parse(solution))
        replaced = frozenset(
            name
            for name in {scope_of(lines, one.start) for one in todos}
            if name in made
            and name in right
            and not _go_together(made[name], right[name], ours)
        )
        if not replaced:
            return Completed(tree, ours, replaced)
        theirs = _functions(ast.parse(source))
        whole = [_whole(theirs[name], right[name], solution) for name in replaced]
        answers = [
            _answer(one, lines)
            for one in todos
            if scope_of(lines, one.start) not in replaced
        ]
        tree = _put_together(lines, [*answers, *whole])
        return Completed(tree, ours | {piece.line for piece in whole}, replaced)
    except SyntaxError:
        return None


def _whole(theirs: ast.FunctionDef, right: ast.FunctionDef, solution: str) -> Piece:
    """A function of the solution in the place of the reader's."""
    start, end = theirs.lineno - 1, theirs.end_lineno or theirs.lineno
    text = solution.splitlines()[right.lineno - 1 : right.end_lineno]
    return Piece(start, end, text, theirs.lineno)


def _answer(one: Open, lines: Sequence[str]) -> Piece:
    """The answer of a TODO, as far to the right as its placeholder."""
    stub = lines[one.start] if one.start < one.end else ""
    indent = stub[: len(stub) - len(stub.lstrip())]
    text = [indent + line for line in one.todo.answer.splitlines()]
    return Piece(one.start, one.end, text, one.line)


def complete_mojo(part: Step, source: str) -> MojoText:
    """Do the open TODOs of a Mojo file as in the solution."""
    lines = lines_of(source)
    found = find_open(part, source)
    text, numbers = _in_their_places(lines, [_answer(one, lines) for one in found])
    ours = frozenset(one.line for one in found)
    places = frozenset(scopes(part)[one.todo] for one in found)
    return MojoText(text, numbers, ours, places)


def _in_their_places(
    lines: Sequence[str], pieces: Sequence[Piece]
) -> tuple[str, list[int]]:
    """The text with the pieces in it, and for each line its number in the file."""
    text = list(lines)
    numbers = list(range(1, len(lines) + 1))
    for piece in sorted(pieces, key=lambda piece: piece.start, reverse=True):
        text[piece.start : piece.end] = piece.text
        numbers[piece.start : piece.end] = [piece.line] * len(piece.text)
    return "\n".join(text) + "\n", numbers


def _put_together(lines: Sequence[str], pieces: Sequence[Piece]) -> ast.Module:
    """Parse the lines with the pieces in their places; raises SyntaxError."""
    text, numbers = _in_their_places(lines, pieces)
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt | ast.expr | ast.excepthandler | ast.arg):
            # The columns are nobody's: as line 0, a node that ends before it begins
            # would be refused.
            node.end_lineno = node.lineno = numbers[node.lineno - 1]
            node.end_col_offset = node.col_offset = 0
    return tree


def _functions(tree: ast.AST, prefix: str = "") -> dict[str, ast.FunctionDef]:
    """The functions of a module, and the methods of its classes, by name."""
    found = {}
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            found[prefix + node.name] = node
        elif isinstance(node, ast.ClassDef):
            found |= _functions(node, f"{prefix}{node.name}.")
    return found


def _go_together(
    made: ast.FunctionDef, right: ast.FunctionDef, ours: frozenset[int]
) -> bool:
    """Whether the solution's lines find the names that they use in a function."""
    local = _arguments(right) | {
        name for part in _parts(right.body) for name in _names(part, ast.Store)
    }
    bound = _arguments(made)
    for part in _parts(made.body):
        if part.lineno in ours and (_names(part, ast.Load) & local) - bound:
            return False
        bound |= _names(part, ast.Store)
    return True


def _arguments(function: ast.FunctionDef) -> set[str]:
    return {node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)}


def _parts(body: Sequence[ast.stmt]) -> Iterator[Any]:
    """The statements and the heads of compound ones, in the order of execution."""
    for statement in body:
        match statement:
            case ast.For():
                yield statement.iter
                yield statement.target
            case ast.If() | ast.While():
                yield statement.test
            case ast.With():
                for item in statement.items:
                    yield item.context_expr
                    if item.optional_vars:
                        yield item.optional_vars
            case ast.FunctionDef() | ast.ClassDef() | ast.Try():
                pass
            case _:
                yield statement
                continue
        yield from _parts(getattr(statement, "body", []))
        yield from _parts(getattr(statement, "orelse", []))


def _names(part: ast.AST, context: type[ast.expr_context]) -> set[str]:
    """The names that a part reads or binds, but for those inside comprehensions."""
    inside = {
        name.id
        for node in ast.walk(part)
        for target in (
            [node.target] if isinstance(node, ast.comprehension | ast.NamedExpr) else []
        )
        for name in ast.walk(target)
        if isinstance(name, ast.Name)
    }
    found = {
        node.id
        for node in ast.walk(part)
        if isinstance(node, ast.Name) and isinstance(node.ctx, context)
    }
    return found - inside
