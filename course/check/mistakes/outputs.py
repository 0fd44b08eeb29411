"""What NumPy's GPT-2 gives in a case of a step: as a whole, and in parts."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.wrong_generation import encode, generate, probabilities
from course.check.mistakes.wrong_gpt2 import (
    Array,
    attention,
    block,
    causal_mask,
    embed,
    language_model,
    layer_norm,
    linear,
    merge_heads,
    mlp,
    model,
    position_embeddings,
    residual_step,
    split_heads,
    token_embeddings,
    under,
)


class OtherQuestion(Exception):
    """A mistake is about something else than what a case asks."""


@dataclass(frozen=True)
class Part:
    """A part of a module, what goes into it in Hugging Face's, and what comes out.

    Attributes:
        name: Its path in the module: "h.0", or the name of a method.
        inputs: What it gets; one array stands for a single input.
        output: What it should make of it.
    """

    name: str
    inputs: Array | tuple[Array, ...]
    output: Array

    @property
    def arguments(self) -> tuple[Array, ...]:
        """The inputs as a tuple."""
        return self.inputs if isinstance(self.inputs, tuple) else (self.inputs,)


def compute(number: int, case: Any, expected: Expected, **options: Any) -> Array:
    """What a step's module, or function, gives with some options.

    Raises:
        OtherQuestion: The options are about something else.
    """
    if number == 12:
        return _generated(case, expected, options)
    if number == 2:
        return causal_mask(case.sequence_length, case.num_tokens, **options)
    sizes, weights, [x] = case.sizes, expected.weights, expected.inputs
    match number:
        case 3:
            return layer_norm(x, weights, sizes["layer_norm_epsilon"], **options)
        case 4:
            return mlp(x, weights, **options)
        case 5:
            return token_embeddings(weights["wte.weight"], x, **options)
        case 6:
            return position_embeddings(weights["wpe.weight"], x, **options)
        case 7:
            return attention(x, weights, sizes["n_head"], **options)
        case 8:
            return residual_step(
                x,
                lambda x: _norm(x, expected, case, "ln_2"),
                lambda x: mlp(x, under(weights, "mlp")),
                **options,
            )
        case 9:
            return block(x, weights, sizes, **options)
        case 10:
            return model(x, weights, sizes, **options)
        case 11:
            return language_model(x, weights, sizes, **options)
    raise ValueError(f"step {number} is not computed")


def _generated(case: Any, expected: Expected, options: dict[str, Any]) -> Array:
    """Token IDs of a text, new tokens, or probabilities, whichever is asked for."""
    about: Callable[..., Array] = generate
    given: tuple[Any, ...] = (expected,)
    if isinstance(case, str):
        about, given = encode, (case, expected)
    elif isinstance(case, float):
        about, given = probabilities, (case, expected)
    if not set(options) <= set(inspect.signature(about).parameters):
        raise OtherQuestion(f"{about.__name__} has no {', '.join(options)}")
    return about(*given, **options)


def parts(number: int, case: Case, expected: Expected) -> list[Part]:
    """The parts of a step's module; none, if it has none to be called by themselves."""
    of_step = {7: _of_attention, 9: _of_block, 10: _of_model, 11: _of_language_model}
    return of_step[number](case, expected) if number in of_step else []


def _of_attention(case: Case, expected: Expected) -> list[Part]:
    """The methods of the skeleton."""
    x, weights, n_head = expected.inputs[0], expected.weights, case.sizes["n_head"]
    projected = linear(x, under(weights, "c_attn"))
    query, key, value = (
        split_heads(part, n_head) for part in np.split(projected, 3, axis=-1)
    )
    merged = attention(x, weights, n_head, projections=0)
    heads = split_heads(merged, n_head)
    return [
        Part("split_heads", projected[..., : x.shape[-1]], query),
        Part("attention", (query, key, value), heads),
        Part("merge_heads", heads, merge_heads(heads)),
    ]


def _of_block(case: Case, expected: Expected) -> list[Part]:
    x, weights = expected.inputs[0], expected.weights
    first = _norm(x, expected, case, "ln_1")
    between = block(x, weights, case.sizes, halves="attention only")
    second = _norm(between, expected, case, "ln_2")
    return [
        Part("ln_1", x, first),
        Part("attn", first, between - x),
        Part("ln_2", between, second),
        Part("mlp", second, mlp(second, under(weights, "mlp"))),
    ]


def _of_model(case: Case, expected: Expected) -> list[Part]:
    ids, weights, sizes = expected.inputs[0], expected.weights, case.sizes
    positions = np.arange(ids.shape[1])
    found = [
        Part("wte", ids, weights["wte.weight"][ids]),
        Part("wpe", positions, weights["wpe.weight"][positions]),
    ]
    x = embed(ids, weights)
    for index in range(sizes["n_layer"]):
        y = block(x, under(weights, f"h.{index}"), sizes)
        found.append(Part(f"h.{index}", x, y))
        x = y
    return [*found, Part("ln_f", x, _norm(x, expected, case, "ln_f"))]


def _of_language_model(case: Case, expected: Expected) -> list[Part]:
    ids, weights = expected.inputs[0], expected.weights
    hidden_states = model(ids, under(weights, "transformer"), case.sizes)
    return [
        Part("transformer", ids, hidden_states),
        Part("lm_head", hidden_states, expected.output),
    ]


def _norm(x: Array, expected: Expected, case: Case, name: str) -> Array:
    """A layer norm of the module, without mistakes."""
    eps = case.sizes["layer_norm_epsilon"]
    return layer_norm(x, under(expected.weights, name), eps)
