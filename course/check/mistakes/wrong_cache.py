"""The GPT-2 of step 15, with a KV cache, in NumPy; with at most one mistake."""

from __future__ import annotations

import math
from collections.abc import Sequence
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

CacheMistake = Literal[
    "length-not-advanced",
    "length-counts-calls",
    "positions-restart",
    "positions-count-padding",
    "positions-one-further",
    "positions-left-out",
    "single-token-without-position",
    "padding-visible",
    "padding-visible-later",
    "padding-on-the-right",
    "first-token-hidden",
    "cache-not-read",
    "token-hidden-from-itself",
    "next-token-seen",
    "prompt-sees-ahead",
    "mask-of-this-call",
    "only-new-keys",
    "keys-as-values",
    "values-in-the-keys-cache",
    "one-cache-for-all-layers",
    "nothing-stored",
    "cached-scores-not-scaled",
    "blocks-without-effect",
    "last-norm-left-out",
    "first-position-scored",
]
MISTAKES: tuple[CacheMistake, ...] = get_args(CacheMistake)


def last_logits(
    prompts: Sequence[Sequence[int]],
    new: Sequence[Sequence[int]],
    weights: Weights,
    sizes: Sizes,
    mistake: CacheMistake | None = None,
) -> Array:
    """The logits after the prompts and some further tokens, [texts, vocab_size]."""
    lengths = [len(prompt) for prompt in prompts]
    padding = max(lengths) - np.array(lengths)
    rows = [
        [*prompt, *[0] * count]
        if mistake == "padding-on-the-right"
        else [*[0] * count, *prompt]
        for count, prompt in zip(padding, prompts, strict=True)
    ]
    calls = [np.array(rows), *(np.array(ids)[:, None] for ids in new)]
    decoder = WrongDecoder(weights, sizes, padding, mistake)
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
        mask = self.mask(columns)
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
        places = np.maximum(columns - self.padding[:, None], 0)
        if self.mistake == "positions-restart":
            places = np.maximum(places - self.length, 0)
        if self.mistake == "positions-count-padding":
            places = columns + np.zeros_like(places)
        if self.mistake == "positions-one-further":
            places = np.minimum(places + 1, self.sizes["n_positions"] - 1)
        tokens: Array = self.body["wte.weight"][ids]
        left_out = self.mistake == "positions-left-out" or (
            self.mistake == "single-token-without-position" and ids.shape[1] == 1
        )
        return tokens if left_out else tokens + self.body["wpe.weight"][places]

    def mask(self, columns: Array) -> Array:
        """What is added to the scores, [texts, 1, seq_length, context]."""
        context = np.arange(columns[-1] + 1)
        this, start = columns[:, None], columns[0]
        later = context > this
        if self.mistake == "token-hidden-from-itself":
            later = context >= this
        if self.mistake == "next-token-seen":
            later = context > this + 1
        if self.mistake == "prompt-sees-ahead":
            later = np.zeros_like(later)
        if self.mistake == "mask-of-this-call":
            later = context > this - start
        if self.mistake == "cache-not-read":
            later = later | (context < start)
        padding = self.padding[:, None, None]
        hidden = later | (context < padding)
        if self.mistake == "first-token-hidden":
            hidden = later | (context <= padding)
        if self.mistake == "padding-visible" or (
            self.mistake == "padding-visible-later" and start > 0
        ):
            hidden = later | (context < 0 * padding)
        return np.where(hidden, np.finfo(np.float32).min, np.float32(0))[:, None]

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
