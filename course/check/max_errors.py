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
    return _of_weights(text)


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
