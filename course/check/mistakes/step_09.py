"""Mistakes in step 09, the transformer block."""

from __future__ import annotations

from typing import Any

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights, under
from course.check.mistakes.parameters import (
    both,
    linear_resized,
    n_embd,
    names_exchanged,
    times_n_embd,
    without,
)
from course.check.mistakes.step_03 import layer_norm
from course.check.mistakes.step_04 import mlp
from course.check.mistakes.step_07 import attention
from course.check.mistakes.step_08 import residual_step
from course.check.mistakes.where import Part


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The block of the case."""
    return block(expected.inputs[0], expected.weights, case.sizes, **options)


def block(
    x: Array,
    weights: Weights,
    sizes: dict[str, Any],
    *,
    halves: str = "attention, mlp",
    before_attention: str = "ln_1",
    before_mlp: str = "ln_2",
    eps: float | None = None,
    attention_options: dict[str, Any] | None = None,
    mlp_options: dict[str, Any] | None = None,
) -> Array:
    """Attention, then the feed-forward network, each a residual step."""
    epsilon = sizes["layer_norm_epsilon"] if eps is None else eps

    def attention_half(x: Array) -> Array:
        return residual_step(
            x,
            lambda y: layer_norm(y, under(weights, before_attention), epsilon),
            lambda y: attention(y, under(weights, "attn"), sizes["n_head"]),
            **(attention_options or {}),
        )

    def mlp_half(x: Array) -> Array:
        return residual_step(
            x,
            lambda y: layer_norm(y, under(weights, before_mlp), epsilon),
            lambda y: mlp(y, under(weights, "mlp")),
            **(mlp_options or {}),
        )

    between = attention_half(x)
    return {
        "attention, mlp": lambda: mlp_half(between),
        "mlp, attention": lambda: attention_half(mlp_half(x)),
        "side by side": lambda: between + mlp_half(x) - x,
        "mlp with the block's input": lambda: mlp_half(between) - between + x,
        "attention only": lambda: between,
        "mlp only": lambda: mlp_half(x),
        "attention twice": lambda: mlp_half(attention_half(between)),
        "mlp twice": lambda: mlp_half(mlp_half(between)),
        "attention, attention": lambda: attention_half(between),
        "mlp, mlp": lambda: mlp_half(mlp_half(x)),
    }[halves]()


def parts(case: Case, expected: Expected) -> list[Part]:
    """The parts of the block, each with its input and what it should make of it."""
    x, weights, sizes = expected.inputs[0], expected.weights, case.sizes
    eps = sizes["layer_norm_epsilon"]
    first = layer_norm(x, under(weights, "ln_1"), eps)
    between = block(x, weights, sizes, halves="attention only")
    second = layer_norm(between, under(weights, "ln_2"), eps)
    return [
        Part("ln_1", x, first),
        Part("attn", first, between - x),
        Part("ln_2", between, second),
        Part("mlp", second, mlp(second, under(weights, "mlp"))),
    ]


BLOCK = "`forward`: the first half is about ln_1 and attn, the second ln_2 and mlp."
FIRST = "The first half in `forward`: hidden_states + attn(ln_1(hidden_states))."
SECOND = "The second half in `forward`: hidden_states + mlp(ln_2(hidden_states))."


def _in(half: str, name: str, what: str, why: str, options: dict[str, Any]) -> Mistake:
    attention_half = half == "attention"
    part = "attn" if attention_half else "mlp"
    return Mistake(
        id=f"{half}-{name}",
        what=what,
        why=why,
        look=FIRST if attention_half else SECOND,
        ways=({f"{half}_options": options},),
        lines=(rf"{part}\(", rf"self\.{part}(?! =)"),
    )


STREAM = "The residual connection is how the stream reaches the next layer unharmed."
NORM = "Sublayers have learned to read a normalized stream."
PRE = "GPT-2 normalizes what a sublayer reads and leaves the stream itself alone."

MISTAKES = (
    _in(
        "attention",
        "without-residual",
        "Your attention half lacks its residual: the block's input is not added to "
        "what attention gives.",
        STREAM,
        {"added": "nothing"},
    ),
    _in(
        "mlp",
        "without-residual",
        "Your feed-forward half lacks its residual: what comes out of the attention "
        "half is not added to what the network gives.",
        STREAM,
        {"added": "nothing"},
    ),
    Mistake(
        id="block-without-residuals",
        what="Neither half of your block has its residual.",
        why=STREAM,
        look=BLOCK,
        ways=(
            {
                "attention_options": {"added": "nothing"},
                "mlp_options": {"added": "nothing"},
            },
        ),
        lines=(r"return",),
    ),
    _in(
        "attention",
        "without-norm",
        "Your attention reads the stream itself: ln_1 is not applied.",
        NORM,
        {"norms": "none"},
    ),
    _in(
        "mlp",
        "without-norm",
        "Your feed-forward network reads the stream itself: ln_2 is not applied.",
        NORM,
        {"norms": "none"},
    ),
    Mistake(
        id="block-post-norm",
        what="Your block normalizes after each sum (post-norm) instead of before each "
        "sublayer (pre-norm).",
        why=PRE,
        look=BLOCK,
        ways=(
            {
                "attention_options": {"norms": "after the sum"},
                "mlp_options": {"norms": "after the sum"},
            },
        ),
        lines=(r"ln_1\(", r"ln_1,"),
    ),
    Mistake(
        id="block-norm-after-sublayers",
        what="Your block normalizes what the sublayers give instead of what they read.",
        why=PRE,
        look=BLOCK,
        ways=(
            {
                "attention_options": {"norms": "after the sublayer"},
                "mlp_options": {"norms": "after the sublayer"},
            },
        ),
        lines=(r"ln_1\(",),
    ),
    _in(
        "attention",
        "post-norm",
        "Your ln_1 comes after the sum instead of before attention.",
        PRE,
        {"norms": "after the sum"},
    ),
    _in(
        "mlp",
        "post-norm",
        "Your ln_2 comes after the sum instead of before the feed-forward network.",
        PRE,
        {"norms": "after the sum"},
    ),
    _in(
        "attention",
        "residual-normalized",
        "Your attention half adds ln_1(x) where it should add x.",
        "The residual stream would be normalized away.",
        {"added": "normalized x"},
    ),
    _in(
        "mlp",
        "residual-normalized",
        "Your feed-forward half adds ln_2(x) where it should add x.",
        "The residual stream would be normalized away.",
        {"added": "normalized x"},
    ),
    _in(
        "attention",
        "residual-twice",
        "Your attention half adds the block's input twice.",
        "The step of chapter 08 adds it already; the stream would double.",
        {"added": "x twice"},
    ),
    _in(
        "mlp",
        "residual-twice",
        "Your feed-forward half adds the stream twice.",
        "The step of chapter 08 adds it already; the stream would double.",
        {"added": "x twice"},
    ),
    Mistake(
        id="residual-of-block-input",
        what="Your feed-forward half adds the block's input instead of what comes out "
        "of the attention half.",
        why="What attention has added to the stream is lost.",
        look=SECOND,
        ways=({"halves": "mlp with the block's input"},),
        lines=(r"residual",),
    ),
    Mistake(
        id="mlp-before-attention",
        what="Your feed-forward network comes before attention.",
        why="GPT-2 first gathers from other positions, then works on what it found.",
        look=BLOCK,
        ways=(
            {"halves": "mlp, attention"},
            {
                "halves": "mlp, attention",
                "before_mlp": "ln_1",
                "before_attention": "ln_2",
            },
        ),
        lines=(r"self\.mlp(?! =)",),
    ),
    Mistake(
        id="halves-side-by-side",
        what="Your attention and your feed-forward network read the same stream, side "
        "by side.",
        why="GPT-J does that; in GPT-2 the network reads what attention has added.",
        look=SECOND,
        ways=(
            {"halves": "side by side"},
            {"halves": "side by side", "before_mlp": "ln_1"},
        ),
        lines=(r"self\.mlp(?! =)",),
    ),
    Mistake(
        id="attention-half-missing",
        what="Your block has no attention half.",
        why="Without attention no position knows of any other.",
        look=BLOCK,
        ways=({"halves": "mlp only"},),
        lines=(r"^\s+\w+\(.*self\.attn",),
    ),
    Mistake(
        id="mlp-half-missing",
        what="Your block has no feed-forward half.",
        why="The feed-forward network holds two thirds of the block's weights.",
        look=BLOCK,
        ways=({"halves": "attention only"},),
        lines=(
            r"^\s+\w+\(.*self\.mlp",
            r"return",
        ),
    ),
    Mistake(
        id="attention-half-twice",
        what="Your block applies its attention half twice.",
        why="A block attends once, and works on what it found once.",
        look=BLOCK,
        ways=(
            {"halves": "attention twice"},
            {"halves": "attention, attention"},
        ),
        lines=(r"self\.attn(?! =)",),
    ),
    Mistake(
        id="mlp-half-twice",
        what="Your block applies its feed-forward half twice.",
        why="A block attends once, and works on what it found once.",
        look=BLOCK,
        ways=({"halves": "mlp twice"}, {"halves": "mlp, mlp"}),
        lines=(r"self\.mlp(?! =)",),
    ),
    Mistake(
        id="ln-1-twice",
        what="Your block uses ln_1 in both halves; ln_2 is not used.",
        why="Each half has learned a scale and a shift of its own.",
        look=SECOND,
        ways=({"before_mlp": "ln_1"},),
        lines=(
            r"ln_1.*mlp",
            r"mlp.*ln_1",
        ),
    ),
    Mistake(
        id="ln-2-twice",
        what="Your block uses ln_2 in both halves; ln_1 is not used.",
        why="Each half has learned a scale and a shift of its own.",
        look=FIRST,
        ways=({"before_attention": "ln_2"},),
        lines=(
            r"ln_2.*attn",
            r"attn.*ln_2",
        ),
    ),
    Mistake(
        id="norms-exchanged",
        what="Your ln_2 comes before attention, and ln_1 before the network.",
        why="Each half has learned a scale and a shift of its own.",
        look=BLOCK,
        ways=({"before_attention": "ln_2", "before_mlp": "ln_1"},),
        lines=(r"self\.ln_2(?! =)",),
    ),
    Mistake(
        id="block-epsilon-ignored",
        what="Your layer norms do not get the configuration's layer_norm_epsilon.",
        why="LayerNorm falls back on 1e-5, which is right for GPT-2 but not for every "
        "configuration.",
        look="`__init__`: LayerNorm(config.n_embd, eps=config.layer_norm_epsilon).",
        ways=tuple({"eps": eps} for eps in (1e-5, 1e-6, 1e-12)),
        lines=(r"LayerNorm\(",),
    ),
    Mistake(
        id="n-inner-ignored",
        what="Your network is 4 * n_embd wide inside, although n_inner is set.",
        why="n_inner, where it is not None, says how wide.",
        look="`__init__`: the first argument of GPT2MLP.",
        shapes=both(
            linear_resized("mlp.c_fc", times_n_embd(4), n_embd),
            linear_resized("mlp.c_proj", n_embd, times_n_embd(4)),
        ),
        lines=(r"4 \*", r"\* 4", r"inner"),
    ),
    Mistake(
        id="mlp-as-wide-as-the-model",
        what="Your feed-forward network is only n_embd wide inside.",
        why="Without n_inner it is 4 * n_embd wide.",
        look="`__init__`: the first argument of GPT2MLP.",
        shapes=both(
            linear_resized("mlp.c_fc", n_embd, n_embd),
            linear_resized("mlp.c_proj", n_embd, n_embd),
        ),
        lines=(r"GPT2MLP\(",),
    ),
    Mistake(
        id="one-norm-only",
        what="Your block has no ln_2.",
        why="Each half has a layer norm of its own.",
        look="`__init__`: ln_1 and ln_2.",
        shapes=without("ln_2"),
    ),
    Mistake(
        id="attn-and-mlp-names-exchanged",
        what="Your attention is called mlp, and your feed-forward network attn.",
        why="Weights are loaded by name.",
        look="`__init__`.",
        shapes=names_exchanged("attn", "mlp"),
        lines=(r"self\.attn =",),
    ),
)
