"""The GPT-2 of step 15, with a KV cache, in NumPy; with at most one mistake."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, get_args

import numpy as np

from course.check.mistakes.wrong_gpt2 import (
    Array,
    Sizes,
    Weights,
    layer_norm,
    linear,
    mlp,
    softmax,
    under,
)

PositionMistake = Literal[
    "positions-restart",
    "positions-count-padding",
    "positions-one-further",
]
MaskMistake = Literal[
    "cache-not-read",
    "padding-visible-later",
    "padding-visible",
    "first-token-hidden",
    "token-hidden-from-itself",
    "next-token-seen",
    "prompt-sees-ahead",
    "mask-of-this-call",
]
ModelMistake = Literal[
    "length-not-advanced",
    "length-counts-calls",
    "positions-left-out",
    "single-token-without-position",
    "only-new-keys",
    "keys-as-values",
    "values-in-the-keys-cache",
    "one-cache-for-all-layers",
    "nothing-stored",
    "cached-scores-not-scaled",
    "blocks-without-effect",
    "last-norm-left-out",
    "first-position-scored",
    "padding-on-the-right",
]
CacheMistake = Literal[ModelMistake, PositionMistake, MaskMistake]
MISTAKES: tuple[CacheMistake, ...] = get_args(CacheMistake)

Wrong = Mapping[str, Callable[[], Array]]
"""What each mistake would give, by its id."""


def grown(kept: Array, new: Sequence[Array]) -> dict[str, Array]:
    """What a cache that grows would return after some additions, by mistake."""
    return {
        "new-before-old": np.concatenate([*reversed(new), kept], axis=2),
        "growth-not-kept": np.concatenate([kept, new[-1]], axis=2),
        "only-new-returned": new[-1],
    }


def written(buffer: Array, new: Array, start: int) -> dict[str, tuple[Array, Array]]:
    """What would be returned, and what the buffer would hold, by mistake."""
    end = start + new.shape[2]
    right, at_the_beginning = buffer.copy(), buffer.copy()
    right[:, :, start:end] = new
    at_the_beginning[:, :, : end - start] = new
    return {
        "nothing-stored": (buffer[:, :, :end], buffer),
        "not-in-place": (right[:, :, :end], buffer),
        "stored-at-the-beginning": (at_the_beginning[:, :, :end], at_the_beginning),
        "only-new-returned": (new, right),
        "whole-buffer-returned": (right, right),
    }


def left_padded(
    prompts: Sequence[Sequence[int]], mistake: CacheMistake | None = None
) -> tuple[Array, Array]:
    """The prompts filled up with 0, [texts, longest], and by how much, [texts]."""
    lengths = np.array([len(prompt) for prompt in prompts])
    padding = lengths.max() - lengths
    rows = [
        [*prompt, *[0] * count]
        if mistake == "padding-on-the-right"
        else [*[0] * count, *prompt]
        for count, prompt in zip(padding, prompts, strict=True)
    ]
    return np.array(rows), padding


def positions(
    columns: Array, padding: Array, mistake: CacheMistake | None = None
) -> Array:
    """Where new tokens stand in their texts, [texts, seq_length]."""
    places: Array = np.maximum(columns - padding[:, None], 0)
    if mistake == "positions-restart":
        places = np.maximum(places - columns[0], 0)
    if mistake == "positions-count-padding":
        places = columns + np.zeros_like(places)
    if mistake == "positions-one-further":
        places = places + 1
    return places


def attention_mask(
    columns: Array, padding: Array, mistake: CacheMistake | None = None
) -> Array:
    """What is added to the scores, [texts, 1, seq_length, context]."""
    context = np.arange(columns[-1] + 1)
    this, start = columns[:, None], columns[0]
    later = context > this
    if mistake == "token-hidden-from-itself":
        later = context >= this
    if mistake == "next-token-seen":
        later = context > this + 1
    if mistake == "prompt-sees-ahead":
        later = np.zeros_like(later)
    if mistake == "mask-of-this-call":
        later = context > this - start
    if mistake == "cache-not-read":
        later = later | (context < start)
    before = padding[:, None, None]
    hidden = later | (context < before)
    if mistake == "first-token-hidden":
        hidden = later | (context <= before)
    if mistake == "padding-visible" or (
        mistake == "padding-visible-later" and start > 0
    ):
        hidden = later | (context < 0 * before)
    return np.where(hidden, np.finfo(np.float32).min, np.float32(0))[:, None]


def wrong_positions(columns: Array, padding: Array) -> Wrong:
    """The positions of new tokens, by mistake."""
    names = get_args(PositionMistake)
    return {name: partial(positions, columns, padding, name) for name in names}


def wrong_masks(columns: Array, padding: Array) -> Wrong:
    """The masks of new tokens, by mistake."""
    names = get_args(MaskMistake)
    new, end = len(columns), columns[-1] + 1
    return {
        **{name: partial(attention_mask, columns, padding, name) for name in names},
        "mask-without-past": partial(attention_mask, np.arange(new), padding),
        "mask-with-rows-for-the-past": partial(attention_mask, np.arange(end), padding),
    }


def last_logits(
    prompts: Sequence[Sequence[int]],
    new: Sequence[Sequence[int]],
    weights: Weights,
    sizes: Sizes,
    mistake: CacheMistake | None = None,
) -> Array:
    """The logits after the prompts and some further tokens, [texts, vocab_size]."""
    rows, padding = left_padded(prompts, mistake)
    decoder = WrongDecoder(weights, sizes, padding, mistake)
    calls = [rows, *(np.array(ids)[:, None] for ids in new)]
    return [decoder.read(ids) for ids in calls][-1]


class WrongDecoder:
    """A decoder over a cached GPT-2; right, if there is no mistake.

    Raises:
        ValueError: The mistake is none of those above.
    """

    def __init__(
        self,
        weights: Weights,
        sizes: Sizes,
        padding: Array,
        mistake: CacheMistake | None,
    ) -> None:
        if mistake is not None and mistake not in MISTAKES:
            raise ValueError(f"unknown mistake: {mistake}")
        self.body = under(weights, "transformer")
        self.head = under(weights, "lm_head")
        self.sizes = sizes
        self.padding = padding
        self.mistake = mistake
        self.length = 0
        heads, width = sizes["n_head"], sizes["n_embd"]
        shape = (len(padding), heads, sizes["n_positions"], width // heads)
        # Keys and values of each layer.
        self.caches = [np.zeros((2, *shape), np.float32)] * sizes["n_layer"]
        if mistake != "one-cache-for-all-layers":
            self.caches = [cache.copy() for cache in self.caches]

    def read(self, ids: Array) -> Array:
        """The logits after some new tokens, [texts, vocab_size]."""
        columns = np.arange(self.length, self.length + ids.shape[1])
        x = self.embed(ids, columns)
        mask = attention_mask(columns, self.padding, self.mistake)
        for number, cache in enumerate(self.caches):
            y = self.block(x, under(self.body, f"h.{number}"), cache, columns, mask)
            x = x if self.mistake == "blocks-without-effect" else y
        self.advance(ids.shape[1])
        x = x[:, 0 if self.mistake == "first-position-scored" else -1]
        if self.mistake != "last-norm-left-out":
            x = self.norm(x, self.body, "ln_f")
        return linear(x, self.head)

    def advance(self, count: int) -> None:
        """Count the positions that are filled."""
        if self.mistake == "length-counts-calls":
            self.length += 1
        elif self.mistake != "length-not-advanced":
            self.length += count

    def embed(self, ids: Array, columns: Array) -> Array:
        """Token embeddings and position embeddings."""
        tokens: Array = self.body["wte.weight"][ids]
        left_out = self.mistake == "positions-left-out" or (
            self.mistake == "single-token-without-position" and ids.shape[1] == 1
        )
        if left_out:
            return tokens
        places = positions(columns, self.padding, self.mistake)
        last = self.sizes["n_positions"] - 1
        return tokens + self.body["wpe.weight"][np.minimum(places, last)]

    def block(
        self, x: Array, weights: Weights, cache: Array, columns: Array, mask: Array
    ) -> Array:
        """A transformer block, which adds keys and values to its cache."""
        attended = self.attend(
            self.norm(x, weights, "ln_1"), under(weights, "attn"), cache, columns, mask
        )
        x = x + attended
        return x + mlp(self.norm(x, weights, "ln_2"), under(weights, "mlp"))

    def attend(
        self, x: Array, weights: Weights, cache: Array, columns: Array, mask: Array
    ) -> Array:
        """Attention over the cache."""
        query, key, value = (
            part.reshape(*x.shape[:2], self.sizes["n_head"], -1).swapaxes(1, 2)
            for part in np.split(linear(x, under(weights, "c_attn")), 3, axis=-1)
        )
        context = columns[-1] + 1
        if self.mistake == "keys-as-values":
            value = key
        if self.mistake != "nothing-stored":
            cache[0][:, :, columns] = key
            cache[1][:, :, columns] = value
        keys, values = cache[:, :, :, :context].copy()
        if self.mistake == "values-in-the-keys-cache":
            cache[0][:, :, columns] = value
            values = cache[0][:, :, :context]
        if self.mistake == "only-new-keys":
            keys = key
        scores = query @ keys.swapaxes(-1, -2)
        if self.mistake != "cached-scores-not-scaled":
            scores = scores / math.sqrt(query.shape[-1])
        with np.errstate(over="ignore"):
            mixed = softmax(scores + mask) @ values
        return linear(mixed.swapaxes(1, 2).reshape(x.shape), under(weights, "c_proj"))

    def norm(self, x: Array, weights: Weights, name: str) -> Array:
        """A layer normalization."""
        return layer_norm(x, under(weights, name), self.sizes["layer_norm_epsilon"])
