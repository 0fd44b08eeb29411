"""Mistakes in step 04, the feed-forward network."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake, Options
from course.check.mistakes.numbers import Array, Weights, linear, softmax, under
from course.check.mistakes.parameters import (
    both,
    exchanged,
    linear_resized,
    n_embd,
    times_n_embd,
)

ROOT = math.sqrt(2 / math.pi)  # 0.7979


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The feed-forward network of the case."""
    return mlp(expected.inputs[0], expected.weights, **options)


def gelu(
    x: Array,
    *,
    half: float = 0.5,
    one: float = 1.0,
    outer: float = ROOT,
    cubic: float = 0.044715,
    power: int = 3,
    bend: Callable[[Array], Array] = np.tanh,
    inside: str = "x + cubic * x**power",
    outside: str = "half * x * (one + bent)",
) -> Array:
    """GELU by its tanh approximation, and what it is with one part wrong."""
    z = {
        "x + cubic * x**power": x + cubic * x**power,
        "x - cubic * x**power": x - cubic * x**power,
        "(x + cubic * x)**power": (x + cubic * x) ** power,
        "cubic * x**power": cubic * x**power,
        "cubic * (x + x**power)": cubic * (x + x**power),
        "x + cubic * x * power": x + cubic * x * power,
    }[inside]
    bent = bend(outer * z)
    y: Array = {
        "half * x * (one + bent)": half * x * (one + bent),
        "half * x * (one - bent)": half * x * (one - bent),
        "half * (one + bent)": half * (one + bent),
        "half * x * one + bent": half * x * one + bent,
        "half * x + bent": half * x + bent,
    }[outside]
    return y.astype(x.dtype)


def erf(x: Array) -> Array:
    """The error function, of each number."""
    return np.vectorize(math.erf)(x).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """Between 0 and 1."""
    y: Array = 1 / (1 + np.exp(-x))
    return y


# By the mistake of which they are kinds.
BY_HAND: dict[str, tuple[dict[str, Any], ...]] = {
    "gelu-constants": (
        {"outer": 0.044715, "cubic": ROOT},
        {"cubic": 0.44715},
        {"cubic": 0.0044715},
        {"cubic": 0.04715},
        {"outer": 2 / math.pi},
        {"outer": math.sqrt(math.pi / 2)},
        {"outer": math.sqrt(2 * math.pi)},
        {"outer": 1 / math.sqrt(2 * math.pi)},
        {"outer": math.sqrt(2) / math.pi},
        {"outer": 2 / math.sqrt(math.pi)},
        {"outer": math.sqrt(2)},
        {"outer": 1 / math.sqrt(2)},
        {"outer": 1.0},
    ),
    "gelu-without-cube": ({"cubic": 0.0},),
    "gelu-another-power": (
        {"power": 2},
        {"power": 4},
        {"inside": "x + cubic * x * power"},
    ),
    "gelu-cube-misplaced": (
        {"inside": "x - cubic * x**power"},
        {"inside": "(x + cubic * x)**power"},
        {"inside": "cubic * x**power"},
        {"inside": "cubic * (x + x**power)"},
    ),
    "gelu-without-half": ({"half": 1.0}, {"half": 2.0}),
    "gelu-without-one": (
        {"one": 0.0},
        {"outside": "half * x * (one - bent)"},
        {"outside": "half * x * one + bent"},
        {"outside": "half * (one + bent)"},
    ),
    "gelu-another-bend": (
        {"bend": erf},
        {"bend": sigmoid},
        {"bend": np.sin},
        {"bend": np.arctan},
    ),
}

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu tanh": gelu,
    "gelu exact": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu quick": lambda x: x * sigmoid(1.702 * x),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "softmax": softmax,
}


def mlp(
    x: Array,
    weights: Weights,
    *,
    activation: str = "gelu tanh",
    by_hand: Options | None = None,
    times: int = 1,
    before: bool = False,
    after: bool = False,
    residual: bool = False,
    narrow: bool = True,
) -> Array:
    """Widen, GELU, narrow."""
    y = gelu(x) if before else x
    y = linear(y, under(weights, "c_fc"))
    for _ in range(times):
        y = gelu(y, **by_hand) if by_hand else ACTIVATIONS[activation](y)
    if narrow:
        y = linear(y, under(weights, "c_proj"))
    y = gelu(y) if after else y
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


def _by_hand(name: str, what: str, why: str, line: str = "") -> Mistake:
    """A mistake in GELU's formula, written out."""
    return Mistake(
        name,
        what,
        why,
        look="The activation in `forward`: 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), "
        'which F.gelu(..., approximate="tanh") computes.',
        ways=tuple({"by_hand": options} for options in BY_HAND[name]),
        lines=(*filter(None, [line]), r"tanh", r"erf|sigmoid|gelu"),
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
    _by_hand(
        "gelu-constants",
        "Your GELU has another constant than the formula.",
        "Inside the tanh stands √(2/π) · (x + 0.044715 x³): √(2/π), 0.7979, multiplies "
        "the sum, and 0.044715 the cube alone.",
        r"0?\.[04-9]|pi\b|sqrt",
    ),
    _by_hand(
        "gelu-without-cube",
        "Your GELU lacks the cubic term 0.044715 x³ inside the tanh.",
        "The cube is what brings the approximation close to GELU.",
    ),
    _by_hand(
        "gelu-another-power",
        "Your GELU has another power of x than x³ inside the tanh.",
        "With x³ the tanh turns its sign with x; with x² it does not.",
        r"\*\* ?[24]|0\.0447",
    ),
    _by_hand(
        "gelu-cube-misplaced",
        "Your GELU has the right parts inside the tanh, wrongly put together.",
        "It is x + 0.044715 x³: x itself, and a little of its cube.",
        r"0\.0447",
    ),
    _by_hand(
        "gelu-without-half",
        "Your GELU lacks the factor 0.5 in front.",
        "1 + tanh goes from 0 to 2; half of that is the share of x that passes.",
        r"1(\.0)? \+|\+ 1",
    ),
    _by_hand(
        "gelu-without-one",
        "Your GELU does not multiply 0.5 x by 1 + tanh.",
        "1 + tanh goes from 0 to 2: far below 0 nothing of x passes, far above all.",
    ),
    _by_hand(
        "gelu-another-bend",
        "Your GELU bends with another function than tanh.",
        "The constants 0.7979 and 0.044715 belong to the tanh; erf stands in the exact "
        "GELU, without them.",
        r"erf|sigmoid|sin\(|atan",
    ),
    Mistake(
        id="tanh-overflows",
        what="Your activation breaks down where numbers are large: infinity divided by "
        "infinity.",
        why="e to the power of 89 is more than float32 can hold.",
        look="The activation in `forward`: F.tanh and F.gelu never overflow.",
        large_numbers=True,
        lines=(r"\bexp\(",),
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
