"""Mistakes that show in the shapes of an operation that MAX refuses to do."""

from __future__ import annotations

from collections.abc import Callable

from course.check.cases import Case
from course.check.max_errors import Refused

Refusal = Callable[[Refused, Case], bool]


def when(operation: str, *shapes: str) -> Refusal:
    """The operation is refused for tensors of these shapes.

    Each shape is a word of letters: b for batch, l for length, h for n_head, d for
    head_dim, n for n_embd.
    """

    def shows(refused: Refused, case: Case) -> bool:
        n_embd, n_head = case.sizes["n_embd"], case.sizes["n_head"]
        sizes = {
            "b": case.batch,
            "l": case.length,
            "h": n_head,
            "d": n_embd // n_head,
            "n": n_embd,
        }
        wanted = [[sizes[letter] for letter in shape] for shape in shapes]
        return refused.operation == operation and refused.shapes == wanted

    return shows


def rows_by_floats(refused: Refused, case: Case) -> bool:
    """Rows of a table are looked up by numbers that are no integers."""
    return refused.operation.endswith("Gather") and "float32" in refused.dtypes[1:]
