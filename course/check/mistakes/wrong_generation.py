"""The text generation of step 12 in NumPy, and with the wrong turns one can take.

As in `wrong_gpt2`: right without options, and an unknown option raises an error.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from course.check.answers import Expected
from course.check.mistakes.wrong_gpt2 import Array, softmax
from course.check.toy_model import logits_of


def encode(
    text: str,
    expected: Expected,
    *,
    pieces: Literal[
        "tokens", "characters", "bytes", "all but the first", "all but the last"
    ] = "tokens",
    axes: Literal["[1, seq_length]", "[seq_length]", "[seq_length, 1]"] = (
        "[1, seq_length]"
    ),
) -> Array:
    """The token IDs of a text."""
    tokens = expected.output
    ids = {
        "tokens": tokens,
        "characters": np.array([[ord(character) for character in text]]),
        "bytes": np.array([list(text.encode())]),
        "all but the first": tokens[:, 1:],
        "all but the last": tokens[:, :-1],
    }[pieces]
    return {
        "[1, seq_length]": ids,
        "[seq_length]": ids[0],
        "[seq_length, 1]": ids.T,
    }[axes]


def generate(
    expected: Expected,
    *,
    position: int | Literal["first sequence", "last sequence"] = -1,
    choose: Literal[
        "the largest",
        "the smallest",
        "the second",
        "the largest over positions",
        "at every position",
    ] = "the largest",
    fed_back: Literal[
        "behind",
        "never",
        "in front",
        "alone",
        "in place of the last",
        "in place of the first",
        "behind the prompt",
        "added",
    ] = "behind",
    extra: int = 0,
    sequences: Literal["all", "the first"] = "all",
    output: Literal[
        "new tokens",
        "without the first",
        "prompt and new tokens",
        "the text so far",
        "the text before",
    ] = "new tokens",
    layout: Literal["[batch, 1]", "[batch]", "[batch, 1, 1]", "[1, batch]"] = (
        "[batch, 1]"
    ),
) -> Array:
    """As many new tokens as expected, each the most likely one."""
    [ids] = expected.inputs
    ids = start = {"all": ids, "the first": ids[:1]}[sequences]
    new = [ids[:, :0]]
    texts = [ids]
    for _ in range(expected.output.shape[1] + extra):
        logits = logits_of(ids, expected.weights)
        if isinstance(position, str):
            sequence = {"first sequence": logits[0], "last sequence": logits[-1]}
            return sequence[position].argmax(axis=-1)[:, None]
        if choose == "at every position":
            return logits.argmax(axis=-1)[:, :, None]
        here = logits[:, position]
        token = {
            "the largest": here.argmax(axis=-1)[:, None],
            "the smallest": here.argmin(axis=-1)[:, None],
            "the second": np.argsort(here, axis=-1)[:, -2:-1],
            "the largest over positions": logits.argmax(axis=1)[:, -1:],
        }[choose]
        new.append(token)
        ids = {
            "behind": _joined(ids, token),
            "never": ids,
            "in front": _joined(token, ids),
            "alone": token,
            "in place of the last": _joined(ids[:, :-1], token),
            "in place of the first": _joined(ids[:, 1:], token),
            "behind the prompt": _joined(start, token),
            "added": ids + token,
        }[fed_back]
        texts.append(ids)
    tokens = _joined(*new)
    if output != "new tokens":
        return {
            "without the first": lambda: tokens[:, 1:],
            "prompt and new tokens": lambda: _joined(start, tokens),
            "the text so far": lambda: _joined(*texts[1:]),
            "the text before": lambda: _joined(*texts[:-1]),
        }[output]()
    return {
        "[batch, 1]": lambda: tokens,
        "[batch]": lambda: tokens[:, 0],
        "[batch, 1, 1]": lambda: tokens[:, :, None],
        "[1, batch]": lambda: tokens.T,
    }[layout]()


def _joined(*columns: Array) -> Array:
    return np.concatenate(columns, axis=1)


def probabilities(
    temperature: float,
    expected: Expected,
    *,
    position: int = -1,
    heat: Literal["divides", "multiplies", "ignored", "squared", "root"] = "divides",
    drawn: Literal[
        "from the softmax",
        "evenly",
        "never",
        "from a softmax twice",
        "from logits without exp",
        "from the negative logits",
    ] = "from the softmax",
) -> Array:
    """The probability of each token to be drawn."""
    logits = expected.inputs[0][:, position]
    scaled = {
        "divides": logits / temperature,
        "multiplies": logits * temperature,
        "ignored": logits,
        "squared": logits / temperature**2,
        "root": logits / temperature**0.5,
    }[heat]
    shares = softmax(scaled)
    vocab_size = shares.shape[-1]
    return {
        "from the softmax": shares,
        "evenly": np.full_like(shares, 1 / vocab_size),
        "never": np.eye(vocab_size)[shares.argmax(axis=-1)],
        "from a softmax twice": softmax(shares),
        "from logits without exp": np.abs(scaled)
        / np.abs(scaled).sum(axis=-1, keepdims=True),
        "from the negative logits": softmax(-scaled),
    }[drawn]
