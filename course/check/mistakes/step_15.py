"""Mistakes in step 15, the KV cache, and what each would compute."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights, linear, softmax, under
from course.check.mistakes.step_03 import layer_norm
from course.check.mistakes.step_04 import mlp

COMPUTED = (
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
)


def compute(
    prompts: Sequence[Sequence[int]],
    new: Sequence[Sequence[int]],
    weights: Weights,
    sizes: dict[str, Any],
    *,
    mistake: str = "",
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
    decoder = Decoder(weights, sizes, padding, mistake)
    return [decoder.read(ids) for ids in calls][-1]


class Decoder:
    """A decoder over a cached GPT-2, in NumPy, with at most one mistake."""

    def __init__(
        self, weights: Weights, sizes: dict[str, Any], padding: Array, mistake: str
    ) -> None:
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


DECODER = "`Decoder._read`: position_ids."
MASK = "`Decoder._mask`."
ATTENTION = "`CachedAttention.forward`."

MISTAKES = (
    Mistake(
        id="length-not-advanced",
        what="Your decoder does not count the positions that it has filled.",
        why="Where the next token goes is `length`: at 0 again, it overwrites the "
        "first one, and sees nothing but itself.",
        look="The end of `Decoder._read`: self.length = end.",
        lines=(r"self\.length =", r"start"),
        within="_read",
    ),
    Mistake(
        id="prefill-not-anew",
        what="Your prefill goes on where the last texts ended.",
        why="It begins with an empty cache: length 0, and caches for this batch.",
        look="`Decoder.prefill`: self.length and self.caches.",
        lines=(r"length =", r"caches =", r"_read\("),
        within="prefill",
    ),
    Mistake(
        id="positions-restart",
        what="Your new tokens have position 0, whatever came before.",
        why="A token's position is where it stands in its text, not in the call.",
        look=DECODER,
        lines=(r"position_ids =", r"columns"),
        within="_read",
    ),
    Mistake(
        id="positions-count-padding",
        what="Your positions count the padding.",
        why="A shorter text begins further right in the batch, but at position 0.",
        look=DECODER,
        lines=(r"position_ids =", r"columns"),
        within="_read",
    ),
    Mistake(
        id="padding-visible",
        what="Your texts see the padding on their left.",
        why="It is no part of them; the mask has to hide it, in every later step too.",
        look="`Decoder._mask`.",
        lines=(r"padding",),
        within="_mask",
    ),
    Mistake(
        id="cache-not-read",
        what="Your new tokens see only themselves.",
        why="Keys and values of everything before are in the cache: attend over all "
        "that append returns.",
        look="`CachedAttention.forward` and `append`.",
        lines=(r"append\(", r"return cache"),
    ),
    Mistake(
        id="first-position-scored",
        what="Your logits are those of the first position.",
        why="What follows the text is said at its last position.",
        look="`CachedBody.forward`: hidden_states[:, -1, :].",
        lines=(r"ln_f", r"\[:, 0"),
        within="forward",
    ),
    Mistake(
        id="whole-text-again",
        what="Your decoder gives the model the whole text again.",
        why="The numbers are right, but the cache saves nothing: only the new token "
        "has to be read.",
        look="`Decoder.decode`.",
        lines=(r"_read\(", r"prefill\(", r"return"),
        within="decode",
    ),
    Mistake(
        id="length-counts-calls",
        what="Your decoder counts its calls, not the positions that it has filled.",
        why="A prompt fills as many positions as it has tokens.",
        look="The end of `Decoder._read`: self.length = end.",
        lines=(r"self\.length",),
        within="_read",
    ),
    Mistake(
        id="positions-one-further",
        what="Your positions begin at 1.",
        why="The first token of a text stands at position 0.",
        look=DECODER,
        lines=(r"position_ids =",),
        within="_read",
    ),
    Mistake(
        id="positions-outside",
        what="Your positions are not all rows of the table of positions.",
        why="Padding stands before position 0. What the look-up of such a row gives "
        "is not defined: on one device another row, on the next memory that is not "
        "yours.",
        look="`Decoder._read`: np.maximum(..., 0), as nobody looks at the padding.",
        lines=(r"position_ids =",),
        within="_read",
    ),
    Mistake(
        id="positions-left-out",
        what="You do not add the position embeddings.",
        why="Without them the model does not know in which order the tokens came.",
        look="`CachedBody.forward`: self.wpe(positions.position_ids).",
        lines=(
            r"wpe",
            r"wte",
        ),
        within="forward",
    ),
    Mistake(
        id="single-token-without-position",
        what="You add no position embedding where there is a single new token.",
        why="It is the last token of a text, and stands at a position as any other.",
        look="`CachedBody.forward`: self.wpe(positions.position_ids).",
        lines=(
            r"wpe",
            r"wte",
        ),
        within="forward",
    ),
    Mistake(
        id="padding-visible-later",
        what="Your texts see the padding on their left once they go on.",
        why="It stays in the cache: the mask has to hide it in every later step too.",
        look=MASK,
        lines=(r"padding",),
        within="_mask",
    ),
    Mistake(
        id="padding-on-the-right",
        what="You fill the shorter prompts up on the right.",
        why="The logits are those of the last column, which is then padding, and the "
        "mask hides the left.",
        look="`Decoder.prefill`: the zeros come before the prompt.",
        lines=(
            r"\* padding",
            r"rows =",
        ),
        within="prefill",
    ),
    Mistake(
        id="first-token-hidden",
        what="You hide the first token of each text.",
        why="The padding is what stands before its column, and not that itself.",
        look=MASK,
        lines=(r"padding =",),
        within="_mask",
    ),
    Mistake(
        id="token-hidden-from-itself",
        what="You hide each token from itself.",
        why="Later is what comes after it: > and not >=.",
        look=MASK,
        lines=(r"later =",),
        within="_mask",
    ),
    Mistake(
        id="next-token-seen",
        what="Your tokens see one token too many, the next one.",
        why="It is what they are to predict.",
        look=MASK,
        lines=(r"later =",),
        within="_mask",
    ),
    Mistake(
        id="prompt-sees-ahead",
        what="Your tokens see those that come after them while a prompt is read.",
        why="Each was trained to see only what is before it. Later there is nothing "
        "after the one new token, so this shows in prompts only.",
        look=MASK + " It is added to the scores before softmax.",
        lines=(
            r"later =",
            r"softmax",
        ),
        within="",
    ),
    Mistake(
        id="mask-of-this-call",
        what="Your mask counts the new tokens from 0, whatever came before.",
        why="context counts from the beginning of the cache, and so do columns.",
        look=MASK,
        lines=(r"later =",),
        within="_mask",
    ),
    Mistake(
        id="only-new-keys",
        what="You compare the queries with the new keys only.",
        why="The keys of everything before are in the cache: keys, and not key.",
        look=ATTENTION,
        lines=(r"scores =",),
        within="forward",
    ),
    Mistake(
        id="keys-as-values",
        what="You store keys where values belong.",
        why="A value says what a token has to tell, its key only who is to listen.",
        look=ATTENTION,
        lines=(r"values =|keys, values =",),
        within="forward",
    ),
    Mistake(
        id="values-in-the-keys-cache",
        what="You append the values to the cache of the keys.",
        why="They overwrite the keys, which are missing from the next token on.",
        look=ATTENTION,
        lines=(r"values =|keys, values =",),
        within="forward",
    ),
    Mistake(
        id="one-cache-for-all-layers",
        what="Your layers all write into the same cache.",
        why="Each has keys and values of its own; one overwrites what the other has "
        "stored.",
        look="`CachedBody.forward` and `Decoder._empty_caches`.",
        lines=(
            r"caches\[",
            r"\] \*",
            r"for block",
            r"LayerCache\(",
        ),
        within="",
    ),
    Mistake(
        id="caches-overlap",
        what="Your caches lie in the same memory.",
        why="What one of them stores overwrites what is in the other. from_dlpack "
        "copies nothing: two tensors of one array are one.",
        look="`Decoder._empty_caches`: an array of its own for each.",
        lines=(
            r"LayerCache\(",
            r"zeros",
        ),
        within="_empty_caches",
    ),
    Mistake(
        id="nothing-stored",
        what="Your cache stays empty: nothing is stored.",
        why="What is read from it are the zeros with which it was made.",
        look="`append`: store_slice.",
        lines=(
            r"store_slice",
            r"return",
        ),
        within="append",
    ),
    Mistake(
        id="cached-scores-not-scaled",
        what="You do not divide the scores by the root of head_dim.",
        why="The larger a head, the larger its scores: softmax would choose a single "
        "token.",
        look=ATTENTION,
        lines=(r"scores =",),
        within="forward",
    ),
    Mistake(
        id="blocks-without-effect",
        what="You do not use what the blocks compute.",
        why="Each block is given what the one before has made.",
        look="`CachedBody.forward`: hidden_states = block(...).",
        lines=(r"block\(",),
        within="",
    ),
    Mistake(
        id="last-norm-left-out",
        what="You give the head hidden states that are not normalized.",
        why="ln_f comes before the head.",
        look="`CachedBody.forward`: self.ln_f.",
        lines=(r"return.*hidden_states\[:", r"ln_f"),
        within="forward",
    ),
    Mistake(
        id="not-refused",
        what="Your Decoder takes what does not fit.",
        why="Beyond the cache, or beyond n_positions, there is nothing to read or "
        "write; without an error the text silently becomes nonsense.",
        look="`Decoder.__init__`, `prefill` and `_read`: raise ValueError.",
        lines=(r"capacity",),
        within="__init__",
    ),
)
