"""A text that is written with a KV cache: what a pass computes, and what is kept."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from book.explorers.demo import Array, Data, Demo
from book.explorers.running import engine
from book.explorers.words import chip

PROMPT = "Once upon a time"
NEW_TOKENS = 6
BLOCK, HEAD = 2, 2  # cache.js asks the live model for the same
CAPTION = (
    "Keys and values of one head of the demo model, as step 15’s solution keeps them. "
    "A cell of a key or a value is a number: blue above zero, orange below."
)


def compute(demo: Demo) -> Data:
    """Have step 15's decoder write, and look at what one head's cache holds then."""
    running = engine(PROMPT)
    decoder = running.decoder(NEW_TOKENS, running.code.cache.Decoder)
    tokens, read = list(running.prompt), []
    [logits] = decoder.prefill([tokens])
    for _ in range(NEW_TOKENS):
        read.append(decoder.length - sum(read))
        tokens.append(int(logits.argmax()))
        if len(read) < NEW_TOKENS:
            [logits] = decoder.decode(tokens[-1:])
    cache = decoder.caches[BLOCK]
    return {
        "text": PROMPT,
        "tokens": [demo.piece(i) for i in tokens],
        "read": read,
        "keys": kept(cache.keys, decoder.length),
        "values": kept(cache.values, decoder.length),
    }


def kept(buffer: Any, length: int) -> list[list[float]]:
    """The rows of one head that are filled."""
    rows: Array = buffer.to_numpy()[0, HEAD, :length]
    return np.round(rows.astype(np.float64), 4).tolist()


def draw(data: Data) -> str:
    """The last pass, and the rows of all passes."""
    words = [chip(token, i == 0) for i, token in enumerate(data["tokens"])]
    now = data["read"][-1]
    length = sum(data["read"])
    rows = "\n".join(
        f'<tr><th scope="row">{escape(word)}</th><td class="anew">computed</td>'
        + (
            '<td class="anew">computed</td></tr>'
            if place >= length - now
            else '<td class="kept">kept</td></tr>'
        )
        for place, word in enumerate(words[:length])
    )
    again = sum(sum(data["read"][: i + 1]) for i in range(len(data["read"])))
    return (
        f'<table class="cache">\n<caption>Pass {len(data["read"])}: the model reads '
        f"“{escape(words[length - 1])}” and chooses “{escape(words[length])}”</caption>"
        '\n<thead><tr><td></td><th scope="col">no cache</th>'
        '<th scope="col">KV cache</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n"
        f'<tfoot><tr><th scope="row">this pass</th><td>{length} rows</td>'
        f"<td>{now} row{'s' if now > 1 else ''}</td></tr>\n"
        f'<tr><th scope="row">all passes</th><td>{again} rows</td>'
        f"<td>{length} rows</td></tr></tfoot>\n</table>"
    )
