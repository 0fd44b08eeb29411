"""Comparing an output with the right one, and with what known mistakes would give.

For the steps of Part II, whose mistakes are few enough to stand in the check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course.check.compare import CheckFailed, known, where_they_differ

Array = NDArray[Any]

TOLERANCE = 1e-5
"""Relative to the largest finite number of the right output."""


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
        tolerance: How far the numbers may be off.
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
    if actual.shape != expected.shape:
        raise CheckFailed(
            f"{what} returns the shape {list(actual.shape)}; it should be "
            f"{list(expected.shape)}.",
            short=f"{list(actual.shape)}, not {list(expected.shape)}",
        )
    from max.driver import CPU

    where = where_they_differ(actual, expected, CPU())
    raise CheckFailed(f"{what}: {where}", short="other numbers")


def agree(actual: Array, expected: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays are the same but for rounding; infinities must be the same."""
    if actual.shape != expected.shape:
        return False
    finite = expected[np.isfinite(expected)]
    scale = max(1.0, float(np.abs(finite).max(initial=0.0)))
    return np.allclose(actual, expected, rtol=0, atol=tolerance * scale, equal_nan=True)
