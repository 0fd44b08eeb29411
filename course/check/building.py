"""Making the reader's module, with Hugging Face's weights, and calling it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from max.driver import Device
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor

from course.check.compare import Array
from course.check.failure import CheckFailed


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


def _name_and_shape(name: str, shapes: dict[str, list[int]]) -> str:
    return f"{name} {shapes[name]}"


def _and_more(names: list[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _list(shapes: dict[str, list[int]]) -> str:
    if not shapes:
        return "none"
    shown = [f"{name} {shape}" for name, shape in list(shapes.items())[:6]]
    return ", ".join(shown) + (", …" if len(shapes) > 6 else "")
