"""One head's way from a query to what it hears, in the demo model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

import torch
from transformers import GPT2LMHeadModel

from book.explorers.attention import clearest
from book.explorers.demo import Data, Demo
from book.explorers.words import chip, per_mille, percent

TEXT = "One day, Oscar the turtle woke up early in his cottage"
WORDS = (" his", " Oscar")
CAPTION = (
    "One head of the demo model at work. Each head makes such a mix for every token; "
    "then the mixes are put side by side."
)


def compute(demo: Demo) -> Data:
    """One query's way, in the head where a pronoun finds its name."""
    ids = demo.encode(TEXT)
    tokens = [demo.piece(i) for i in ids]
    weights = demo.attention(ids)
    best = clearest(weights, tokens, *WORDS)
    blocks, heads = weights.shape[:2]
    block, head, at = best["layer"], best["head"], best["from"]
    return {
        "blocks": blocks,
        "heads": heads,
        "text": TEXT,
        "block": block,
        "head": head,
        "at": at,
        "tokens": tokens,
        **chain(demo.model, ids, block, head, at),
    }


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


def draw(data: Data) -> str:
    """The numbers of one query, from product to weight."""
    words = [chip(token, i == 0) for i, token in enumerate(data["tokens"])]

    def written(number: float) -> str:
        return f"{number:.2f}".replace("-", "−")

    rows = "\n".join(
        f'<tr><th scope="row">{escape(word)}</th>'
        f"<td>{written(data['products'][i])}</td><td>{written(data['scores'][i])}</td>"
        f"<td>{'−∞' if i > data['at'] else '0'}</td>"
        f"<td>{escape(percent(per_mille(data['weights'][i])))}</td></tr>"
        for i, word in enumerate(words)
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("product", "score", "mask", "weight")
    )
    return (
        f"<table>\n<caption>Block {data['block']}, head {data['head']}: the query of "
        f"“{escape(words[data['at']])}” and the key of every token</caption>\n"
        f"<thead><tr><td></td>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )
