"""The operations of GPT-2 that the tables of mistakes share, in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Weights = dict[str, Array]


def under(weights: Weights, prefix: str) -> Weights:
    """The weights of one part of a module, named as the part names them."""
    start = f"{prefix}."
    return {k.removeprefix(start): w for k, w in weights.items() if k.startswith(start)}


def linear(x: Array, weights: Weights) -> Array:
    """A linear layer; its weight is [out, in], as in MAX."""
    y: Array = x @ weights["weight"].T
    return y + weights["bias"] if "bias" in weights else y


def softmax(x: Array, axis: int = -1) -> Array:
    """Softmax over an axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    total: Array = powers.sum(axis=axis, keepdims=True)
    return powers / total
