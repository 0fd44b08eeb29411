"""Comparing an output with the right one, and with what known mistakes would give.

For the steps of Part II, whose mistakes are few enough to stand in the check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course.check.compare import (
    TOLERANCE,
    CheckFailed,
    agree,
    assert_array_shape,
    known,
    where_they_differ,
)

Array = NDArray[Any]


def assert_array(
    actual: object,
    expected: Array,
    *,
    number: int,
    step: Any,
    what: str,
    mistakes: Mapping[str, Callable[[], Array]],
    tolerance: float = TOLERANCE,
    detail: str = "",
) -> None:
    """Check that a NumPy array is the right one.

    Args:
        actual: What the reader's code returned.
        expected: What it should return.
        number: The number of the step.
        step: The reader's module.
        what: What returned it, as the reader knows it.
        mistakes: What each known mistake would have returned, by its id.
        tolerance: How far the numbers may be off, as in `is_close`.
        detail: What there is to add to a known mistake.

    Raises:
        CheckFailed: It is not; if a known mistake gives the same, it says which.
    """
    if not isinstance(actual, np.ndarray):
        kind = "None" if actual is None else f"a {type(actual).__name__}"
        raise CheckFailed(f"{what} returns {kind}, not a NumPy array.", short=kind)
    if agree(actual, expected, tolerance):
        return
    for name, compute in mistakes.items():
        if agree(actual, compute(), tolerance):
            raise known(number, name, step, detail=detail)
    assert_array_shape(actual, expected, what)
    where = where_they_differ(actual, expected, tolerance)
    raise CheckFailed(f"{what}: {where}", short="other numbers")
