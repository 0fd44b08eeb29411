"""How mistakes change the names and shapes of a module's parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course.check.mistakes.mistake import Shapes

Sizes = dict[str, Any]
Change = Callable[[Shapes, Sizes], Shapes]
Size = Callable[[Sizes], int]


def resized(name: str, *dims: Size) -> Change:
    """The parameter `name` has other dimensions."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        return shapes | {name: [dim(sizes) for dim in dims]}

    return change


def linear_resized(name: str, out_dim: Size, in_dim: Size) -> Change:
    """The linear layer `name` has other sizes."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        changed = shapes | {f"{name}.weight": [out_dim(sizes), in_dim(sizes)]}
        if f"{name}.bias" in shapes:
            changed[f"{name}.bias"] = [out_dim(sizes)]
        return changed

    return change


def exchanged(name: str) -> Change:
    """A layer has its two sizes in the wrong order."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        out_dim, in_dim = shapes[f"{name}.weight"]
        changed = shapes | {f"{name}.weight": [in_dim, out_dim]}
        if f"{name}.bias" in shapes:
            changed[f"{name}.bias"] = [in_dim]
        return changed

    return change


def names_exchanged(one: str, other: str) -> Change:
    """Two parts have each other's names."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        return {_swap_prefix(name, one, other): shape for name, shape in shapes.items()}

    return change


def _swap_prefix(name: str, one: str, other: str) -> str:
    if name.startswith(f"{one}."):
        return other + name.removeprefix(one)
    if name.startswith(f"{other}."):
        return one + name.removeprefix(other)
    return name


def without(*parts: str) -> Change:
    """Some parts are missing."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        return {
            name: shape
            for name, shape in shapes.items()
            if not any(name == part or name.startswith(f"{part}.") for part in parts)
        }

    return change


def with_extra(name: str, *dims: Size) -> Change:
    """There is one parameter more."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        return shapes | {name: [dim(sizes) for dim in dims]}

    return change


def both(first: Change, second: Change) -> Change:
    """Two changes, one after the other."""
    return lambda shapes, sizes: second(first(shapes, sizes), sizes)


def blocks(count: Size, prefix: str = "h") -> Change:
    """There are `count` blocks."""

    def change(shapes: Shapes, sizes: Sizes) -> Shapes:
        changed = {k: v for k, v in shapes.items() if not k.startswith(f"{prefix}.")}
        first = {k: v for k, v in shapes.items() if k.startswith(f"{prefix}.0.")}
        for index in range(count(sizes)):
            for name, shape in first.items():
                changed[name.replace(".0.", f".{index}.", 1)] = shape
        return changed

    return change


def n_embd(sizes: Sizes) -> int:
    """The width of the model."""
    return int(sizes["n_embd"])


def times_n_embd(factor: int) -> Size:
    """A multiple of the width of the model."""
    return lambda sizes: factor * n_embd(sizes)


def vocab_size(sizes: Sizes) -> int:
    """How many tokens there are."""
    return int(sizes["vocab_size"])


def n_positions(sizes: Sizes) -> int:
    """How many positions there are."""
    return int(sizes["n_positions"])


def n_layer(sizes: Sizes) -> int:
    """How many blocks there are."""
    return int(sizes["n_layer"])


def n_head(sizes: Sizes) -> int:
    """How many heads there are."""
    return int(sizes["n_head"])


def n_inner(sizes: Sizes) -> int:
    """The width inside the feed-forward network."""
    return int(sizes["n_inner"] or 4 * sizes["n_embd"])
