"""Finding the mistake behind an operation that MAX refuses to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from course.check.cases import Case
from course.check.max_errors import Refused
from course.check.mistakes.table import Mistake, Refusal, mistakes_of


def find_refused(number: int, refused: Refused, cases: Iterable[Any]) -> Mistake | None:
    """The mistake behind an operation that MAX refused in one of the cases."""
    cases = [case for case in cases if isinstance(case, Case)]
    for mistake in mistakes_of(number):
        if any(_shows(one, refused, case) for one in mistake.refused for case in cases):
            return mistake
    return None


def _shows(one: Refusal, refused: Refused, case: Case) -> bool:
    n_embd, n_head = case.sizes["n_embd"], case.sizes["n_head"]
    sizes = {
        "b": case.batch,
        "l": case.length,
        "h": n_head,
        "d": n_embd // n_head,
        "n": n_embd,
    }
    shapes = [[sizes[letter] for letter in shape] for shape in one.shapes]
    if one.dtype:
        return (
            refused.operation.endswith(one.operation)
            and one.dtype in refused.dtypes[1:]
        )
    return refused.operation == one.operation and refused.shapes == shapes
