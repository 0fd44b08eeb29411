"""Mistakes in step 05, token embeddings."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array
from course.check.mistakes.parameters import (
    exchanged,
    n_embd,
    n_positions,
    resized,
    vocab_size,
)


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The token embeddings of the case."""
    return embed(expected.weights["wte.weight"], expected.inputs[0], **options)


def embed(
    table: Array,
    ids: Array,
    *,
    rows: str = "ids",
    scale: float = 0.0,
    batch: str = "all",
    layout: str = "batch first",
) -> Array:
    """The row of each token, times n_embd to the power of `scale`."""
    if rows == "positions":
        ids = np.broadcast_to(np.arange(ids.shape[1]), ids.shape)
    elif rows == "one later":
        ids = ids + 1
    elif rows == "one earlier":
        ids = ids - 1
    if batch == "first":
        ids = ids[:1]
    elif batch == "first, without its axis":
        ids = ids[0]
    vectors = table[ids] * np.float32(table.shape[1] ** scale)
    if layout == "one row":
        return vectors.reshape(-1, table.shape[1])
    if layout == "positions first":
        return vectors.swapaxes(0, 1)
    if layout == "width before positions":
        return vectors.swapaxes(1, 2)
    return vectors


CALL = "The line in `forward` that calls self.wte."

MISTAKES = (
    Mistake(
        id="embedding-scaled",
        what="Your embeddings are multiplied by √n_embd.",
        why="The first transformer did that; GPT-2 takes the rows as they are.",
        look=CALL,
        ways=({"scale": 0.5},),
        lines=(r"sqrt", r"\*"),
    ),
    Mistake(
        id="embedding-divided",
        what="Your embeddings are divided by √n_embd, or by n_embd.",
        why="GPT-2 takes the rows of the table as they are.",
        look=CALL,
        ways=({"scale": -0.5}, {"scale": -1.0}),
        lines=(r"sqrt", r"/"),
    ),
    Mistake(
        id="positions-for-ids",
        what="You look up the positions 0, 1, 2, … instead of the token IDs.",
        why="Every text would have the same embeddings. Positions are step 06.",
        look=CALL,
        ways=({"rows": "positions"},),
        lines=(r"arange", r"wte\("),
    ),
    Mistake(
        id="ids-off-by-one",
        what="You look up the row before or after that of each token.",
        why="Token 0 has row 0.",
        look=CALL,
        ways=({"rows": "one later"}, {"rows": "one earlier"}),
        lines=(r"[+-] 1",),
    ),
    Mistake(
        id="first-sequence-only",
        what="You look up the first sequence of the batch only.",
        why="All the sequences of a batch go through the model side by side.",
        look=CALL,
        ways=({"batch": "first"}, {"batch": "first, without its axis"}),
        lines=(r"\[0\]", r"\[:1\]"),
    ),
    Mistake(
        id="batch-flattened",
        what="Your output has the tokens of all sequences in one row.",
        why="The model needs to know where a sequence ends: [batch, seq_length, "
        "n_embd].",
        look="Any reshape in `forward`.",
        ways=({"layout": "one row"},),
        lines=(r"reshape", r"flatten"),
    ),
    Mistake(
        id="axes-exchanged",
        what="Your output has its axes in another order.",
        why="What follows expects [batch, seq_length, n_embd].",
        look="Any transpose in `forward`.",
        ways=({"layout": "positions first"}, {"layout": "width before positions"}),
        lines=(r"transpose", r"permute"),
    ),
    Mistake(
        id="wte-rows-of-positions",
        what="Your table has a row for each position instead of each token.",
        why="vocab_size says how many tokens there are; n_positions is for step 06.",
        look="`__init__`: Embedding(config.vocab_size, ...).",
        shapes=resized("wte.weight", n_positions, n_embd),
        lines=(r"Embedding\(",),
    ),
    Mistake(
        id="wte-sizes-exchanged",
        what="Your table has n_embd rows of vocab_size numbers.",
        why="Each token has one row, and each row has n_embd numbers.",
        look="`__init__`: Embedding(config.vocab_size, dim=config.n_embd).",
        shapes=exchanged("wte"),
        lines=(r"Embedding\(",),
    ),
    Mistake(
        id="wte-one-row-short",
        what="Your table has one row too few.",
        why="There are vocab_size tokens, and the first has number 0.",
        look="`__init__`: Embedding(config.vocab_size, ...).",
        shapes=resized("wte.weight", lambda sizes: vocab_size(sizes) - 1, n_embd),
        lines=(r"Embedding\(",),
    ),
)
