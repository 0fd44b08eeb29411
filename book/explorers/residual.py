"""What the model would say after each block."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from book.explorers.attention import SENTENCES
from book.explorers.demo import Data, Demo
from book.explorers.words import chip, per_mille, percent, shown

# The residual explorer starts where a name appears out of nowhere.
ORDERED = SENTENCES[1:] + SENTENCES[:1]
PREDICTIONS = 5  # of the residual explorer, for each layer and position
CAPTION = (
    "The final norm and the head, applied to the residual stream as it is after each "
    "block of the demo model. A token written <span>“-ip”</span> goes on with the word "
    "before it."
)


def compute(demo: Demo) -> Data:
    """What the head says of the stream after k blocks, for k from 0 to n_layer.

    `top` holds the likeliest tokens and their thousandths in turn, `next` the
    thousandths and the rank of the token that does come next.
    """
    sentences = []
    for text, _, _ in ORDERED:
        ids = demo.encode(text)
        stages = []
        for probabilities in demo.lens(ids):
            positions: list[Data] = []
            for i, row in enumerate(probabilities):
                best = np.argsort(-row, kind="stable")[:PREDICTIONS].tolist()
                top: list[Any] = []
                for token_id in best:
                    top += [demo.piece(token_id), per_mille(row[token_id])]
                position: Data = {"top": top}
                if i + 1 < len(ids):
                    rank = 1 + int((row > row[ids[i + 1]]).sum())
                    position["next"] = [per_mille(row[ids[i + 1]]), rank]
                positions.append(position)
            stages.append(positions)
        tokens = [demo.piece(i) for i in ids]
        sentences.append({"tokens": tokens, "stages": stages})
    return {"sentences": sentences}


def draw(data: Data) -> str:
    """What the model would say at one position, block by block; residual.js too."""
    sentence = data["sentences"][0]
    at = start_of(sentence)
    words = [chip(token, i == 0) for i, token in enumerate(sentence["tokens"])]
    rows = "\n".join(
        f'<tr><th scope="row">{"block " + str(k - 1) if k else "embeddings"}</th><td>'
        + " ".join(
            f"<span>{escape(shown(top[i]))} "
            f"<small>{escape(percent(top[i + 1]))}</small></span>"
            for i in (0, 2, 4)
        )
        + "</td></tr>"
        for k, stage in enumerate(sentence["stages"])
        for top in [stage[at]["top"]]
    )
    return (
        '<table class="lens">\n<caption>What the model would say after “'
        f"{escape(''.join(sentence['tokens'][: at + 1]))}” if it stopped there. The "
        f"story goes on with “{escape(words[at + 1])}”.</caption>\n"
        '<thead><tr><th scope="col">stopped after</th>'
        '<th scope="col">the likeliest next tokens</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def start_of(sentence: Data) -> int:
    """The position whose answer takes longest to appear; residual.js has the same."""

    def first_right(at: int) -> int:
        right = [stage[at]["next"][1] == 1 for stage in sentence["stages"]]
        if not right[-1]:
            return -1
        return len(right) - right[::-1].index(False) if False in right else 0

    places = range(len(sentence["tokens"]) - 1)
    return max(places, key=lambda at: (first_right(at), at))
