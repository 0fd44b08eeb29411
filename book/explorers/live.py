"""The live model, and the likeliest tokens that it starts with."""

from __future__ import annotations

from html import escape

import numpy as np

from book.explorers.demo import Data, Demo, softmax
from book.explorers.words import per_mille, percent, shown

TEXT = "The brave goat was called Clara. More than anything, Clara loved her old"
BARS = 8
CAPTION = (
    "A GPT-2 that runs in this page: 1.2 million numbers and a few hundred lines of "
    "JavaScript. What you type stays in your browser."
)


def compute(demo: Demo) -> Data:
    """The text that the live model starts with, and the likeliest next tokens."""
    shares = softmax(demo.logits(demo.encode(TEXT)))
    best = np.argsort(-shares, kind="stable")[:BARS].tolist()
    return {
        "text": TEXT,
        "end": demo.model.config.eos_token_id,
        "bars": [
            {"id": i, "token": demo.piece(i), "share": per_mille(shares[i])}
            for i in best
        ],
    }


def draw(data: Data) -> str:
    """The likeliest next tokens as bars; live.js draws the same."""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(shown(each["token"]))}</th><td class="bars">'
        f'<i class="after" style="width:{each["share"] / 10:.1f}%"></i></td>'
        f"<td>{escape(percent(each['share']))}</td></tr>"
        for each in data["bars"]
    )
    return (
        '<table class="sampling-bars">\n<caption>The likeliest next tokens after “'
        f"{escape(data['text'])}”</caption>\n"
        '<thead><tr><th scope="col">token</th><td></td><th scope="col">share</th></tr>'
        f"</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )
