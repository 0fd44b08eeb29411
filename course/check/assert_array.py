"""Comparing an output with the right one, and with what known mistakes would give.

For the steps of Part II, whose mistakes are few enough to stand in the check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from course.check.compare import (
    TOLERANCE,
    Array,
    agree,
    assert_array_shape,
    where_they_differ,
)
from course.check.explaining import known
from course.check.failure import CheckFailed


def assert_array(
    actual: object,
    expected: Array,
    *,
    number: int,
    step: Any,
    what: str,
    mistakes: Callable[[], Mapping[str, Callable[[], Array]]] = dict,
    tolerance: float = TOLERANCE,
    detail: str = "",
    within: str = "",
    right: str = "Hugging Face",
) -> None:
    """Check that a NumPy array is the right one.

    Args:
        actual: What the reader's code returned.
        expected: What it should return.
        number: The number of the step.
        step: The reader's module.
        what: What returned it, as the reader knows it.
        mistakes: Gives what each known mistake would have returned, by its id; called
            only if the array is wrong.
        tolerance: How far the numbers may be off, as in `is_close`.
        detail: What there is to add to a known mistake.
        within: The function to quote a line from, if the mistake does not say it.
        right: Whose numbers the expected ones are.

    Raises:
        CheckFailed: It is not; if a known mistake gives the same, it says which.
    """
    if not isinstance(actual, np.ndarray):
        kind = "None" if actual is None else f"a {type(actual).__name__}"
        raise CheckFailed(f"{what} returns {kind}, not a NumPy array.", short=kind)
    if agree(actual, expected, tolerance):
        return
    for name, compute in mistakes().items():
        if agree(actual, compute(), tolerance):
            raise known(number, name, step, detail=detail, within=within)
    assert_array_shape(actual, expected, what)
    where = where_they_differ(actual, expected, tolerance, right)
    raise CheckFailed(f"{what}: {where}", short="other numbers")
