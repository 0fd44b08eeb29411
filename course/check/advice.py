"""What to do about messages that are clear only to who knows MAX's names."""

from __future__ import annotations

import re

FUNCTIONAL = "from max.experimental import functional as F"

# In the message, in the reader's line, and what to do about it.
ADVICE = (
    (r"name 'F' is not defined", "", f"Import it at the top: {FUNCTIONAL}."),
    (r"cannot import name 'functional'", "", f"It is {FUNCTIONAL}."),
    (
        r"name '(Linear|Embedding|Sequential|Module)' is not defined",
        "",
        r"Import it at the top: from max.experimental.nn import \1.",
    ),
    (
        "type 'Module' is not subscriptable",
        "",
        "Import Module and the layers from max.experimental.nn; max.nn has other ones.",
    ),
    (
        r"too many values to unpack",
        r"F\.split\(",
        "F.split takes the size of each piece, as in [n] * 3, not their number.",
    ),
    (
        "missing a required argument|unexpected keyword argument",
        r"\bF\.",
        "MAX names arguments otherwise than torch: axis for dim, and gamma, beta, "
        "epsilon for weight, bias, eps.",
    ),
    (
        r"__init__\(\) takes 2 positional arguments",
        "",
        "What follows the first argument is given by name, such as dim= or eps=.",
    ),
    (
        r"reshape\(\) takes 2 positional arguments",
        "",
        "The shape is one list: x.reshape([...]).",
    ),
    ("is not iterable", r"Tensor\.\w+\(", "A shape is a list, as in [dim]."),
    (
        r"to unpack \(expected",
        r"\.shape",
        "The tensor has another number of axes than there are names on the left.",
    ),
    (
        "'list' object is not callable",
        r"self\.",
        "A list of modules cannot be called; Sequential(*modules) can.",
    ),
    (
        r"'Tensor' object has no attribute 'view'",
        "",
        "torch's view is reshape here: x.reshape([...]).",
    ),
    (
        r"'Tensor' object has no attribute '(masked_fill_?)'",
        "",
        "Add a mask of 0 and minus infinity instead, or use F.where.",
    ),
    (
        r"'Tensor' object has no attribute 'size'",
        "",
        "Sizes are in x.shape.",
    ),
    (
        "Unsupported dimension type GPT2Config",
        "",
        "A size is a number, such as config.n_embd, not the whole configuration.",
    ),
    (
        "^$",
        r"store_slice\(",
        "Where a slice says its length beside it, its bounds are tensors: "
        "positions.start, and not a plain number.",
    ),
    (
        "when using dims to index",
        r"range\(",
        "Tensor.arange takes a dimension of a shape as it is.",
    ),
)


def advice(message: str, line: str) -> str:
    """What to do about an exception in a line of the reader's; "" if that is clear."""
    for in_message, in_line, what_to_do in ADVICE:
        found = re.search(in_message, message)
        if found and re.search(in_line, line):
            return found.expand(what_to_do)
    return ""
