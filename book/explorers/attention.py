"""Where every head looks."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from book.explorers.demo import Array, Data, Demo
from book.explorers.words import chip, per_mille, percent

# In each a name comes back, by itself or as a pronoun: which token refers to which.
SENTENCES = [
    (
        "The careful wolf was called Willa. More than anything, Willa loved her old "
        "flute.",
        " her",
        " Willa",
    ),
    (
        "The brave goat was called Clara, and she lived in a hut at the foot of the "
        "mountain.",
        " she",
        " Clara",
    ),
    (
        "Felix the otter lived in a hut. Felix wanted a green hat, but all he had was "
        "a pumpkin pie.",
        " he",
        " Felix",
    ),
    (
        "Arlo the monkey lived in a tree house. Arlo often wished for a friend. One "
        "day, in the meadow, Arlo heard someone crying.",
        " Arlo",
        " Arlo",
    ),
    (
        "One day, Oscar the turtle woke up early in his cottage near the sea.",
        " his",
        " Oscar",
    ),
]
CAPTION = (
    "Where the demo model looks. A token written <span>“-ved”</span> goes on with the "
    "word before it."
)


def compute(demo: Demo) -> Data:
    """Every attention weight of every sentence, in thousandths.

    `try` is the head in which the word that refers looks most at what it refers to.
    """
    sentences = []
    for text, word, name in SENTENCES:
        ids = demo.encode(text)
        tokens = [demo.piece(i) for i in ids]
        weights = demo.attention(ids)
        best = clearest(weights, tokens, word, name)
        rows = [
            [
                [[per_mille(w) for w in row[: i + 1]] for i, row in enumerate(matrix)]
                for matrix in heads
            ]
            for heads in weights.tolist()
        ]
        sentences.append({"tokens": tokens, "try": best, "weights": rows})
    return {"sentences": sentences}


def clearest(
    weights: Array, tokens: Sequence[str], word: str, name: str
) -> dict[str, int]:
    """The head in which a word looks most at an earlier name, and their positions."""
    _, layer, head, here, there = max(
        (float(weights[layer, head, here, there]), layer, head, here, there)
        for layer in range(weights.shape[0])
        for head in range(weights.shape[1])
        for here, token in enumerate(tokens)
        if token == word
        for there in range(here)
        if tokens[there] == name
    )
    return {"layer": layer, "head": head, "from": here, "to": there}


def draw(data: Data) -> str:
    """One head's weights as a grid: rows look, columns are looked at."""
    sentence = data["sentences"][0]
    tokens, best = sentence["tokens"], sentence["try"]
    words = [chip(token, i == 0) for i, token in enumerate(tokens)]
    weights = sentence["weights"][best["layer"]][best["head"]]
    cell, left, top = 14, 66, 66
    size = cell * len(words)
    lines = []
    for i, word in enumerate(words):
        strong = ' class="strong"' if i in (best["from"], best["to"]) else ""
        y = top + cell * i
        lines.append(
            f'<text{strong} x="{left - 5}" y="{y + 10.5}" text-anchor="end">'
            f"{escape(word)}</text>"
        )
        x = left + cell * i + 10
        lines.append(
            f'<text{strong} transform="translate({x} {top - 5}) rotate(-90)">'
            f"{escape(word)}</text>"
        )
        for j, weight in enumerate(weights[i]):
            opacity = 0.04 + 0.96 * weight / 1000
            lines.append(
                f'<rect x="{left + cell * j}" y="{y}" width="{cell - 1}" '
                f'height="{cell - 1}" fill-opacity="{opacity:.2f}"/>'
            )
    x, y = left + cell * best["to"], top + cell * best["from"]
    lines.append(
        f'<rect class="ring" x="{x - 1.5}" y="{y - 1.5}" width="{cell + 2}" '
        f'height="{cell + 2}"/>'
    )
    share = percent(weights[best["from"]][best["to"]])
    says = (
        f"Grid of attention weights, block {best['layer']}, head "
        f"{best['head']}, for the sentence: {''.join(tokens)} Each row is a token "
        f"that looks, each column one that is looked at; nothing is above the "
        f"diagonal. The row of “{words[best['from']]}” gives {share} to "
        f"“{words[best['to']]}”."
    )
    return (
        f'<svg class="explorer-picture" role="img" '
        f'viewBox="0 0 {left + size + 2} {top + size + 2}" '
        f'aria-label="{escape(says)}">\n' + "\n".join(lines) + "\n</svg>\n"
        f"<p>Each row is a token that looks, each column one that it looks at: the "
        f"darker, the more. In block {best['layer']}, head {best['head']}, "
        f"“{escape(words[best['from']])}” gives {escape(share)} of its attention to "
        f"“{escape(words[best['to']])}”.</p>"
    )
