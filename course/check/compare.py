"""Comparing what the reader's code computes with what Hugging Face computes."""

from __future__ import annotations

from typing import Any

import numpy as np
from max.driver import CPU, Device
from max.experimental.tensor import Tensor
from numpy.typing import NDArray

from course.check.answers import Expected
from course.check.failure import CheckFailed

Array = NDArray[Any]

# Relative to the largest number of the output. Two correct float32 implementations
# differ by less than 1e-6 (bench/differences.py), the smallest mistake, exact GELU for
# tanh, by 1e-4. Accelerators multiply with fewer bits.
TOLERANCE = 1e-5
ACCELERATOR_TOLERANCE = 2e-3


def to_array(output: object, what: str = "forward", does: str = "returns") -> Array:
    """Turn what the reader's code returned, or yielded, into a NumPy array.

    Raises:
        CheckFailed: It is not a MAX tensor.
    """
    if output is None:
        raise CheckFailed(
            f"{what} {does} None. Does it end in a `return`?", short="None"
        )
    if not isinstance(output, Tensor):
        kind = kind_of(output)
        raise CheckFailed(
            f"{what} {does} {kind}, not a MAX Tensor. Stay with tensors from input to "
            "output.",
            mistake="not-a-tensor",
            short=kind,
        )
    array: Array = output.to_numpy()
    return array


def kind_of(value: object) -> str:
    """What a value is, with its article: "an int", "a numpy.ndarray"."""
    module, name = type(value).__module__, type(value).__qualname__
    kind = name if module == "builtins" else f"{module.partition('.')[0]}.{name}"
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def assert_shape(output: object, expected: Array, what: str = "forward") -> Array:
    """Check the shape and the kind of numbers of an output, and return it.

    Raises:
        CheckFailed: It is no tensor, or has another shape or dtype.
    """
    array = to_array(output, what)
    assert_array_shape(array, expected, what)
    if array.dtype != expected.dtype:
        raise CheckFailed(
            f"{what} returns {array.dtype}; it should be {expected.dtype}.",
            mistake="wrong-dtype",
            short=f"{array.dtype}, not {expected.dtype}",
        )
    return array


def assert_array_shape(array: Array, expected: Array, what: str) -> None:
    """Check the shape of an output.

    Raises:
        CheckFailed: It has another one.
    """
    if array.shape != expected.shape:
        raise CheckFailed(
            f"{what} returns the shape {list(array.shape)}; it should be "
            f"{list(expected.shape)}.",
            short=f"{list(array.shape)}, not {list(expected.shape)}",
        )


def assert_same(
    output: object,
    expected: Expected,
    device: Device,
    what: str = "forward",
    *,
    times: float = 1.0,
) -> None:
    """Check that an output has the numbers of the reference.

    Args:
        output: What the reader's code returned.
        expected: What it should return.
        device: Where it was computed.
        what: What returned it, as the reader knows it.
        times: How much larger than usual the tolerance is.

    Raises:
        CheckFailed: It has not; the message says where the difference starts.
    """
    actual = assert_shape(output, expected.output, what)
    tolerance = times * tolerance_on(device)
    if agree(actual, expected.output, tolerance):
        return
    raise CheckFailed(
        where_they_differ(actual, expected.output, tolerance),
        short=_how_far(actual, expected.output),
    )


def same_numbers(actual: Array, expected: Array, device: Device) -> bool:
    """Whether two arrays agree as well as float32 allows."""
    return agree(actual, expected, tolerance_on(device))


def tolerance_on(device: Device) -> float:
    """How far correct numbers may be off that a device computed."""
    return TOLERANCE if isinstance(device, CPU) else ACCELERATOR_TOLERANCE


def agree(actual: Array, expected: Array, tolerance: float = TOLERANCE) -> bool:
    """Whether two arrays have one shape and the same numbers but for rounding."""
    return actual.shape == expected.shape and bool(
        np.all(is_close(actual, expected, tolerance))
    )


def is_close(actual: Array, expected: Array, tolerance: float) -> NDArray[np.bool_]:
    """Which numbers agree but for rounding; NaN agrees with NaN, infinity with itself.

    The tolerance is relative to the largest finite number of what is expected.
    """
    finite = expected[np.isfinite(expected)]
    scale = max(1.0, float(np.abs(finite).max(initial=0.0)))
    return np.isclose(
        actual, expected, rtol=0.0, atol=tolerance * scale, equal_nan=True
    )


def where_they_differ(
    actual: Array, expected: Array, tolerance: float, right: str = "Hugging Face"
) -> str:
    """Say where the difference starts, with the numbers there.

    Args:
        actual: The reader's numbers.
        expected: The right ones.
        tolerance: How far they may be off.
        right: Whose the right ones are.
    """
    if np.isnan(actual).any() and not np.isnan(expected).any():
        share = np.isnan(actual).mean()
        first = _first(np.isnan(actual))
        return (
            f"{share:.0%} of the output is NaN (not a number), first at {first}. A NaN "
            "comes from 0/0, from inf - inf or from the root of a negative number; a "
            "row of a softmax in which everything is -inf gives it too."
        )
    wrong = ~is_close(actual, expected, tolerance)
    first = _first(wrong)
    row = tuple(first[:-1])
    numbers = slice(first[-1], first[-1] + 4)
    lines = [
        f"{wrong.mean():.0%} of the numbers differ. The first is at index {first}:",
        f"    {'yours':<12}  {_numbers(actual[row][numbers])}",
        f"    {right:<12}  {_numbers(expected[row][numbers])}",
    ]
    return "\n".join(lines)


def _first(wrong: NDArray[np.bool_]) -> list[int]:
    return [int(i) for i in np.argwhere(wrong)[0]]


def _how_far(actual: Array, expected: Array) -> str:
    difference = np.abs(actual.astype(np.float64) - expected.astype(np.float64))
    if np.isnan(difference).any():
        return "NaN"
    return f"off by up to {difference.max():.3g}"


def _numbers(values: Array) -> str:
    return "  ".join(f"{value:9.5f}" for value in np.ravel(values))
