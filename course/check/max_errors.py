"""What MAX's refusals say, in the reader's words instead of its compiler's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

Shape = list[int]


@dataclass(frozen=True)
class Refused:
    """An operation that MAX does not do on what it was given.

    Attributes:
        operation: "Matmul", "Add", "Reshape", "MoGather", ...
        shapes: Of the tensors it was given, and last, the shape to reshape to.
        dtypes: Of the tensors it was given.
        reason: MAX's own words.
    """

    operation: str
    shapes: list[Shape]
    dtypes: list[str]
    reason: str


def parse(text: str) -> Refused | None:
    """Read MAX's message; None if it is another kind of message."""
    failed = re.match(
        r"Failed to create op '(\w+?)(?:Op)?':\nInputs:\n(.*?)\n\n(.*)",
        text,
        re.DOTALL,
    )
    if failed is None:
        return None
    operation, inputs, reasons = failed.groups()
    found = re.findall(
        r"TensorValue\(dtype=(\w+), shape=\[(.*?)\]|new_shape = \[(.*?)\]", inputs
    )
    lines = [line.strip() for line in reasons.splitlines()]
    return Refused(
        operation,
        shapes=[_shape(shape or new_shape) for _, shape, new_shape in found],
        dtypes=[dtype for dtype, *_ in found if dtype],
        reason=next((line for line in lines if line and line[-1] != ":"), ""),
    )


def _shape(text: str) -> Shape:
    return [int(number) for number in re.findall(r"-?\d+", text)]


def in_plain_words(text: str) -> str | None:
    """Say what a message of MAX means; None if nothing better is known."""
    refused = parse(text)
    if refused is not None:
        return _explain(refused)
    if found := re.match(
        r"Split sizes must sum .*=Dim\((\d+)\) != sum\(sizes=(\[.*?\])\)", text
    ):
        length, sizes = found.groups()
        return (
            f"F.split is to cut an axis of {length} into pieces of {sizes}, "
            f"{sum(_shape(sizes))} in all. Is it the axis you mean? Without axis=, it "
            "is axis 0, the batch."
        )
    if re.match(r"(Unary|Binary) ops do not support non-max objects", text):
        return (
            "MAX's operations take tensors, and this one gets something else. For "
            "plain numbers there is Python's math: math.sqrt(...)."
        )
    if found := re.match(r".*can not be created directly from a '(\w+)'", text):
        return (
            f"MAX's operations take tensors, and this one gets a {found[1]}. Make "
            "tensors with Tensor's own functions, such as Tensor.arange."
        )
    if text.startswith("Concat inputs differ on non-concat axis"):
        shapes = " and ".join(
            str(_shape(s)) for s in re.findall(r"shape=\[(.*?)\]", text)
        )
        return (
            f"F.concat joins tensors of equal shapes, but for the axis= along which it "
            f"joins them; these are {shapes}."
        )
    if text.startswith("Dynamic ranges must provide an explicit out_dim"):
        return (
            "Tensor.arange takes a number, such as one dimension of a shape; this is "
            "something else, perhaps a whole shape."
        )
    return _of_weights(text) or _of_graphs_and_arrays(text)


def _explain(refused: Refused) -> str:
    shapes = refused.shapes
    match refused.operation:
        case "Matmul" if len(shapes) == 2:
            return _matmul(*shapes)
        case "Reshape" if len(shapes) == 2:
            before, after = shapes
            return (
                f"A tensor of the shape {before} cannot be reshaped to {after}: it has "
                f"{prod(before)} numbers, and {after} has {prod(after)}."
            )
        case "Add" | "Sub" | "Mul" | "Div" as name if len(shapes) == 2:
            sign = {"Add": "+", "Sub": "-", "Mul": "*", "Div": "/"}[name]
            return (
                f"Shapes {shapes[0]} and {shapes[1]} do not fit together with {sign}: "
                "compared from the right, each pair of axes has to be equally long, or "
                "one of them 1."
            )
        case "MoGather" | "Gather" if len(refused.dtypes) == 2:
            return (
                f"Rows of a table are looked up by integers, and these are "
                f"{refused.dtypes[1]}, of the shape {shapes[1]}. Give them a dtype "
                "where they are made, as that of the token IDs: dtype=input_ids.dtype."
            )
    given = ", ".join(f"{d} {s}" for d, s in zip(refused.dtypes, shapes, strict=False))
    return f"MAX cannot do this {refused.operation} with {given}: {refused.reason}"


def _matmul(one: Shape, other: Shape) -> str:
    text = f"Shapes {one} and {other} cannot be multiplied with @: "
    if one[-1] != other[-2]:
        text += (
            f"the last axis of the first, {one[-1]}, has to be as long as the last but "
            f"one of the second, {other[-2]}."
        )
        if (one[:-2], one[-1]) == (other[:-2], other[-1]):
            text += " They would fit with the second's last two axes exchanged."
        return text
    return text + (
        "compared from the right, the axes before the last two have to be equally "
        "long, or one of them 1."
    )


def _of_weights(text: str) -> str | None:
    """Say what `load_state_dict` does not like about weights."""
    if found := re.match(
        r"'(.+?)': Loaded tensor \(shape=\[(.*?)\], dtype=(?:DType\.)?(\w+)\) not "
        r"assignable to parameter \(shape=\[(.*?)\], dtype=(?:DType\.)?(\w+)\)",
        text,
    ):
        name, loaded, loaded_dtype, own, own_dtype = found.groups()
        given, wanted = _shape(loaded), _shape(own)
        message = (
            f"{name} is {own_dtype} {wanted} in the model, and the weight that is "
            f"loaded into it is {loaded_dtype} {given}."
        )
        if given != wanted and given == wanted[::-1]:
            message += " Its two axes are exchanged: Conv1D's [in, out] for [out, in]?"
        elif given != wanted:
            message += " Was the model built with the sizes of the file's config.json?"
        return message
    if found := re.match(r"load_state_dict did not use some weights: \{(.*)", text):
        names = sorted(re.findall(r"'([^']+)'", found[1]))
        return (
            f"load_state_dict is given {len(names)} weights that the model has no "
            f"parameter for, such as {', '.join(names[:3])}. Is a name another one, or "
            "has the model fewer layers than the file?"
        )
    if "only accepts contiguous" in text:
        return (
            "MAX takes only arrays whose memory is in order. A transposed array is a "
            "view in another order: np.ascontiguousarray(...) copies it."
        )
    return None


def _of_graphs_and_arrays(text: str) -> str | None:
    """Say what a compiled graph, a slice that is written, or NumPy does not take."""
    if found := re.match(
        r"argument (\S+): expected DType\.(\w+) shape (\[.*?\]) on .*?, got "
        r"DType\.(\w+) shape (\[.*?\]) on",
        text,
    ):
        number, dtype, shape, given_dtype, given_shape = found.groups()
        return (
            f"The model was compiled for {dtype} {_named(shape)} as argument {number}, "
            f"counted from 0, and is given {given_dtype} {_named(given_shape)}."
        )
    if found := re.match(
        r"expected source to have shape (\[.*?\]), but source had shape (\[.*?\])", text
    ):
        place, new = map(_named, found.groups())
        return (
            f"What is written into a slice has to be as large as it: the slice is "
            f"{place}, and the new numbers are {new}."
        )
    if "inhomogeneous shape" in text:
        return (
            "NumPy makes arrays of rows that are equally long, and these are not. Does "
            "each row get as much padding as it lacks to the longest?"
        )
    if found := re.match(
        r"operands could not be broadcast together with shapes \((.*?)\) \((.*?)\)",
        text,
    ):
        one, other = map(_shape, found.groups())
        return (
            f"NumPy cannot bring the shapes {one} and {other} together: compared from "
            "the right, each pair of axes has to be equally long, or one of them 1."
        )
    if found := re.match(r"kth\(=(-?\d+)\) out of bounds \((\d+)\)", text):
        return (
            f"np.partition is asked for index {found[1]} of an array of {found[2]} "
            "numbers. What if more are wanted than there are?"
        )
    if re.match(r"Probabilities (are not non-negative|contain NaN)", text):
        return (
            "rng.choice takes probabilities, which softmax gives; some of these are "
            "negative or not numbers, as logits may be."
        )
    if re.match(r"Probabilities do not sum to 1", text):
        return (
            "rng.choice takes probabilities that add up to 1; these do not. In float64 "
            "it is stricter than in float32: divide by the sum there."
        )
    return None


def _named(shape: str) -> str:
    """A shape without MAX's Dim(...): "[batch, 1]"."""
    return re.sub(r"Dim\('?(.*?)'?\)", r"\1", shape)
