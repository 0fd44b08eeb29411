"""Mistakes in step 02, the causal mask."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array


def compute(case: Any, expected: Expected, **options: Any) -> Array:
    """The mask of the case."""
    return mask(case.sequence_length, case.num_tokens, **options)


def mask(
    rows: int,
    past: int,
    *,
    visible: str = "earlier",
    seen: float = 0.0,
    hidden: float = -np.inf,
    columns: str = "all",
    shape: str = "rows first",
) -> Array:
    """The mask: row i is `seen` up to and including column past + i."""
    row = np.arange(rows)[:, None]
    column = np.arange(past + rows if columns == "all" else rows)[None, :]
    last = row if columns == "of new tokens" else row + past
    may_see = {
        "earlier": column <= last,
        "earlier, not itself": column < last,
        # MAX's band_part takes num_upper=-1 for "all".
        "num_upper - 1": column < last if past else column >= 0 * row,
        "one more": column <= last + 1,
        "later": column >= last,
        "later than its row": column >= row,
        "past not counted": column <= row,
        "everything": column >= 0 * row,
        "nothing": column < 0 * row,
    }[visible]
    values = np.where(may_see, seen, hidden).astype(np.float32)
    if shape == "columns first":
        values = values.T
    elif shape == "with batch and heads":
        values = values[None, None]
    return values


ROOM = "The call that decides which entries are hidden."

MISTAKES = (
    Mistake(
        id="past-not-counted",
        what="Your mask hides past tokens: row i is 0 up to column i, not up to column "
        "num_tokens + i.",
        why="The new tokens come after num_tokens others, and may see all of them.",
        look="The bound of the diagonal: num_upper=num_tokens in F.band_part.",
        ways=({"visible": "past not counted"},),
        lines=(r"band_part", r"num_upper", r"arange", r"where"),
    ),
    Mistake(
        id="past-columns-missing",
        what="Your mask has no columns for the past tokens.",
        why="Scores have a column for every token that can be seen, old or new.",
        look="The shape: [sequence_length, num_tokens + sequence_length].",
        ways=({"columns": "of new tokens"}, {"columns": "of as many tokens"}),
        lines=(r"broadcast_to", r"total_length", r"\[sequence_length"),
    ),
    Mistake(
        id="diagonal-hidden",
        what="Your mask hides each token from itself.",
        why="The first token would have nothing to attend to: its weights are 0/0.",
        look="The diagonal: entries after it are hidden, it itself is not.",
        ways=({"visible": "earlier, not itself"}, {"visible": "num_upper - 1"}),
        lines=(r"band_part", r"num_upper", r"arange", r"where"),
    ),
    Mistake(
        id="next-token-visible",
        what="Your mask lets each token see one token too many: the next one.",
        why="In training the model would read the answer instead of predicting it.",
        look="The bound of the diagonal: one less.",
        ways=({"visible": "one more"},),
        lines=(r"band_part", r"num_upper", r"arange", r"where"),
    ),
    Mistake(
        id="triangle-upside-down",
        what="Your mask hides the earlier tokens and shows the later ones.",
        why="A token is to be predicted from what comes before it.",
        look="Which of the two triangles is kept: num_lower and num_upper, exclude.",
        ways=({"visible": "later"}, {"visible": "later than its row"}),
        lines=(r"band_part", r"num_lower", r"arange", r"where"),
    ),
    Mistake(
        id="mask-inverted",
        what="Your mask has minus infinity for what may be seen and 0 for the rest.",
        why="Minus infinity makes a weight 0: it belongs where nothing is to be seen.",
        look="exclude=True in F.band_part; or the order of the two values in F.where.",
        ways=({"seen": -np.inf, "hidden": 0.0},),
        lines=(r"band_part", r"where"),
    ),
    Mistake(
        id="mask-of-ones",
        what="Your mask is 1 for what may be seen and 0 for what is hidden.",
        why="The mask is added to scores, not multiplied: 1 and 0 hide nothing.",
        look="The values: 0 keeps a score, minus infinity hides it.",
        ways=({"seen": 1.0, "hidden": 0.0}, {"seen": 0.0, "hidden": 1.0}),
        lines=(r"Tensor\(", r"ones", r"full"),
    ),
    Mistake(
        id="hidden-too-weak",
        what="Your mask subtracts too little: hidden tokens still get some weight.",
        why="exp(-10) is 0.00005, not 0. Only minus infinity, or a number like -1e9, "
        "leaves nothing.",
        look="The value for what is hidden.",
        ways=tuple({"hidden": -float(n)} for n in (*range(1, 11), 20, 50, 100)),
        lines=(r"Tensor\(", r"full", r"where", r"-\s?\d"),
    ),
    Mistake(
        id="plus-infinity",
        what="Your mask has plus infinity for what is hidden.",
        why="A score of plus infinity takes all the weight, or makes it NaN.",
        look='The sign: float("-inf").',
        ways=({"hidden": np.inf},),
        lines=(r"inf",),
    ),
    Mistake(
        id="nothing-hidden",
        what="Your mask is 0 everywhere: nothing is hidden.",
        why="Every token would see the future that it is to predict.",
        look=ROOM,
        ways=({"visible": "everything"},),
        lines=(
            r"Tensor\(0",
            r"full\(",
            r"zeros",
            r"return",
        ),
    ),
    Mistake(
        id="everything-hidden",
        what="Your mask is minus infinity everywhere: nothing can be seen.",
        why="A softmax in which everything is minus infinity is 0/0, NaN.",
        look=ROOM,
        ways=({"visible": "nothing"},),
        lines=(r"return",),
    ),
    Mistake(
        id="zero-times-infinity",
        what="Your mask is NaN where it should be 0: 0 times infinity is NaN.",
        why="One NaN in a row of scores makes the whole row of weights NaN.",
        look="The multiplication by infinity: choose with F.where or F.band_part.",
        ways=({"seen": np.nan},),
        lines=(r"\*",),
    ),
    Mistake(
        id="mask-transposed",
        what="Your mask has a row for each token that can be seen, and a column for "
        "each new one; it should be the other way round.",
        why="Scores are [new tokens, all tokens], and the mask is added to them.",
        look="The order in the shape: [sequence_length, num_tokens + sequence_length].",
        ways=({"shape": "columns first"},),
        lines=(
            r"transpose",
            r"permute",
            r"broadcast_to",
            r"\[sequence_length",
        ),
    ),
    Mistake(
        id="mask-has-more-axes",
        what="Your mask has axes for the batch and the heads.",
        why="It works in attention, but the mask is asked for as a matrix, which fits "
        "every batch.",
        look="The shape: [sequence_length, num_tokens + sequence_length].",
        ways=({"shape": "with batch and heads"},),
        lines=(r"reshape", r"unsqueeze", r"broadcast_to"),
    ),
    Mistake(
        id="size-needed-as-number",
        what="Your mask needs sequence_length as a number.",
        why="A model that is compiled for any length (step 14) knows its length by a "
        'name only, such as "seq"; MAX\'s operations take the name as a size.',
        look="Where you compute with sequence_length: Dim(sequence_length) + "
        "num_tokens works for numbers and for names.",
        lines=(
            r"sequence_length ?\+ ?num_tokens",
            r"num_tokens ?\+ ?sequence_length",
            r"int\(",
            r"range\(",
            r"\.shape",
        ),
    ),
    Mistake(
        id="dtype-ignored",
        what="Your mask has another dtype than the one that was asked for.",
        why="Scores of bfloat16 cannot be added to a mask of float32.",
        look="Where the tensor is made: dtype=dtype.",
        lines=(r"dtype=", r"Tensor\("),
    ),
)
