"""What to do about messages that are clear only to who knows MAX's names."""

from __future__ import annotations

import re

NO_LENGTH = "Sizes are in x.shape: x.shape[0] is the first."
DRAW = "rng.choice draws for one sequence: its p is one row of probabilities."

# In the message, in the reader's line, and what to do about it.
ADVICE = (
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
        r"(reshape|permute|transpose|broadcast_to)\(\) takes|too many positional",
        r"(reshape|permute|broadcast_to)\(",
        r"The sizes, or axes, are one list: x.reshape([...]), F.permute(x, [...]).",
    ),
    (
        r"transpose\(\)",
        r"",
        "transpose exchanges two axes, x.transpose(1, 2); F.permute(x, [...]) puts all "
        "of them in order.",
    ),
    ("is not iterable", r"(Tensor|F)\.\w+\(", "A shape is a list, as in [dim]."),
    (
        "'(int|StaticDim|SymbolicDim)' object is not iterable",
        r"\bfor\b",
        "To count up to it: range(...).",
    ),
    (
        "'list' object is not callable",
        r"\.ids\(",
        "ids is no function: tokenizer.encode(text).ids, without brackets.",
    ),
    (
        "'list' object is not callable",
        r"self\.",
        "A list of modules cannot be called; Sequential(*modules) can.",
    ),
    (
        "'Tensor' object is not callable",
        "",
        "Where you hand over a tensor, a function or a module is expected, which is "
        "called there.",
    ),
    (
        "'tokenizers.Tokenizer' object is not callable",
        "",
        "It is tokenizer.encode(text).ids.",
    ),
    ("'tokenizers.Encoding'", "", "The token IDs are in .ids: encode(text).ids."),
    (
        "'function' object is not subscriptable",
        "",
        "It has to be called first: model(input_ids).",
    ),
    (
        r"'\w+' object is not subscriptable",
        r"self\.",
        "A layer is called, with round brackets: self.wte(input_ids).",
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
    (
        "'Tensor' has no len",
        r"rng\.",
        "NumPy draws from an array: x.to_numpy() makes one of a tensor.",
    ),
    ("'Tensor' has no len", "", NO_LENGTH),
    ("'Shape' object is not callable", "", "A shape is a list: x.shape[1]."),
    (
        "list index out of range|index out of range",
        r"\.shape\[",
        "The shape has fewer axes than that; the last one is x.shape[-1].",
    ),
    (
        "Probabilities are not non-negative",
        "",
        "Are they logits? Take the softmax first.",
    ),
    (
        "Probabilities do not sum to 1",
        "",
        "Each row has to sum to 1: is it a softmax over the vocabulary, the last axis?",
    ),
    ("Probabilities contain NaN", "", "Did a power overflow? F.softmax never does."),
    ("p must be 1-dimensional", "", DRAW),
    ("a and p must have same size", "", "rng.choice(n, p=...): n is len(p)."),
    (
        "argument 'ids'",
        "",
        "tokenizer.decode takes a list of integers, the IDs of one text: "
        "token_ids.to_numpy()[0].tolist().",
    ),
    (
        "Invalid approximation method",
        "",
        'It is one of "none", "tanh", "quick".',
    ),
    (
        "without a forward",
        "",
        "Calling a module calls its method `forward`. Is it spelled like that?",
    ),
    (
        "descriptor '__init__' of 'super'",
        "",
        "super is called: super().__init__().",
    ),
)


def advice(message: str, line: str) -> str:
    """What to do about an exception in a line of the reader's; "" if that is clear."""
    for in_message, in_line, what_to_do in ADVICE:
        found = re.search(in_message, message)
        if found and re.search(in_line, line):
            return found.expand(what_to_do)
    return ""
