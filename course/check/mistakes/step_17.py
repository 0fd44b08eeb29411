"""Mistakes in step 17, the Mojo kernel. The check computes what each would give."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array

Alternatives = dict[str, Callable[[], Array]]


def alternatives(weight: Array, kept: Array, scale: Array) -> Alternatives:
    """What the known mistakes in quantize_rows make of a matrix.

    Args:
        weight: The matrix.
        kept: What the reader's code returns for it.
        scale: The scales that it returns beside it.
    """
    largest = np.abs(weight).max(axis=1)

    def scaled(scale: Array, round_: Callable[[Array], Array] = np.rint) -> Array:
        scale = np.where(scale == 0, np.float32(1), scale)[:, None]
        with np.errstate(invalid="ignore"):
            product: Array = round_(weight / scale).astype(np.int8) * scale
        return product

    def not_127() -> Array:
        """The reader's own, if the largest number of each row becomes the same."""
        with np.errstate(divide="ignore"):
            become = largest[largest > 0] / scale[largest > 0]
        same = np.allclose(become, become[0]) and not np.isclose(become[0], 127)
        return kept * scale[:, None] if same else np.full_like(weight, np.nan)

    right = largest / np.float32(127)
    return {
        "one-scale": lambda: scaled(np.full_like(right, right.max())),
        "scale-without-abs": lambda: scaled(weight.max(axis=1) / np.float32(127)),
        "cut-off": lambda: scaled(right, np.trunc),
        "rounded-down": lambda: scaled(right, np.floor),
        "half-added": lambda: scaled(right, lambda x: np.trunc(x + np.float32(0.5))),
        "wrapped-around": lambda: scaled(largest / np.float32(128)),
        "not-127": not_127,
    }


def other_roundings(weight: Array) -> Alternatives:
    """What the known mistakes make of a weight that is to be kept in 16 bits."""

    def half_precision() -> Array:
        bits = weight.astype(np.float16).view(np.uint16).astype(np.uint32)
        return (bits << 16).view(np.float32)

    def cut_bits() -> Array:
        return (weight.view(np.uint32) >> 16 << 16).view(np.float32)

    return {"half-precision": half_precision, "bits-cut-off": cut_bits}


ROWS = "`quantize_rows`."
BITS = "`quantize_weights`, in bfloat16."

MISTAKES = (
    Mistake(
        id="row-of-zeros",
        what="You give a row of zeros a scale of 0, and 0/0 is NaN.",
        why="NaN as int8 is any number, on each machine another. Any scale will do for "
        "the row but 0.",
        look=ROWS,
        lines=(r"scale\[", r"scale ="),
        within="quantize_rows",
    ),
    Mistake(
        id="scale-without-abs",
        what="Your scale forgets that the largest number may be negative.",
        why="-3 is larger than 2 here: with a scale for 2, it falls outside -127 to "
        "127, and int8 makes something else of it.",
        look=ROWS + " np.abs(weight).max(axis=1).",
        lines=(r"max\(", r"scale ="),
        within="quantize_rows",
    ),
    Mistake(
        id="scale-of-columns",
        what="You make a scale for each column.",
        why="A row holds the weights of one sum, and is multiplied by one scale.",
        look=ROWS + " The largest weight of each row: max(axis=1).",
        lines=(r"max\(", r"scale ="),
        within="quantize_rows",
    ),
    Mistake(
        id="rounded-down",
        what="You round down, not to the nearest number.",
        why="The error is twice as large, and always on one side.",
        look=ROWS + " np.rint rounds to the nearest.",
        lines=(r"floor", r"astype"),
        within="quantize_rows",
    ),
    Mistake(
        id="half-added",
        what="You add a half and cut off: that rounds negative numbers wrongly.",
        why="astype cuts off towards 0, so -1.6 becomes -1.1 and then -1.",
        look=ROWS + " np.rint rounds to the nearest.",
        lines=(r"0\.5", r"astype"),
        within="quantize_rows",
    ),
    Mistake(
        id="not-127",
        what="Your largest weight does not become 127.",
        why="With more it does not fit into int8, with less some of the 8 bits are "
        "never used, and the steps are wider.",
        look=ROWS + " Divide the largest weight by 127.",
        lines=(r"max\(", r"scale ="),
        within="quantize_rows",
    ),
    Mistake(
        id="weight-changed",
        what="Your function changes the matrix that it was given.",
        why="Whoever called it may need it again.",
        look=ROWS,
        lines=(r"weight\S* [-+*/]?=",),
        within="quantize_rows",
    ),
    Mistake(
        id="half-precision",
        what="You keep the bits of float16, and call them bfloat16.",
        why="The two share their 16 bits out otherwise: bfloat16 has the exponent of "
        "float32.",
        look=BITS + " astype(ml_dtypes.bfloat16).",
        lines=(r"np\.float16", r"bits ="),
        within="quantize_weights",
    ),
    Mistake(
        id="bits-cut-off",
        what="You cut off the last 16 bits instead of rounding.",
        why="The error is twice as large, and always towards 0.",
        look=BITS + " astype(ml_dtypes.bfloat16) rounds to the nearest.",
        lines=(r">> 16", r"bits ="),
        within="quantize_weights",
    ),
    Mistake(
        id="not-handed-over",
        what="You return an array that MAX cannot take.",
        why="NumPy does not know bfloat16, and cannot hand it over.",
        look=BITS + " Buffer.from_numpy(bits).view(DType.bfloat16).",
        lines=(r"Buffer", r"bfloat16\)"),
        within="quantize_weights",
    ),
    Mistake(
        id="one-scale",
        what="Your rows all share one scale.",
        why="One row with large weights then leaves the others a few steps only: a "
        "scale for each row costs four bytes and saves most of the error.",
        look=ROWS + " The largest weight of each row: max(axis=1).",
        lines=(r"max\(", r"scale ="),
        within="quantize_rows",
    ),
    Mistake(
        id="cut-off",
        what="You cut off instead of rounding.",
        why="astype(np.int8) drops what is behind the point: the error is twice as "
        "large, and always towards 0.",
        look=ROWS + " np.rint before astype.",
        lines=(r"astype",),
        within="quantize_rows",
    ),
    Mistake(
        id="wrapped-around",
        what="Your largest weight becomes 128, which int8 does not have.",
        why="int8 goes from -128 to 127; 128 wraps around to -128.",
        look=ROWS + " Divide the largest weight by 127.",
        lines=(r"128", r"scale ="),
        within="quantize_rows",
    ),
    Mistake(
        id="activation-not-passed",
        what="Your layer does not apply its activation.",
        why="The operation is compiled for one activation, given as a parameter.",
        look="`KernelLinear.forward`: parameters={...} in F.custom.",
        lines=(r"parameters=", r"F\.custom"),
        within="forward",
    ),
)
