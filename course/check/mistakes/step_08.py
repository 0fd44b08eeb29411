"""Mistakes in step 08, the residual step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, under
from course.check.mistakes.step_03 import layer_norm
from course.check.mistakes.step_04 import mlp

Layer = Callable[[Array], Array]


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The residual step of the case."""
    eps = case.sizes["layer_norm_epsilon"]
    return residual_step(
        expected.inputs[0],
        lambda x: layer_norm(x, under(expected.weights, "ln_2"), eps),
        lambda x: mlp(x, under(expected.weights, "mlp")),
        **options,
    )


def residual_step(
    x: Array,
    norm: Layer,
    sublayer: Layer,
    *,
    norms: str = "before the sublayer",
    sublayers: int = 1,
    added: str = "x",
) -> Array:
    """The sum of x and sublayer(norm(x))."""
    normalized = norm(x) if norms in {"before the sublayer", "before and after"} else x
    if norms == "twice":
        normalized = norm(norm(x))
    y = normalized
    for _ in range(sublayers):
        y = sublayer(y)
    if norms in {"after the sublayer", "before and after"}:
        y = norm(y)
    total = {
        "x": x + y,
        "nothing": y,
        "normalized x": normalized + y,
        "x twice": x + x + y,
        "y twice": x + y + y,
        "x minus": x - y,
        "minus x": y - x,
        "x times": x * y,
    }[added]
    return norm(total) if norms == "after the sum" else total


SUM = "The return: x + sublayer(layer_norm(x))."

MISTAKES = (
    Mistake(
        id="no-residual",
        what="Your output is what the sublayer gives: x is not added.",
        why="The residual connection is how x reaches the next layer unharmed.",
        look=SUM,
        ways=({"added": "nothing"},),
        lines=(r"return",),
    ),
    Mistake(
        id="post-norm",
        what="Your layer norm comes after the sum instead of before the sublayer.",
        why="The first transformer did that (post-norm). GPT-2 normalizes what the "
        "sublayer reads, and leaves the residual stream alone (pre-norm).",
        look=SUM,
        ways=({"norms": "after the sum"},),
        lines=(r"layer_norm\(",),
    ),
    Mistake(
        id="no-norm",
        what="Your sublayer reads x itself: the layer norm is not applied.",
        why="The stream grows from block to block; sublayers expect it normalized.",
        look=SUM,
        ways=({"norms": "none"},),
        lines=(r"sublayer\(",),
    ),
    Mistake(
        id="norm-after-sublayer",
        what="Your layer norm comes after the sublayer instead of before it.",
        why="GPT-2 normalizes what the sublayer reads, not what it gives.",
        look=SUM,
        ways=({"norms": "after the sublayer"},),
        lines=(r"layer_norm\(",),
    ),
    Mistake(
        id="norm-before-and-after",
        what="Your layer norm is applied before and after the sublayer.",
        why="GPT-2 normalizes what the sublayer reads, not what it gives.",
        look=SUM,
        ways=({"norms": "before and after"},),
        lines=(r"layer_norm\(",),
    ),
    Mistake(
        id="norm-twice",
        what="Your layer norm is applied twice in a row.",
        why="Its scale and shift are applied twice with it.",
        look=SUM,
        ways=({"norms": "twice"},),
        lines=(r"layer_norm\(",),
    ),
    Mistake(
        id="normalized-residual",
        what="You add the normalized x instead of x itself.",
        why="The residual stream would be normalized away at every step.",
        look="Is x overwritten by layer_norm(x) before it is added?",
        ways=({"added": "normalized x"},),
        lines=(r"layer_norm\(",),
    ),
    Mistake(
        id="residual-twice",
        what="You add x twice.",
        why="The stream would double at every step.",
        look=SUM,
        ways=({"added": "x twice"},),
        lines=(r"\+",),
    ),
    Mistake(
        id="sublayer-added-twice",
        what="You add what the sublayer gives twice.",
        why="Each sublayer adds its result to the stream once.",
        look=SUM,
        ways=({"added": "y twice"},),
        lines=(r"\+", r"\*"),
    ),
    Mistake(
        id="sublayer-applied-twice",
        what="You apply the sublayer twice in a row.",
        why="The residual step has one sublayer; a block has two such steps.",
        look=SUM,
        ways=({"sublayers": 2},),
        lines=(r"sublayer\(",),
    ),
    Mistake(
        id="sublayer-missing",
        what="Your output has no sublayer in it.",
        why="The sublayer is what the step adds to the stream.",
        look=SUM,
        ways=({"sublayers": 0}, {"sublayers": 0, "added": "nothing"}),
        lines=(r"return",),
    ),
    Mistake(
        id="residual-subtracted",
        what="You subtract where you should add.",
        why="The model has learned what to add.",
        look=SUM,
        ways=({"added": "x minus"}, {"added": "minus x"}),
        lines=(r"-",),
    ),
    Mistake(
        id="residual-multiplied",
        what="You multiply x by what the sublayer gives instead of adding them.",
        why="A product lets x through only where the sublayer gives 1.",
        look=SUM,
        ways=({"added": "x times"},),
        lines=(r"\*",),
    ),
)
