"""Mistakes that can be made in every step; `course.check.compare` finds them."""

from __future__ import annotations

from typing import Any

from course.check.mistakes.mistake import Mistake
from course.check.mistakes.search import Parameters

MISTAKES = (
    Mistake(
        id="not-a-module",
        what="Your class is not a MAX module.",
        why="Only a Module knows its parameters, so that weights can be loaded.",
        look="The class line: `class ...(Module):`.",
    ),
    Mistake(
        id="misspelled-name",
        what="A part of your module has another name than in GPT-2.",
        why="Weights are loaded by name, so each has to be spelled as in GPT-2's file.",
        look="The attributes that `__init__` sets on self.",
    ),
    Mistake(
        id="sizes-exchanged",
        what="A layer has its two sizes in the wrong order.",
        why="Linear(in_dim, out_dim) makes out_dim numbers out of in_dim.",
        look="The line in `__init__` that creates the layer.",
    ),
    Mistake(
        id="weight-transposed",
        what="You keep a weight as [in, out], as Hugging Face's Conv1D does.",
        why="MAX's Linear, into which GPT-2's weights are loaded, has [out, in].",
        look="The line in `__init__` that creates the weight: use Linear.",
    ),
    Mistake(
        id="wrong-size",
        what="You have a parameter of another shape than in GPT-2.",
        why="Weights are loaded into it, number by number.",
        look="The line in `__init__` that creates it: which of the sizes belong there?",
    ),
    Mistake(
        id="bias-missing",
        what="A layer of yours has no bias, and GPT-2 has one there.",
        why="A bias that is not added shifts every output by the same vector.",
        look="`bias=False` in `__init__`: leave it out.",
        lines=(r"bias=False",),
    ),
    Mistake(
        id="extra-parameter",
        what="Your module stores a tensor that is no parameter of GPT-2.",
        why="MAX takes every tensor stored on a module for a weight to be loaded.",
        look="The tensors that `__init__` sets on self: compute them in `forward`.",
    ),
    Mistake(
        id="not-a-tensor",
        what="You return something that is not a MAX tensor.",
        why="The next step works on what you return, with MAX's operations.",
        look="The `return`: is there a `.to_numpy()`, a tuple or a list?",
    ),
    Mistake(
        id="wrong-dtype",
        what="Your output has another kind of numbers (dtype) than it should.",
        why="What comes next refuses it, or computes with fewer digits.",
        look="Where tensors are made: give them the dtype of the input.",
    ),
)


Found = tuple[str, str, list[str]]


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
