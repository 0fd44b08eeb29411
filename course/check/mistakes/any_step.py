"""Mistakes that can be made in every step; `course.check.compare` finds them."""

from __future__ import annotations

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


def find_in_parameters(found: Parameters) -> tuple[str, str] | None:
    """The id of the mistake that explains the parameters, and what it is about."""
    expected, actual = found.expected, found.actual
    missing = [name for name in expected if name not in actual]
    extra = [name for name in actual if name not in expected]
    if missing and extra:
        if [expected[name] for name in missing] == [actual[name] for name in extra]:
            return "misspelled-name", f"{extra[0]} should be {missing[0]}."
        return None
    if missing:
        if all(name.endswith("bias") for name in missing):
            return "bias-missing", f"{', '.join(missing[:3])}: missing."
        return None
    if extra:
        return "extra-parameter", f"{', '.join(extra[:3])}: one too many."
    return _find_in_layers(found)


def _find_in_layers(found: Parameters) -> tuple[str, str] | None:
    """As above, for parameters whose names are right."""
    names = [k for k, shape in found.expected.items() if found.actual[k] != shape]
    weights = [name for name in names if name.endswith("weight")]
    if not all(found.actual[k] == found.expected[k][::-1] for k in weights):
        return None
    for weight in weights:
        shape, bias = found.actual[weight], weight.replace("weight", "bias")
        detail = f"{weight} is {shape}; GPT-2 has {shape[::-1]}."
        if bias not in found.actual or found.actual[bias] == shape[:1]:
            return "sizes-exchanged", detail
        return "weight-transposed", detail
    return None
