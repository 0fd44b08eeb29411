"""Mistakes in step 11, the language model head."""

from __future__ import annotations

from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights, linear, softmax, under
from course.check.mistakes.parameters import (
    exchanged,
    linear_resized,
    n_embd,
    n_positions,
    vocab_size,
    with_extra,
    without,
)
from course.check.mistakes.step_04 import ACTIVATIONS, gelu
from course.check.mistakes.step_10 import embed, model
from course.check.mistakes.where import Part


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The logits of the case."""
    return language_model(expected.inputs[0], expected.weights, case.sizes, **options)


def language_model(
    ids: Array,
    weights: Weights,
    sizes: dict[str, Any],
    *,
    body: str = "transformer",
    before_head: str = "nothing",
    head: bool = True,
    after_head: str = "nothing",
    scale: float = 0.0,
    keep: str = "every position",
) -> Array:
    """From token IDs to logits."""
    transformer = under(weights, "transformer")
    if body == "embeddings only":
        x = embed(ids, transformer)
    elif body == "without ln_f":
        x = model(ids, transformer, sizes, final_norm="none")
    elif body == "ln_f twice":
        x = model(ids, transformer, sizes, final_norm="twice")
    else:
        x = model(ids, transformer, sizes)
    if before_head == "gelu":
        x = gelu(x)
    if head:
        x = linear(x, under(weights, "lm_head"))
    x = x * np.float32(sizes["n_embd"] ** scale)
    if after_head == "softmax":
        x = softmax(x)
    elif after_head == "log softmax":
        x = np.log(softmax(x))
    elif after_head in {"gelu tanh", "relu", "tanh", "sigmoid"}:
        x = ACTIVATIONS[after_head](x)
    elif after_head == "argmax":
        return x.argmax(axis=-1)
    return {
        "every position": lambda: x,
        "the last position": lambda: x[:, -1, :],
        "the last position, with its axis": lambda: x[:, -1:, :],
        "the first position": lambda: x[:, 0, :],
        "the first sequence": lambda: x[:1],
        "all but the last position": lambda: x[:, :-1],
        "vocabulary first": lambda: x.swapaxes(1, 2),
    }[keep]()


def parts(case: Case, expected: Expected) -> list[Part]:
    """The parts of the model, each with its input and what it should make of it."""
    ids, weights = expected.inputs[0], expected.weights
    hidden_states = model(ids, under(weights, "transformer"), case.sizes)
    return [
        Part("transformer", ids, hidden_states),
        Part("lm_head", hidden_states, expected.output),
    ]


RETURN = "The end of `forward`: return self.lm_head(hidden_states)."
CHOICE = "Which token comes next is chosen in step 12, from the logits themselves."

MISTAKES = (
    Mistake(
        id="head-not-applied",
        what="Your output is the hidden states: lm_head is not applied.",
        why="The head turns n_embd numbers into a score for each token.",
        look=RETURN,
        ways=({"head": False},),
        lines=(r"return",),
    ),
    Mistake(
        id="body-not-applied",
        what="Your head is applied to the embeddings: no block is in between.",
        why="The whole transformer comes before the head.",
        look="`forward`: self.transformer(input_ids).",
        ways=({"body": "embeddings only"},),
        lines=(r"wte\(", r"lm_head\("),
    ),
    Mistake(
        id="head-without-final-norm",
        what="Your head reads the stream as the blocks leave it, without ln_f.",
        why="The head has learned to read what ln_f gives.",
        look="`forward`: self.transformer(input_ids), which ends in ln_f.",
        ways=({"body": "without ln_f"},),
        lines=(
            r"\.h\(",
            r"lm_head\(",
        ),
    ),
    Mistake(
        id="final-norm-again",
        what="You apply ln_f once more before the head.",
        why="The transformer of step 10 ends in ln_f already.",
        look="`forward`.",
        ways=({"body": "ln_f twice"},),
        lines=(r"ln_f\(",),
    ),
    Mistake(
        id="softmax-of-logits",
        what="You return probabilities: a softmax of the logits.",
        why=CHOICE,
        look=RETURN,
        ways=({"after_head": "softmax"},),
        lines=(r"softmax",),
    ),
    Mistake(
        id="log-softmax-of-logits",
        what="You return the logarithms of probabilities.",
        why=CHOICE,
        look=RETURN,
        ways=({"after_head": "log softmax"},),
        lines=(r"softmax", r"log"),
    ),
    Mistake(
        id="argmax-of-logits",
        what="You return token IDs: the argmax of the logits.",
        why=CHOICE,
        look=RETURN,
        ways=({"after_head": "argmax"},),
        lines=(r"argmax",),
    ),
    Mistake(
        id="logits-of-last-position",
        what="You return the logits of the last position only.",
        why="Step 12 takes the last one itself; a model gives a score for the next "
        "token at every position.",
        look=RETURN,
        ways=(
            {"keep": "the last position"},
            {"keep": "the last position, with its axis"},
        ),
        lines=(r"-1",),
    ),
    Mistake(
        id="logits-of-first-position",
        what="You return the logits of the first position only.",
        why="A model gives a score for the next token at every position.",
        look=RETURN,
        ways=({"keep": "the first position"},),
        lines=(r"\[",),
        within="forward",
    ),
    Mistake(
        id="logits-without-last-position",
        what="You return the logits of all positions but the last.",
        why="For training one leaves it out; for generating it is the one that counts.",
        look=RETURN,
        ways=({"keep": "all but the last position"},),
        lines=(r":-1",),
    ),
    Mistake(
        id="logits-of-first-sequence",
        what="You return the logits of the first sequence of the batch only.",
        why="All the sequences of a batch go through the model side by side.",
        look=RETURN,
        ways=({"keep": "the first sequence"},),
        lines=(r"\[",),
        within="forward",
    ),
    Mistake(
        id="vocabulary-axis-first",
        what="Your logits have the vocabulary before the positions.",
        why="Expected is [batch, seq_length, vocab_size]; the other order is what "
        "torch's cross entropy wants.",
        look=RETURN,
        ways=({"keep": "vocabulary first"},),
        lines=(r"transpose", r"permute"),
    ),
    Mistake(
        id="logits-scaled",
        what="Your logits are multiplied or divided by √n_embd, or divided by n_embd.",
        why="GPT-2 takes them as lm_head gives them.",
        look=RETURN,
        ways=({"scale": -0.5}, {"scale": 0.5}, {"scale": -1.0}),
        lines=(r"sqrt", r"\*", r"/"),
    ),
    Mistake(
        id="activation-on-logits",
        what="Your logits go through an activation function.",
        why="GPT-2's head is one linear layer; logits can be any number.",
        look=RETURN,
        ways=tuple(
            {"after_head": name} for name in ("gelu tanh", "relu", "tanh", "sigmoid")
        ),
        lines=(r"gelu", r"relu", r"tanh", r"sigmoid"),
    ),
    Mistake(
        id="activation-before-head",
        what="Your hidden states go through GELU before the head.",
        why="The head reads what ln_f gives, as it is.",
        look=RETURN,
        ways=({"before_head": "gelu"},),
        lines=(r"gelu",),
    ),
    Mistake(
        id="bias-in-head",
        what="Your lm_head has a bias; GPT-2's has none.",
        why="There is no weight to load for it, since the head is the table of token "
        "embeddings, used backwards.",
        look="`__init__`: bias=False.",
        shapes=with_extra("lm_head.bias", vocab_size),
        lines=(r"lm_head =",),
    ),
    Mistake(
        id="head-sizes-exchanged",
        what="Your lm_head goes from vocab_size to n_embd.",
        why="It turns n_embd numbers into a score for each token.",
        look="`__init__`: Linear(config.n_embd, config.vocab_size, bias=False).",
        shapes=exchanged("lm_head"),
        lines=(r"lm_head =",),
    ),
    Mistake(
        id="head-of-positions",
        what="Your lm_head gives a score for each position instead of each token.",
        why="vocab_size says how many tokens can come next.",
        look="`__init__`: Linear(config.n_embd, config.vocab_size, bias=False).",
        shapes=linear_resized("lm_head", n_positions, n_embd),
        lines=(r"lm_head =",),
    ),
    Mistake(
        id="head-not-created",
        what="Your model has no lm_head.",
        why="GPT-2 ties it to wte, but in MAX it is a parameter of its own, which "
        "gets the same numbers.",
        look="`__init__`: self.lm_head.",
        shapes=without("lm_head"),
    ),
)
