"""What training has made of the demo model's two tables of embeddings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from book.pictures.svg import WIDTH, Drawing
from course.steps import DEMO_MODEL

WORDS = (" fox", " Clara", " hut", " morning", " red", " he")
NEIGHBOURS = 4
POSITIONS = 64


def directions(name: str) -> NDArray[np.float64]:
    """The rows of a table, each made 1 long: their products are cosines."""
    table = load_file(DEMO_MODEL / "model.safetensors")[f"transformer.{name}.weight"]
    rows = table.astype(np.float64)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def neighbours() -> Drawing:
    """The rows of wte that point most nearly where a word's row points."""
    tokenizer = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    wte = directions("wte")
    found = []
    for word in WORDS:
        (token_id,) = tokenizer.encode(word).ids
        cosines = wte @ wte[token_id]
        best = np.argsort(-cosines, kind="stable")[1 : NEIGHBOURS + 1]
        names = [tokenizer.decode([i]).strip() for i in best.tolist()]
        found.append((word.strip(), list(zip(names, cosines[best], strict=True))))
    told = " ".join(
        f"{word}: {', '.join(f'{name} {cosine:.2f}' for name, cosine in near)}."
        for word, near in found
    )
    drawing = Drawing(
        "Neighbours in wte",
        f"For six words of the demo model, the tokens whose rows of wte are the most "
        f"alike, with the cosine of the angle between the two: {told}",
        WIDTH,
        22 + 38 * len(WORDS),
    )
    drawing.text(0, 12, "word", "tiny dim")
    drawing.text(70, 12, "the nearest rows of wte, and their cosine", "tiny dim")
    for place, (word, near) in enumerate(found):
        y = 20 + place * 38
        drawing.box(0, y, 62, 32, word, "violet", "mid small")
        for number, (name, cosine) in enumerate(near):
            x = 70 + number * 68
            drawing.rect(x, y, 66, 32, "box")
            drawing.text(x + 33, y + 14, name, "mid small")
            drawing.text(x + 33, y + 27, f"{cosine:.2f}", "mid tiny dim")
    return drawing


def positions() -> Drawing:
    """The rows of wpe against one another, and how alike they are by distance."""
    wpe = directions("wpe")[:POSITIONS]
    cosines = wpe @ wpe.T
    distances = (1, 5, 20)
    alike = [np.diagonal(cosines, offset=distance).mean() for distance in distances]
    told = ", ".join(
        f"{cosine:.2f} at distance {distance}"
        for distance, cosine in zip(distances, alike, strict=True)
    )
    drawing = Drawing(
        "wpe against wpe",
        f"A square of the first {POSITIONS} positions of the demo model against one "
        f"another, the darker the more alike their rows of wpe are. The diagonal is "
        f"dark, and it fades with the distance. The mean cosine is {told}.",
        WIDTH,
        244,
    )
    side, left, top = 200, 34, 30
    step = POSITIONS // 16
    cell = side / 16
    for row in range(16):
        for column in range(16):
            value = cosines[row * step + step // 2, column * step + step // 2]
            drawing.add(
                "rect",
                "heat",
                x=left + column * cell,
                y=top + row * cell,
                width=cell,
                height=cell,
                fill_opacity=round(float(np.clip(value, 0, 1)), 2),
            )
    for position in (0, 16, 32, 48):
        at = position / POSITIONS * side
        drawing.text(left + at, top - 5, str(position), "tiny dim")
        drawing.text(left - 5, top + at + 11, str(position), "end tiny dim")
    drawing.text(left + side / 2, 12, "position", "mid small")
    drawing.text(244, top + 20, "mean cosine", "small strong")
    for place, (distance, cosine) in enumerate(zip(distances, alike, strict=True)):
        y = top + 46 + place * 22
        drawing.text(244, y, f"{distance} apart", "small")
        drawing.text(WIDTH, y, f"{cosine:.2f}", "end mono small")
    return drawing


DRAWINGS = (neighbours, positions)
