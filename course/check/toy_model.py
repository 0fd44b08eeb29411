"""A language model in NumPy, for checks of what is done with a model's logits.

MAX would take a second to build GPT-2 for them, and they are not about GPT-2.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

WIDTH = 16


def random_weights(vocab_size: int) -> dict[str, Array]:
    """Weights for `logits_of`."""
    random = np.random.default_rng(0)
    shapes = {
        "embedding": (vocab_size, WIDTH),
        "recurrent": (WIDTH, WIDTH),
        "head": (WIDTH, vocab_size),
    }
    return {
        name: random.normal(0, 0.4, shape).astype(np.float32)
        for name, shape in shapes.items()
    }


def logits_of(ids: Array, weights: dict[str, Array]) -> Array:
    """Logits of a recurrent network: all tokens so far count, and their order.

    Args:
        ids: Token IDs, shape [batch, seq_length].
        weights: From `random_weights`.

    Returns:
        float32, shape [batch, seq_length, vocab_size].
    """
    state = np.zeros((len(ids), WIDTH), dtype=np.float32)
    states = []
    for tokens in ids.T:
        state = np.tanh(state @ weights["recurrent"] + weights["embedding"][tokens])
        states.append(state)
    logits: Array = np.stack(states, axis=1) @ weights["head"]
    return logits
