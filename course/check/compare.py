"""Comparing what the reader's code computes with what Hugging Face computes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from max.driver import CPU, Device
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from numpy.typing import NDArray

from course.check.answers import Expected

Array = NDArray[Any]

# Relative to the largest number of the output. Two correct float32 implementations
# differ by less than 1e-6 (bench/differences.py), the smallest mistake, exact GELU for
# tanh, by 1e-4. Accelerators multiply with fewer bits.
TOLERANCE = 1e-5
ACCELERATOR_TOLERANCE = 2e-3


class CheckFailed(Exception):
    """The step computes something else than Hugging Face.

    Attributes:
        mistake: The id of the mistake that explains it, if one is known.
        short: A few words for the line with the cross.
    """

    def __init__(
        self, message: str, *, mistake: str | None = None, short: str = ""
    ) -> None:
        super().__init__(message)
        self.mistake = mistake
        self.short = short


@dataclass(frozen=True)
class Attempt:
    """The reader's code as a whole: what explaining a wrong output may look at.

    Attributes:
        number: The number of the step.
        step: The reader's module.
        device: Where it computes.
        cases: All cases, with what is expected in each.
        output: Runs the reader's code in one case.
        module: Makes the reader's module for one case, if the step has one.
        close: Says whether two outputs are the same; by default, as numbers.
    """

    number: int
    step: Any
    device: Device
    cases: Mapping[Any, Expected]
    output: Callable[[Any], Any]
    module: Callable[[Any], Module[..., Any]] | None = None
    close: Callable[[Array, Array], bool] | None = None


@contextmanager
def explained(attempt: Attempt) -> Iterator[None]:
    """Explain what goes wrong in this block by the mistake behind it, if known.

    Not if the step is not finished: then what goes wrong need not be a mistake.
    """
    finished = getattr(attempt.step, "finished", True)
    try:
        yield
    except CheckFailed as failed:
        if failed.mistake or not finished:
            raise
        from course.check.mistakes.explain import explain

        raise explain(failed, attempt) from None
    except Exception as error:
        if not finished:
            raise
        from course.check.mistakes.explain import explain_error

        if better := explain_error(error, attempt):
            raise better from None
        raise


def known(
    number: int,
    name: str,
    step: Any,
    *,
    detail: str = "",
    short: str = "",
    lines: Sequence[str] = (),
    within: str = "",
) -> CheckFailed:
    """The failure that a known mistake is, put into words.

    Args:
        number: The number of the step.
        name: The mistake's id.
        step: The reader's module, whose line is quoted.
        detail: What there is to say about this time.
        short: A few words for the line with the cross.
        lines: Patterns for the line, if this time they are known better.
        within: The function to look in, likewise.
    """
    from course.check.mistakes.explain import failed_by

    return failed_by(
        number, name, step, detail=detail, short=short, lines=lines, within=within
    )


def tensor(array: Array, device: Device) -> Tensor:
    """Put a NumPy array on a device."""
    # Not Tensor(array): that copies by running an operation, for each weight.
    return Tensor.from_dlpack(np.ascontiguousarray(array)).to(device)


def build(
    make: Callable[[], Module[..., Any]], weights: dict[str, Array], device: Device
) -> Module[..., Any]:
    """Build the reader's module and give it the reference's weights.

    Raises:
        CheckFailed: Its parameters are not those of the reference.
    """
    return load(construct(make), weights, device)


def load(
    module: Module[..., Any], weights: dict[str, Array], device: Device
) -> Module[..., Any]:
    """Give a module the reference's weights.

    Raises:
        CheckFailed: Its parameters are not those of the reference.
    """
    assert_parameters(module, weights)
    module.load_state_dict(weights)
    return module.to(device)


def construct(make: Callable[[], Module[..., Any]]) -> Module[..., Any]:
    """Call the reader's constructor without filling the weights.

    Raises:
        CheckFailed: What it makes is no MAX module.
    """
    with F.lazy():
        module = make()
    if not isinstance(module, Module):
        raise CheckFailed(
            f"{type(module).__name__} is not a MAX module. Write "
            "`class ...(Module):`, with Module from max.experimental.nn.",
            mistake="not-a-module",
        )
    return module


def call(function: Callable[..., Any], inputs: list[Tensor]) -> Any:
    """Call a module with all its operations in one graph: three times as fast.

    Code that looks at numbers on the way, to print them say, needs them at once.
    """
    try:
        with F.lazy():
            return function(*inputs)
    except TypeError as error:
        if "realize" not in str(error):
            raise
        return function(*inputs)


def assert_parameters(module: Module[..., Any], weights: dict[str, Array]) -> None:
    """Check that a module's parameters have the names and shapes of the reference.

    Raises:
        CheckFailed: One is missing, one too many, or one has another shape.
    """
    shapes = {name: list(value.shape) for name, value in weights.items()}
    actual = shapes_of(module)
    for name, shape in shapes.items():
        if actual.get(name, shape) != shape:
            raise CheckFailed(
                f"{name} has the shape {actual[name]}; GPT-2 has {shape} here.",
                short=f"{name}: {actual[name]}, not {shape}",
            )
    missing = [name for name in shapes if name not in actual]
    extra = [name for name in actual if name not in shapes]
    if missing:
        raise CheckFailed(
            f"The module has no parameter {_name_and_shape(missing[0], shapes)}"
            f"{_and_more(missing)}. It has: {_list(actual)}. "
            f"{_why_missing(module, missing[0])}",
            short=f"{missing[0]} is missing",
        )
    if extra:
        raise CheckFailed(
            f"The module has a parameter that GPT-2 has not: "
            f"{_name_and_shape(extra[0], actual)}{_and_more(extra)}. MAX takes every "
            "tensor stored on a module for a weight, so that GPT-2's weights would no "
            "longer fit. Leave it out, or compute it in forward.",
            short=f"{extra[0]} is one too many",
        )


def _why_missing(module: Module[..., Any], name: str) -> str:
    attribute = name.partition(".")[0]
    value = getattr(module, attribute, None)
    if value is None or isinstance(value, Module | Tensor):
        return (
            "Every name is an attribute set in __init__, spelled as in Hugging Face's "
            "GPT-2."
        )
    return (
        f"self.{attribute} is a {type(value).__name__}; only tensors and modules of "
        "MAX count."
    )


def shapes_of(module: Module[..., Any]) -> dict[str, list[int]]:
    """The names and shapes of a module's parameters."""
    return {
        name: [int(dim) for dim in parameter.shape]
        for name, parameter in module.parameters
    }


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


def _name_and_shape(name: str, shapes: dict[str, list[int]]) -> str:
    return f"{name} {shapes[name]}"


def _and_more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _list(shapes: dict[str, list[int]]) -> str:
    if not shapes:
        return "none"
    shown = [f"{name} {shape}" for name, shape in list(shapes.items())[:6]]
    return ", ".join(shown) + (", …" if len(shapes) > 6 else "")
