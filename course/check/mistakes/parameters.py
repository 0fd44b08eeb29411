"""Finding the mistake behind parameters whose names or shapes are not GPT-2's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from max.experimental.nn import Sequential

from course.check.mistakes.table import Mistake, mistakes_of

Shapes = dict[str, list[int]]
Sizes = dict[str, Any]  # The fields of GPT2Config.
Found = tuple[str, str, list[str]]


@dataclass(frozen=True)
class Parameters:
    """The reader's parameters for one size of model, and what they should be."""

    sizes: Sizes
    expected: Shapes
    actual: Shapes


def find_parameters(number: int, found: Sequence[Parameters]) -> Mistake | None:
    """The mistake that explains the parameters for every size of model."""
    for mistake in mistakes_of(number):
        if all(changed(mistake, p.expected, p.sizes) == p.actual for p in found):
            return mistake
    return None


def changed(mistake: Mistake, shapes: Shapes, sizes: Sizes) -> Shapes:
    """What the right parameters become by a mistake."""
    for name, shape in mistake.shapes.items():
        shapes = _with_shape(shapes, name, [_size(word, sizes) for word in shape])
    if mistake.blocks:
        shapes = _with_blocks(shapes, _size(mistake.blocks, sizes))
    if mistake.names_exchanged:
        one, other = mistake.names_exchanged
        shapes = {_exchanged(k, one, other): shape for k, shape in shapes.items()}
    return shapes


def _size(word: str, sizes: Sizes) -> int:
    """The number that a word in a table stands for.

    Raises:
        KeyError: There is no such word.
    """
    n_embd, n_layer = sizes["n_embd"], sizes["n_layer"]
    sizes_by_word: dict[str, int] = {
        "1": 1,
        "12": 12,
        "n_embd": n_embd,
        "2 * n_embd": 2 * n_embd,
        "3 * n_embd": 3 * n_embd,
        "4 * n_embd": 4 * n_embd,
        "n_inner": sizes["n_inner"] or 4 * n_embd,
        "n_head": sizes["n_head"],
        "n_layer - 1": n_layer - 1,
        "n_layer + 1": n_layer + 1,
        "n_positions": sizes["n_positions"],
        "vocab_size": sizes["vocab_size"],
        "vocab_size - 1": sizes["vocab_size"] - 1,
    }
    return sizes_by_word[word]


def _with_shape(shapes: Shapes, name: str, shape: list[int]) -> Shapes:
    """A parameter, or the weight and bias of a layer, have another shape or none."""
    if not shape:
        return {k: v for k, v in shapes.items() if not f"{k}.".startswith(f"{name}.")}
    if f"{name}.weight" not in shapes:
        return shapes | {name: shape}
    bias = {f"{name}.bias": shape[:1]} if f"{name}.bias" in shapes else {}
    return shapes | {f"{name}.weight": shape} | bias


def _with_blocks(shapes: Shapes, count: int) -> Shapes:
    rest = {k: v for k, v in shapes.items() if not k.startswith("h.")}
    first = {k: v for k, v in shapes.items() if k.startswith("h.0.")}
    blocks = {
        k.replace(".0.", f".{index}.", 1): v
        for index in range(count)
        for k, v in first.items()
    }
    return rest | blocks


def _exchanged(name: str, one: str, other: str) -> str:
    first, dot, rest = name.partition(".")
    return {one: other, other: one}.get(first, first) + dot + rest


def find_in_module(number: int, module: Any) -> Mistake | None:
    """The mistake that shows in what the reader's Sequential holds."""
    stack = getattr(module, "h", None)
    held = list(stack) if isinstance(stack, Sequential) else []
    kinds: dict[str, Any] = {"class": type, "list": Iterator | list | tuple}
    for mistake in mistakes_of(number):
        if mistake.in_sequential and any(
            isinstance(one, kinds[mistake.in_sequential]) for one in held
        ):
            return mistake
    return None


def find_in_parameters(found: Parameters) -> Found | None:
    """The id of the mistake behind the parameters, what it is about, and its line."""
    expected, actual = found.expected, found.actual
    missing = [name for name in expected if name not in actual]
    extra = [name for name in actual if name not in expected]
    if wrong := [k for k in actual if k in expected and expected[k] != actual[k]]:
        return _find_in_layers(found, wrong)
    if missing and extra:
        if [expected[name] for name in missing] == [actual[name] for name in extra]:
            detail = f"{extra[0]} should be {missing[0]}."
            return "misspelled-name", detail, _creating(extra[0])
        return None
    if missing:
        if all(name.endswith("bias") for name in missing):
            return "bias-missing", f"{', '.join(missing[:3])}: missing.", []
        return None
    if extra:
        detail = f"{', '.join(extra[:3])}: one too many."
        return "extra-parameter", detail, _creating(extra[0])
    return None


def _find_in_layers(found: Parameters, names: list[str]) -> Found:
    """As above, for parameters of other shapes."""
    expected, actual = found.expected, found.actual
    line = _creating(names[0])
    weights = [name for name in names if name.endswith("weight")]
    if weights and all(actual[k] == expected[k][::-1] for k in weights):
        weight = weights[0]
        shape, bias = actual[weight], weight.replace("weight", "bias")
        detail = f"{weight} is {shape}; GPT-2 has {shape[::-1]}."
        if bias not in actual or actual[bias] == shape[:1]:
            return "sizes-exchanged", detail, line
        return "weight-transposed", detail, line
    details = [
        f"{name} is {actual[name]}; GPT-2 has {expected[name]}"
        f"{_known_as(expected[name], actual[name], found.sizes)}."
        for name in (weights or names)[:3]
    ]
    return "wrong-size", " ".join(details), line


def _known_as(right: list[int], wrong: list[int], sizes: dict[str, Any]) -> str:
    """What the right sizes are called that the wrong ones are not."""
    if not sizes:
        return ""
    n_embd = sizes["n_embd"]
    names = {
        4 * n_embd: "4 * n_embd",
        sizes["n_inner"]: "intermediate_size",
        3 * n_embd: "3 * n_embd",
        sizes["n_positions"]: "n_positions",
        sizes["vocab_size"]: "vocab_size",
        n_embd: "n_embd",
    }
    missing = dict.fromkeys(size for size in right if size not in wrong)
    called = [f"{size} is {names[size]}" for size in missing if size in names]
    return f", where {' and '.join(called)}" if called else ""


def _creating(name: str) -> list[str]:
    """Patterns for the line that creates a parameter, if it is in this file."""
    parts = name.split(".")
    return [rf"self\.{part}\s*=" for part in parts if not part.isdigit()][-2:]
