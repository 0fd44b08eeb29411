"""Mistakes in step 03, layer normalization."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights
from course.check.mistakes.parameters import resized, without


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """Layer normalization of the case."""
    eps = case.sizes["layer_norm_epsilon"]
    return layer_norm(expected.inputs[0], expected.weights, eps, **options)


def layer_norm(
    x: Array,
    weights: Weights,
    epsilon: float,
    *,
    eps: float | None = None,
    eps_place: str = "inside the root",
    mean: str = "subtracted",
    variance: str = "biased",
    divide_by: str = "deviation",
    scale: str = "weight",
    shift: str = "bias",
    axis: int | tuple[int, ...] = -1,
) -> Array:
    """(x - mean) / sqrt(variance + eps) * weight + bias."""
    eps = epsilon if eps is None else eps
    average = x.mean(axis=axis, keepdims=True)
    centered = x - average
    squares = x**2 if mean == "ignored" else centered**2
    spread = squares.mean(axis=axis, keepdims=True)
    if variance == "unbiased":
        spread = centered.var(axis=axis, keepdims=True, ddof=1)
    deviation = np.sqrt(spread + eps)
    if eps_place == "outside the root":
        deviation = np.sqrt(spread) + eps
    divisor = {
        "deviation": deviation,
        "variance": spread + eps,
        "nothing": np.float32(1),
    }[divide_by]
    normalized = (centered if mean == "subtracted" else x) / divisor
    weight, bias = weights["weight"], weights["bias"]
    values = {"weight": weight, "bias": bias, "1 + weight": 1 + weight}
    factor, summand = values.get(scale), values.get(shift)
    if shift == "before the scale":
        normalized = normalized + bias
    if factor is not None:
        normalized = normalized * factor
    return normalized if summand is None else normalized + summand


MISTAKES = (
    Mistake(
        id="eps-outside-root",
        what="Your output is what layer normalization gives when eps is added to the "
        "standard deviation, outside the square root.",
        why="GPT-2 was trained with sqrt(variance + eps); sqrt(variance) + eps is "
        "something else wherever the variance is small.",
        look="The denominator in `forward`.",
        ways=({"eps_place": "outside the root"},),
        lines=(
            r"sqrt\(.*\) ?\+",
            r"\+ ?(self\.)?eps",
        ),
        within="forward",
    ),
    Mistake(
        id="eps-missing",
        what="Your output is what layer normalization gives without eps, or with a "
        "much smaller one.",
        why="A vector whose numbers are all the same would be divided by 0.",
        look="The denominator in `forward`: sqrt(variance + eps).",
        ways=({"eps": 0.0},),
        lines=(r"sqrt", r"layer_norm\(", r"\*\* *-?0\.5", r"/"),
    ),
    Mistake(
        id="eps-ignored",
        what="Your layer norm uses an eps of its own instead of the one it is given.",
        why="Models differ in it: the configuration has layer_norm_epsilon for that.",
        look="self.eps in `__init__`, epsilon= in `forward`.",
        ways=tuple({"eps": eps} for eps in (1e-5, 1e-4, 1e-3)),
        lines=(
            r"\beps(ilon)? ?= ?[\d.]",
            r"epsilon",
            r"eps\b",
        ),
    ),
    Mistake(
        id="variance-loses-digits",
        what="Your variance loses its digits when a vector is far from 0.",
        why="The mean of the squares less the square of the mean is a small difference "
        "of two large numbers, of which float32 keeps seven digits. It can come out "
        "negative, and its root is NaN.",
        look="Where the variance is computed: first subtract the mean, then take the "
        "mean of the squares.",
        lines=(
            r"-.*mean.*(\*\*|\*.*mean)",
            r"var\w* ?=",
            r"- ?\w+ ?(\* ?\w+|\*\* ?2)",
            r"mean\(.*(\*|square)",
        ),
    ),
    Mistake(
        id="unbiased-variance",
        what="Your variance is divided by dim - 1 instead of dim.",
        why="Layer normalization takes the plain mean of the squares. The difference "
        "is small, in every layer, and adds up.",
        look="Where the variance is computed: the mean, not ddof=1.",
        ways=({"variance": "unbiased"},),
        lines=(r"var", r"- 1"),
    ),
    Mistake(
        id="scale-missing",
        what="Your output is not multiplied by the weight.",
        why="The learned scale is half of what a layer norm has learned.",
        look="The end of `forward`: gamma=self.weight.",
        ways=({"scale": "none"},),
        lines=(r"gamma", r"layer_norm\(", r"return"),
    ),
    Mistake(
        id="shift-missing",
        what="The bias is not added to your output.",
        why="The learned shift is half of what a layer norm has learned.",
        look="The end of `forward`: beta=self.bias.",
        ways=({"shift": "none"},),
        lines=(r"beta", r"layer_norm\(", r"return"),
    ),
    Mistake(
        id="scale-and-shift-exchanged",
        what="Your output is multiplied by the bias, and the weight is added.",
        why="gamma is the scale (weight), beta the shift (bias).",
        look="The end of `forward`: gamma=self.weight, beta=self.bias.",
        ways=({"scale": "bias", "shift": "weight"},),
        lines=(r"gamma", r"beta", r"return"),
    ),
    Mistake(
        id="shift-before-scale",
        what="Your bias is added before the multiplication by the weight.",
        why="The bias would be scaled too: normalized * weight + bias is meant.",
        look="The order, or the brackets, at the end of `forward`.",
        ways=({"shift": "before the scale"},),
        lines=(
            r"bias\) ?\*",
            r"\+ ?self\.bias",
        ),
        within="forward",
    ),
    Mistake(
        id="mean-not-subtracted",
        what="Your output is what RMSNorm gives: the mean is never subtracted.",
        why="LLaMA normalizes like that; GPT-2 moves every vector to mean 0 first.",
        look="The start of `forward`: x - mean, in the variance and above the line.",
        ways=({"mean": "ignored"},),
        lines=(r"mean", r"\*\* ?2"),
    ),
    Mistake(
        id="mean-kept",
        what="You use the mean for the variance, but do not subtract it from x.",
        why="The result should have mean 0; yours keeps its own.",
        look="The numerator in `forward`: x - mean.",
        ways=({"mean": "kept"},),
        lines=(r"/",),
    ),
    Mistake(
        id="divided-by-variance",
        what="You divide by the variance instead of its square root.",
        why="The result should have variance 1; dividing by the variance gives 1 / "
        "variance.",
        look="The denominator in `forward`: a square root is missing.",
        ways=({"divide_by": "variance"},),
        lines=(r"/",),
    ),
    Mistake(
        id="not-divided",
        what="You subtract the mean, but do not divide by the standard deviation.",
        why="The result should have variance 1, so that depth does not blow it up.",
        look="`forward`: / sqrt(variance + eps).",
        ways=({"divide_by": "nothing"},),
        lines=(r"mean",),
    ),
    Mistake(
        id="wrong-axis",
        what="Your mean and variance run over the positions instead of the width.",
        why="Each token is normalized by itself; yours sees its neighbors, later "
        "ones too.",
        look="axis= where mean and variance are computed: the last one, -1.",
        ways=({"axis": -2}, {"axis": 0}),
        lines=(r"axis",),
    ),
    Mistake(
        id="all-axes",
        what="Your mean and variance run over several axes at once.",
        why="Each token is normalized by itself: one mean per vector, not one per "
        "sequence or batch.",
        look="axis= where mean and variance are computed: the last one, -1.",
        ways=({"axis": (0, 1, 2)}, {"axis": (1, 2)}),
        lines=(r"axis", r"mean\("),
    ),
    Mistake(
        id="zero-centered-scale",
        what="Your output is multiplied by 1 + weight.",
        why="Gemma stores its scale like that; GPT-2's weights are the scale itself.",
        look="The end of `forward`, and the initial value of the weight: ones.",
        ways=({"scale": "1 + weight"},),
        lines=(r"1 \+", r"\+ 1"),
    ),
    Mistake(
        id="initial-values",
        what="Your weight does not start as all ones, or your bias not as all zeros.",
        why="A layer norm that has not been trained yet should only normalize.",
        look="`__init__`: Tensor.ones for the weight, Tensor.zeros for the bias.",
        lines=(r"self\.(weight|bias) =",),
    ),
    Mistake(
        id="no-shift-parameter",
        what="Your layer norm has no bias.",
        why="GPT-2's layer norms have learned a shift as well as a scale.",
        look="`__init__`: self.bias.",
        shapes=without("bias"),
    ),
    Mistake(
        id="scalar-scale",
        what="Your weight or bias is a single number.",
        why="Each of the dim columns has learned a scale and a shift of its own.",
        look="`__init__`: the shape [dim].",
        shapes=lambda shapes, sizes: {"weight": [1], "bias": [1]},
        lines=(r"self\.(weight|bias) =",),
    ),
    Mistake(
        id="square-weight",
        what="Your weight is a matrix.",
        why="Layer normalization scales every column by one number; it mixes none.",
        look="`__init__`: the shape [dim].",
        shapes=resized("weight", *[lambda sizes: int(sizes["n_embd"])] * 2),
        lines=(r"self\.weight =",),
    ),
)
