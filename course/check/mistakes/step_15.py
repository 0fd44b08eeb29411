"""Mistakes in step 15, the KV cache, and what each would compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights
from course.check.mistakes.step_11 import language_model

COMPUTED = (
    "length-not-advanced",
    "positions-restart",
    "positions-count-padding",
    "padding-visible",
    "cache-not-read",
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
    longest = max(len(prompt) for prompt in prompts)
    rows = [
        one_text(prompt, [ids[i] for ids in new], longest, weights, sizes, mistake)
        for i, prompt in enumerate(prompts)
    ]
    return np.array(rows)


def one_text(
    prompt: Sequence[int],
    new: Sequence[int],
    longest: int,
    weights: Weights,
    sizes: dict[str, Any],
    mistake: str,
) -> Array:
    """The logits after one text, [vocab_size]."""
    text = [*prompt, *new]
    positions = np.arange(len(text))
    padding = longest - len(prompt)
    scored = -1
    if mistake == "length-not-advanced" and new:
        text, positions = text[-1:], positions[:1]
    if mistake == "positions-restart" and new:
        positions[len(prompt) :] = 0
    if mistake == "positions-count-padding":
        positions += padding
    if mistake == "padding-visible":
        text = [0] * padding + text
        positions = np.maximum(np.arange(len(text)) - padding, 0)
    if mistake == "cache-not-read" and new:
        text, positions = text[-1:], positions[-1:]
    if mistake == "first-position-scored":
        scored = 0 if not new else -1
    positions = np.minimum(positions, sizes["n_positions"] - 1)
    placed = {**weights, "transformer.wpe.weight": wpe(weights)[positions]}
    logits = language_model(np.array([text]), placed, sizes)
    row: Array = logits[0, scored]
    return row


def wpe(weights: Weights) -> Array:
    """The table of positions."""
    return weights["transformer.wpe.weight"]


DECODER = "`Decoder._read`: position_ids."

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
        look="`CachedGPT2.forward`: hidden_states[:, -1, :].",
        lines=(r"lm_head", r"\[:, 0"),
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
        id="not-refused",
        what="Your Decoder takes what does not fit.",
        why="Beyond the cache, or beyond n_positions, there is nothing to read or "
        "write; without an error the text silently becomes nonsense.",
        look="`Decoder.__init__`, `prefill` and `_read`: raise ValueError.",
        lines=(r"capacity",),
        within="__init__",
    ),
)
