"""What MAX's refusals say, in the reader's words instead of its compiler's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import prod

Shape = list[int]

A_DIM = (
    "A size taken from a shape is no plain number yet; int(...) around it makes it "
    "one, as in int(x.shape[-1])."
)
# What others say than MAX's graph, and what it means.
IN_PLAIN_WORDS = (
    (
        r"loop of ufunc does not support argument \d of type (Static|Symbolic)Dim",
        A_DIM,
    ),
    (
        r"loop of ufunc does not support argument \d of type Tensor .* callable (\w+) ",
        r"NumPy does not compute with MAX's tensors. In MAX it is F.\1.",
    ),
    (r"^when using dims to index into a list or NumPy array", A_DIM),
    (r"^tri\(\) missing 1 required", "NumPy does not compute with MAX's tensors."),
    (
        r"^Tensor\.(max|min|mean|sum|prod|argmax)\(\) got an unexpected keyword "
        r"argument '(out|initial|where)'",
        r"NumPy does not compute with MAX's tensors. In MAX it is F.\1.",
    ),
    (
        r"^zero-dimensional arrays cannot be concatenated",
        "np.concatenate joins arrays and lists, and these are neither. For MAX's "
        "tensors there is F.concat.",
    ),
    (
        r"must be (?:a )?real number, not Tensor",
        "Python's math computes with plain numbers, and this is a tensor. For tensors "
        "there are the functions of the same names in F.",
    ),
    (
        r"must be Tensor, not Tensor",
        "torch does not compute with MAX's tensors. For them there are the functions "
        "in F, most of the same names.",
    ),
    (
        r"int\(\) argument must be .*'Tensor'|float\(\) argument must be .*'Tensor'",
        "A tensor is no plain number. x.to_numpy() makes an array of it, whose numbers "
        "are.",
    ),
    (
        r"only 0-dimensional arrays can be converted|sequence is not allowed",
        "This is to be one number, and it is an array of several.",
    ),
    (
        r"^<class '(?:int|float)'>$|^'u?(?:int|float)\d+'$|size_in_bits",
        "A dtype is one of MAX's: DType.int64 or DType.float32, from max.dtype.",
    ),
    (
        r"^expected a Device, .*got str|'str' object has no attribute 'devices'",
        "A device is an object, such as x.device, not its name.",
    ),
    (
        r"^Unsupported dimension type None",
        "A size is None. n_inner is, where it is to be 4 * n_embd.",
    ),
    (
        r"^Unsupported dimension type ([\d.]+) ",
        r"A size has to be a whole number, and this is \1. // divides without a rest.",
    ),
    (
        r"^Unsupported dimension type \[",
        "A size is one number, and this is a list of several: a whole shape?",
    ),
    (
        r"^Unsupported dimension type Tensor",
        "A size is a number, and this is a tensor.",
    ),
    (
        r"^Slice index value must be a scalar",
        "A tensor cannot be the index of another. Rows of a table are looked up by "
        "calling its layer, or with F.gather.",
    ),
    (
        r"^'numpy.ndarray' object has no attribute 'count'",
        "An array cannot be the index of a tensor. Rows of a table are looked up by "
        "calling its layer, or with F.gather.",
    ),
    (
        r"^expected slice indices length (\d+) to be less .* rank (\d+)",
        r"There are \1 indices in the brackets, and the tensor has \2 axes.",
    ),
    (
        r"^Invalid axis=(-?\d+) for input x\.rank=(\d+)",
        r"There is no axis \1: the tensor has \2, and the last one is -1.",
    ),
    (
        r"^Axis \w+ out of range .*\[-?\d+, (\d+)\], but got (-?\d+)",
        r"There is no axis \2: the last one is \1, or -1.",
    ),
    (
        r"^mutable default <class '(\w+)'> for field (\w+)",
        r"The default of \2 cannot be a \1: all configurations would share it.",
    ),
    (
        r"^\w+ must implement forward\(\)",
        "The module has no method `forward`, which is what a call of the module calls.",
    ),
    (
        r"object has no attribute 'is_distributed'",
        "MAX's operations take tensors, and this one gets a layer: it is called first, "
        "as in layer(x).",
    ),
    (
        r"^std::bad_cast|incompatible function arguments",
        "MAX cannot use one of the values that it gets here. Are they in order?",
    ),
)


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
            "MAX's operations take tensors, and this one gets something else: a layer "
            "that is not called yet, or a plain number. For numbers there is Python's "
            "math: math.sqrt(...)."
        )
    if found := re.match(r".*can not be created directly from a '(\w+)'", text):
        return _no_tensor(found[1])
    if text.startswith(("Concat inputs differ", "Concat inputs must all have")):
        shapes = " and ".join(
            str(_shape(s)) for s in re.findall(r"shape=\[(.*?)\]", text)
        )
        return (
            f"F.concat joins tensors of equal shapes, but for the axis= along which it "
            f"joins them; these are {shapes}."
        )
    for pattern, words in IN_PLAIN_WORDS:
        if found := re.search(pattern, text, re.DOTALL):
            return found.expand(words)
    if found := re.search(
        r"(?:TensorValue\(\)|_promote_weak_dtypes\(\)) argument must be .* not '(\w+)'",
        text,
    ):
        return _no_tensor(found[1])
    if found := re.match(r"unsupported operand .*: '(\w+)' and '(\w+)'", text):
        if {"StaticDim", "SymbolicDim"} & {*found.groups()}:
            return A_DIM
        if module := {*found.groups()} - {"Tensor", "int", "float", "NoneType", "str"}:
            return _no_tensor(min(module))
    if text.startswith("Dynamic ranges must provide an explicit out_dim"):
        return (
            "Tensor.arange takes a number, such as one dimension of a shape; this is "
            "something else, perhaps a whole shape."
        )
    return _of_weights(text) or _of_graphs_and_arrays(text)


def _explain(refused: Refused) -> str:
    shapes = refused.shapes
    if "Failed to resolve valid dtype" in refused.reason:
        return _dtypes(refused)
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
        case "Slice" if found := re.search(
            r"(start|stop) index (-?\d+) out of range for dimension size (\d+)",
            refused.reason,
        ):
            index = int(found[2]) - (found[1] == "stop")
            return (
                f"There is no index {index} on an axis of {found[3]}. If you go "
                "through a tensor as through a list, or unpack it: F.split cuts it, "
                "and x.to_numpy() makes an array of it."
            )
        case "Xor" | "And" | "Or":
            return "In Python, ^, & and | work on bits. A power is written x**2."
    given = ", ".join(f"{d} {s}" for d, s in zip(refused.dtypes, shapes, strict=False))
    return f"MAX cannot do this {refused.operation} with {given}: {refused.reason}"


def _dtypes(refused: Refused) -> str:
    given = " and ".join(
        f"{d} {s}" for d, s in zip(refused.dtypes, refused.shapes, strict=False)
    )
    if refused.shapes[-1:] == [[]] and refused.dtypes[-1] == "int64":
        return A_DIM
    return (
        f"MAX does not compute with {given} at once: one dtype has to be made the "
        "other, as in x.cast(DType.float32)."
    )


def _no_tensor(kind: str) -> str:
    """What to say about something in the place of a tensor."""
    words = "MAX's operations take tensors, and this one gets "
    if kind == "NoneType":
        return f"{words}None: does the function that made it end in a `return`?"
    if kind in {"list", "tuple"}:
        return f"{words}a {kind}. Tensor([...], dtype=...) makes a tensor of numbers."
    if kind == "ndarray":
        return f"{words}a NumPy array. Tensor(array) makes a tensor of it."
    if kind in {"range", "float", "int", "str", "bool"}:
        article = "an" if kind == "int" else "a"
        return (
            f"{words}{article} {kind}. Tensor(...) makes one of numbers, Tensor.arange "
            "counts."
        )
    return (
        f"{words}the {kind} itself, not what it returns: a layer is called, as in "
        "layer(x)."
    )


def _matmul(one: Shape, other: Shape) -> str:
    text = f"Shapes {one} and {other} cannot be multiplied with @: "
    if one[-1] != other[-2]:
        text += (
            f"the last axis of the first, {one[-1]}, has to be as long as the last but "
            f"one of the second, {other[-2]}."
        )
        if one[-1] == other[-1] and other[:-2] in ([], one[:-2]):
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
