"""One head's way from a query to what it hears, in the demo model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from transformers import GPT2LMHeadModel


@torch.inference_mode()
def chain(
    model: GPT2LMHeadModel, ids: Sequence[int], block: int, head: int, at: int
) -> dict[str, list[Any]]:
    """Query, keys, values and all between, as `Demo.chain` of worker.js answers."""
    made: list[torch.Tensor] = []
    c_attn = model.transformer.h[block].attn.c_attn
    hook = c_attn.register_forward_hook(lambda _, __, output: made.append(output[0]))
    model(torch.tensor([ids]))
    hook.remove()
    n_head = model.config.n_head
    queries, keys, values = (
        part.unflatten(-1, (n_head, -1))[:, head] for part in made[0].chunk(3, dim=-1)
    )
    products = keys @ queries[at]
    scores = products / math.sqrt(keys.shape[-1])
    later = torch.arange(len(ids)) > at
    weights = scores.masked_fill(later, -math.inf).softmax(-1)
    return {
        "query": rounded(queries[at]),
        "keys": [rounded(key) for key in keys],
        "values": [rounded(value) for value in values],
        "products": rounded(products),
        "scores": rounded(scores),
        "weights": rounded(weights),
        "mix": rounded(weights @ values),
    }


def rounded(numbers: torch.Tensor) -> list[float]:
    """The numbers, with as many digits as anybody sees."""
    return [round(number, 4) for number in numbers.tolist()]
