"""Mistakes in step 04, the feed-forward network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights, linear, softmax, under
from course.check.mistakes.parameters import (
    both,
    exchanged,
    linear_resized,
    n_embd,
    times_n_embd,
)


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The feed-forward network of the case."""
    return mlp(expected.inputs[0], expected.weights, **options)


def activate(x: Array, name: str) -> Array:
    """Activation functions; GPT-2's is "gelu tanh"."""
    if name == "gelu tanh":
        y: Array = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
        return y.astype(x.dtype)
    if name == "gelu tanh without the cube":
        y = 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * x))
        return y.astype(x.dtype)
    if name == "gelu exact":
        y = 0.5 * x * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        return y.astype(x.dtype)
    if name == "gelu quick":
        return x / (1 + np.exp(-1.702 * x))
    if name == "silu":
        return x / (1 + np.exp(-x))
    if name == "sigmoid":
        return 1 / (1 + np.exp(-x))
    if name == "relu":
        return np.maximum(x, 0)
    if name == "tanh":
        return np.tanh(x)
    if name == "softmax":
        return softmax(x)
    return x  # "none"


def mlp(
    x: Array,
    weights: Weights,
    *,
    activation: str = "gelu tanh",
    times: int = 1,
    before: bool = False,
    after: bool = False,
    residual: bool = False,
    narrow: bool = True,
) -> Array:
    """Widen, GELU, narrow."""
    y = activate(x, "gelu tanh") if before else x
    y = linear(y, under(weights, "c_fc"))
    for _ in range(times):
        y = activate(y, activation)
    if narrow:
        y = linear(y, under(weights, "c_proj"))
    y = activate(y, "gelu tanh") if after else y
    return y + x if residual else y


def _activation(name: str, what: str, why: str, kind: str) -> Mistake:
    look = 'The activation in `forward`: F.gelu(..., approximate="tanh").'
    ways = ({"activation": kind},)
    return Mistake(
        name,
        what,
        why,
        look,
        ways,
        lines=(r"gelu", r"relu", r"silu", r"sigmoid", r"tanh"),
    )


MISTAKES = (
    _activation(
        "exact-gelu",
        "Your output is what the exact GELU gives; GPT-2 uses its tanh approximation.",
        "The two differ by less than 0.001, but in every layer: some tokens come out "
        "differently in the end.",
        "gelu exact",
    ),
    _activation(
        "quick-gelu",
        "Your output is what x * sigmoid(1.702 x) gives, the quick GELU.",
        "CLIP uses that one; GPT-2 the tanh approximation, which is closer to GELU.",
        "gelu quick",
    ),
    _activation(
        "gelu-without-cube",
        "Your GELU lacks the cubic term 0.044715 x³ inside the tanh.",
        "The cube is what brings the approximation close to GELU.",
        "gelu tanh without the cube",
    ),
    _activation(
        "relu",
        "Your output is what ReLU gives.",
        "The first transformer used ReLU; GPT-2 was trained with GELU.",
        "relu",
    ),
    _activation(
        "silu",
        "Your output is what SiLU, x * sigmoid(x), gives.",
        "LLaMA uses it; GPT-2 was trained with GELU.",
        "silu",
    ),
    _activation(
        "sigmoid",
        "Your output is what a sigmoid gives.",
        "A sigmoid squeezes everything between 0 and 1; GELU lets large values pass.",
        "sigmoid",
    ),
    _activation(
        "tanh-activation",
        "Your output is what a plain tanh gives.",
        "approximate='tanh' means: GELU, computed with the help of a tanh.",
        "tanh",
    ),
    _activation(
        "softmax-activation",
        "Your output is what a softmax gives in place of GELU.",
        "Softmax belongs to attention; here each number is bent by itself.",
        "softmax",
    ),
    Mistake(
        id="no-activation",
        what="Your output is what the two layers give without GELU between them.",
        why="Two linear layers in a row are no more than one: GELU makes them useful.",
        look="`forward`, between c_fc and c_proj. Is the result of F.gelu used?",
        ways=({"times": 0},),
        lines=(r"gelu", r"self\.c_fc\("),
    ),
    Mistake(
        id="activation-twice",
        what="Your output is what comes out when GELU is applied twice.",
        why="GPT-2 bends the numbers once, between c_fc and c_proj.",
        look="`forward`: one F.gelu too many.",
        ways=({"times": 2},),
        lines=(r"gelu",),
    ),
    Mistake(
        id="activation-after-projection",
        what="Your GELU comes after c_proj instead of before it.",
        why="Nothing would bend the wide layer, and the output could not be negative.",
        look="The order in `forward`: c_fc, GELU, c_proj.",
        ways=({"times": 0, "after": True},),
        lines=(r"gelu",),
    ),
    Mistake(
        id="activation-also-at-the-end",
        what="You apply GELU after c_proj as well.",
        why="The output is added to the residual stream as it is, negative or not.",
        look="The end of `forward`.",
        ways=({"after": True},),
        lines=(
            r"gelu\(.*c_proj",
            r"gelu",
        ),
    ),
    Mistake(
        id="activation-first",
        what="Your GELU comes before c_fc instead of after it.",
        why="The wide layer would go through unbent: two linear layers in a row.",
        look="The order in `forward`: c_fc, GELU, c_proj.",
        ways=({"times": 0, "before": True},),
        lines=(r"gelu",),
    ),
    Mistake(
        id="residual-in-mlp",
        what="You add the input to the output of the network.",
        why="The block does that (step 08); here it would be added twice.",
        look="The end of `forward`.",
        ways=({"residual": True},),
        lines=(r"\+",),
    ),
    Mistake(
        id="projection-missing",
        what="Your output is that of c_fc and GELU: c_proj is not applied.",
        why="c_proj brings the numbers back to the width of the model.",
        look="The end of `forward`.",
        ways=({"narrow": False}, {"narrow": False, "times": 0}),
        lines=(r"return",),
    ),
    Mistake(
        id="intermediate-size-ignored",
        what="Your network is 4 * n_embd wide inside, whatever intermediate_size says.",
        why="The width inside is an argument, because n_inner can set it.",
        look="`__init__`: both layers take intermediate_size.",
        shapes=both(
            linear_resized("c_fc", times_n_embd(4), n_embd),
            linear_resized("c_proj", n_embd, times_n_embd(4)),
        ),
        lines=(r"Linear\(",),
    ),
    Mistake(
        id="mlp-not-widened",
        what="Your network is only n_embd wide inside.",
        why="The network widens first: that is where it keeps what it has learned.",
        look="`__init__`: intermediate_size.",
        shapes=both(
            linear_resized("c_fc", n_embd, n_embd),
            linear_resized("c_proj", n_embd, n_embd),
        ),
        lines=(r"Linear\(",),
    ),
    Mistake(
        id="mlp-sizes-exchanged",
        what="Your c_fc narrows and your c_proj widens; it should be the other way.",
        why="Linear(in_dim, out_dim): c_fc goes from n_embd to intermediate_size.",
        look="`__init__`: the order of the sizes, or the two names.",
        shapes=both(exchanged("c_fc"), exchanged("c_proj")),
        lines=(r"self\.c_fc =",),
    ),
)
