"""Attention in the first block of the tiny model, number by number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from max.experimental import functional as F

from book.numbers.example import SIZES, Array, embedded, softmax


@dataclass(frozen=True)
class Attention:
    """All that lies between the queries and the mix, each with the heads first."""

    query: Array
    key: Array
    value: Array
    products: Array
    scores: Array
    weights: Array
    mixed: Array


def first_attention(model: Any) -> Attention:
    """Follow the prompt through the first block's attention, up to `merge_heads`."""
    block = model.transformer.h[0]
    attn = block.attn
    read = block.ln_1(embedded(model.transformer))
    query, key, value = (
        attn.split_heads(part)
        for part in F.split(attn.c_attn(read), [SIZES["n_embd"]] * 3, axis=-1)
    )
    q, k, v = (x.to_numpy()[0].astype(np.float64) for x in (query, key, value))
    products = q @ k.transpose(0, 2, 1)
    scores = products / math.sqrt(q.shape[-1])
    weights = softmax(scores + np.triu(np.full(scores.shape[1:], -np.inf), 1))
    mixed = attn.attention(query, key, value).to_numpy()[0]
    assert np.allclose(mixed, weights @ v, atol=1e-5)
    return Attention(q, k, v, products, scores, weights, mixed)
