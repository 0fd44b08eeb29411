"""One query of the tiny model, from the keys to the mix of values."""

from __future__ import annotations

from collections.abc import Iterable

from book.numbers.attention import first_attention
from book.numbers.example import PROMPT, make_model
from book.numbers.example import number as plain_number
from book.pictures.svg import WIDTH, Drawing

HEAD, POSITION = 0, 2
LEFT, CELL, ROW = 34, 36, 22


def attention() -> Drawing:
    """One query, the keys, scores, scale, mask, softmax, and the values mixed."""
    seen = first_attention(make_model())
    query, products, scores, weights, mixed = (
        array[HEAD, POSITION]
        for array in (seen.query, seen.products, seen.scores, seen.weights, seen.mixed)
    )
    asks = PROMPT[POSITION]
    shares = [
        f"{word} {written(weight)}"
        for word, weight in zip(PROMPT, weights, strict=True)
    ]
    drawing = Drawing(
        "Attention for one query",
        f"The query of {asks} is multiplied with the key of each word, number by "
        f"number, and added up: {', '.join(map(written, products))}. Divided by the "
        f"root of {len(query)}: {', '.join(map(written, scores))}. The mask adds 0 to "
        f"what stands up to {asks}, and minus infinity to what comes later. Softmax "
        f"gives the attention weights {', '.join(shares)}. Below, each value is "
        f"multiplied with its weight, and the products are added up: "
        f"{', '.join(map(written, mixed))}.",
        WIDTH,
        352,
    )

    def vector(top: float, name: str, numbers: Iterable[float], hue: str) -> None:
        drawing.text(LEFT - 4, top + 15, name, "end tiny")
        for place, value in enumerate(numbers):
            drawing.box(
                LEFT + place * CELL,
                top,
                CELL,
                ROW,
                written(value),
                hue,
                "mid mono tiny",
            )

    def heading(x: float, y: float, first: str, second: str = "") -> None:
        drawing.text(x, y - 13, first, "mid tiny dim")
        drawing.text(x, y, second, "mid tiny dim")

    drawing.text(0, 13, f"1  The query of “{asks}” meets every key", "small strong")
    vector(22, asks, query, "blue")
    drawing.text(LEFT + 4 * CELL + 8, 37, "query", "small blue")
    product, scaled, masked, share = 198, 236, 269, 288
    top = 78
    heading(LEFT + 2 * CELL, top - 6, "", "keys")
    heading(product, top - 6, "", "q · k")
    heading(scaled, top - 6, "", f"÷ √{len(query)}")
    heading(masked, top - 6, "", "mask")
    heading((share + WIDTH) / 2, top - 6, "after", "softmax")
    for place, word in enumerate(PROMPT):
        y = top + place * ROW
        later = place > POSITION
        vector(y, word, seen.key[HEAD, place], "orange")
        drawing.text(product, y + 15, written(products[place]), "mid mono tiny")
        drawing.text(scaled, y + 15, written(scores[place]), "mid mono tiny")
        hue = "red" if later else "dim"
        drawing.text(masked, y + 15, "−∞" if later else "+ 0", f"mid tiny {hue}")
        bar(drawing, share, y, weights[place])

    turn = top + len(PROMPT) * ROW
    drawing.arrow([(WIDTH - 8, turn + 2), (WIDTH - 8, turn + 22)])
    top = turn + 44
    drawing.text(
        0, top - 12, "2  Each value counts as much as its weight", "small strong"
    )
    for place, word in enumerate(PROMPT):
        y = top + place * ROW
        vector(y, word, seen.value[HEAD, place], "green")
        drawing.text(share - 12, y + 15, "×", "mid small")
        bar(drawing, share, y, weights[place])
    drawing.text(LEFT + 4 * CELL + 8, top + 15, "values", "small green")
    total = top + len(PROMPT) * ROW + 22
    drawing.arrow([(LEFT + 2 * CELL, total - 20), (LEFT + 2 * CELL, total - 2)])
    drawing.text(LEFT + 2 * CELL + 10, total - 7, "added up", "tiny dim")
    vector(total, asks, mixed, "blue")
    drawing.text(
        LEFT + 4 * CELL + 8, total + 15, "the mix: what it hears", "small blue"
    )
    return drawing


def bar(drawing: Drawing, left: float, top: float, weight: float) -> None:
    """Draw a weight as a bar with its number on it."""
    room = WIDTH - left
    drawing.rect(left, top + 2, room, 18, "box")
    if weight >= 0.005:
        drawing.rect(left, top + 2, room * weight, 18, "violet")
    drawing.text(left + room / 2, top + 15, written(weight), "mid mono tiny")


def written(value: float) -> str:
    """A number with two decimals and a real minus."""
    return plain_number(value).replace("-", "−")
