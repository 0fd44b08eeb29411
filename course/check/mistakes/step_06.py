"""Mistakes in step 06, position embeddings."""

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
    resized,
    vocab_size,
)
from course.check.mistakes.refusals import rows_by_floats


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The position embeddings of the case."""
    return embed(expected.weights["wpe.weight"], expected.inputs[0], **options)


def embed(
    table: Array,
    ids: Array,
    *,
    rows: str = "0, 1, 2, ...",
    scale: float = 0.0,
    layout: str = "[seq_length, n_embd]",
) -> Array:
    """The rows 0, 1, 2, ... of the table, times n_embd to the power of `scale`."""
    batch, length = ids.shape
    positions = {
        "0, 1, 2, ...": np.arange(length),
        "1, 2, 3, ...": np.arange(1, length + 1),
        "..., 2, 1, 0": np.arange(length)[::-1],
        "0, 0, 0, ...": np.zeros(length, dtype=int),
        "up to the batch": np.arange(batch),
        "the whole table": np.arange(len(table)),
        "the last": np.array([length - 1]),
        "all but the last": np.arange(length - 1),
        "token ids": ids,
    }[rows]
    vectors = table[positions] * np.float32(table.shape[1] ** scale)
    if layout == "[1, seq_length, n_embd]":
        return vectors[None]
    if layout == "[batch, seq_length, n_embd]":
        return np.broadcast_to(vectors, (batch, *vectors.shape))
    return vectors


POSITIONS = "The line in `forward` that makes the positions."

MISTAKES = (
    Mistake(
        id="positions-from-one",
        what="Your positions start at 1 instead of 0.",
        why="The table's row 0 is the first position, and there is no row "
        "n_positions: the longest sequence would fall off its end.",
        look=POSITIONS,
        ways=({"rows": "1, 2, 3, ..."},),
        lines=(
            r"\+ 1\b",
            r"arange",
        ),
    ),
    Mistake(
        id="positions-reversed",
        what="Your positions run backwards.",
        why="The first token of a sequence has position 0.",
        look=POSITIONS,
        ways=({"rows": "..., 2, 1, 0"},),
        lines=(
            r"::-1",
            r"- 1 - ",
            r"arange",
        ),
    ),
    Mistake(
        id="positions-all-zero",
        what="Your positions are all 0.",
        why="The model could not tell the order of the tokens.",
        look=POSITIONS,
        ways=({"rows": "0, 0, 0, ..."},),
        lines=(
            r"zeros",
            r"\bpositions - positions",
            r"\* 0",
            r"arange",
        ),
    ),
    Mistake(
        id="positions-without-dtype",
        what="Your positions are floats.",
        why="Tensor.arange makes floats unless it is told a dtype.",
        look="Tensor.arange(seq_length, dtype=input_ids.dtype, ...).",
        refused=(rows_by_floats,),
    ),
    Mistake(
        id="ids-for-positions",
        what="You look up the token IDs instead of their positions.",
        why="wpe has a row for each position; what a token is, wte knows.",
        look=POSITIONS,
        ways=({"rows": "token ids"},),
        lines=(r"self\.wpe\(",),
    ),
    Mistake(
        id="positions-up-to-batch",
        what="You count the sequences of the batch instead of the positions.",
        why="input_ids is [batch, seq_length]; the second number is wanted.",
        look="Where the shape of input_ids is taken apart.",
        ways=({"rows": "up to the batch"},),
        lines=(r"\.shape", r"arange"),
    ),
    Mistake(
        id="whole-table",
        what="You return all n_positions rows, whatever the length of the input.",
        why="Token embeddings, to which these are added, are as long as the input.",
        look=POSITIONS,
        ways=({"rows": "the whole table"},),
        lines=(
            r"wpe\.weight",
            r"arange",
        ),
    ),
    Mistake(
        id="last-position-only",
        what="You look up the last position only.",
        why="Each token gets the embedding of its own position.",
        look=POSITIONS,
        ways=({"rows": "the last"},),
        lines=(
            r"\[-1",
            r"self\.wpe\(",
        ),
    ),
    Mistake(
        id="last-position-missing",
        what="Your positions stop one too early.",
        why="Tensor.arange(n) already stops before n.",
        look=POSITIONS,
        ways=({"rows": "all but the last"},),
        lines=(
            r":-1\]",
            r"- 1",
            r"arange",
        ),
    ),
    Mistake(
        id="position-embedding-scaled",
        what="Your position embeddings are multiplied or divided by √n_embd.",
        why="GPT-2 adds the rows of the table as they are.",
        look="The line in `forward` that calls self.wpe.",
        ways=({"scale": 0.5}, {"scale": -0.5}),
        lines=(r"sqrt", r"[*/]"),
    ),
    Mistake(
        id="positions-with-batch-axis",
        what="Your position embeddings have an axis for the batch.",
        why="They are the same for every sequence: [seq_length, n_embd] is enough, "
        "and adding it to the token embeddings spreads it over the batch.",
        look="Any reshape or broadcast in `forward`.",
        ways=(
            {"layout": "[1, seq_length, n_embd]"},
            {"layout": "[batch, seq_length, n_embd]"},
        ),
        lines=(r"reshape", r"broadcast", r"unsqueeze", r"\[None"),
    ),
    Mistake(
        id="wpe-rows-of-tokens",
        what="Your table has a row for each token instead of each position.",
        why="n_positions says how long a sequence can be; vocab_size is for step 05.",
        look="`__init__`: Embedding(config.n_positions, ...).",
        shapes=resized("wpe.weight", vocab_size, n_embd),
        lines=(r"Embedding\(",),
    ),
    Mistake(
        id="wpe-sizes-exchanged",
        what="Your table has n_embd rows of n_positions numbers.",
        why="Each position has one row, and each row has n_embd numbers.",
        look="`__init__`: Embedding(config.n_positions, dim=config.n_embd).",
        shapes=exchanged("wpe"),
        lines=(r"Embedding\(",),
    ),
)
