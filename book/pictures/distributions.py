"""Six distributions over the same words, side by side."""

from __future__ import annotations

from collections.abc import Sequence

from book.pictures.svg import WIDTH, Drawing

Panel = tuple[str, Sequence[float], str]
"""A title, the probability of each word, and a hue."""


def distributions(
    title: str, description: str, words: Sequence[str], panels: Sequence[Panel]
) -> Drawing:
    """Draw bars with percentages; what has become impossible is left out."""
    drawing = Drawing(
        title,
        " ".join(
            [description, *(f"{name}: {_told(words, p)}." for name, p, _ in panels)]
        ),
        WIDTH,
        402,
    )
    for index, (name, probabilities, hue) in enumerate(panels):
        left, top = 176 * (index % 2), 136 * (index // 2)
        drawing.text(left, top + 13, name, "small strong")
        for row, (word, p) in enumerate(zip(words, probabilities, strict=True)):
            y = top + 22 + row * 18
            gone = p == 0
            drawing.text(
                left + 42, y + 11, word, "end small dim" if gone else "end small"
            )
            if not gone:
                drawing.rect(left + 48, y, max(82 * p, 1.0), 13, hue)
            place = left + 53 + 82 * p
            drawing.text(place, y + 11, "–" if gone else _percent(p), "tiny dim")
    return drawing


def _percent(p: float) -> str:
    return f"{p:.0%}" if p >= 0.005 else "<1%"


def _told(words: Sequence[str], probabilities: Sequence[float]) -> str:
    pairs = zip(words, probabilities, strict=True)
    return ", ".join(f"{word} {_percent(p)}" for word, p in pairs if p > 0)
