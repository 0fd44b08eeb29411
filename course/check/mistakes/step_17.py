"""Mistakes in step 17, the Mojo kernel. The check computes what each would give."""

from __future__ import annotations

from course.check.mistakes.mistake import Mistake

ROWS = "`quantize_rows`."

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
