"""What is drawn. Numbers in the pictures are computed here, not typed in."""

from __future__ import annotations

import math
from collections.abc import Callable

from book.gpt2 import GPT2
from book.numbers.example import PROMPT, six_tokens
from book.pictures import (
    byte_pairs,
    embeddings,
    maps,
    part_two,
    routing,
    serving,
    speculation,
)
from book.pictures.attention import attention
from book.pictures.band_part import band_part
from book.pictures.distributions import distributions
from book.pictures.ladder import ladder
from book.pictures.layer_norm import layer_norm
from book.pictures.svg import WIDTH, Drawing
from course.model.config import head_dim, inner_dim
from course.steps import get_step


def draw_all() -> dict[str, Drawing]:
    """Draw everything, by name of file."""
    drawings = {f"here_{get_step(n).label}": maps.here(n) for n in maps.HERE}
    for draw in (
        causal_mask,
        band_part,
        *byte_pairs.DRAWINGS,
        *embeddings.DRAWINGS,
        attention,
        heads,
        layer_norm,
        gelu,
        residual,
        block,
        sampling,
        maps.model,
        *part_two.DRAWINGS,
        *serving.DRAWINGS,
        *speculation.DRAWINGS,
        *routing.DRAWINGS,
        ladder,
    ):
        drawings[draw.__name__] = draw()
    return drawings


def causal_mask() -> Drawing:
    """Which keys a query may see, without and with past tokens."""
    drawing = Drawing(
        "The causal mask",
        "Two tables with a row for each new token and a column for each token that "
        "could be seen. Left, four new tokens and no past: row 0 may see column 0 "
        "only, each row one more, the last row all four. Right, three new tokens "
        "after two past ones: every row may see both past tokens, then the same "
        "staircase. Where a token may look the mask is 0, elsewhere minus infinity.",
        WIDTH,
        212,
    )
    words = [*PROMPT, "and"]
    cell, top = 28, 60

    def table(left: int, rows: int, past: int, title: str, shape: str) -> None:
        drawing.text(left, 14, title, "small strong")
        drawing.text(left, 30, shape, "mono small dim")
        for row in range(rows):
            y = top + row * cell
            drawing.text(left + 31, y + 18, words[past + row], "end tiny")
            for column in range(past + rows):
                x = left + 36 + column * cell
                if row == 0:
                    drawing.text(x + cell / 2, top - 7, words[column], "mid tiny")
                seen = column <= past + row
                drawing.box(
                    x,
                    y,
                    cell,
                    cell,
                    "0" if seen else "−∞",
                    "green" if seen else "red",
                    "mid mono small",
                )

    table(0, 4, 0, "causal_mask(4, 0)", "[4, 4]")
    table(163, 3, 2, "causal_mask(3, 2)", "[3, 2 + 3]")
    drawing.path([(201, 147), (201, 152), (253, 152), (253, 147)], "axis")
    drawing.text(227, 166, "past", "mid small dim")
    drawing.text(0, 194, "A row is a new token that looks, a column is a", "small dim")
    drawing.text(0, 209, "token that is looked at: 0 may be seen.", "small dim")
    return drawing


def heads() -> Drawing:
    """Splitting the width into heads and merging them again."""
    words, n_head, head_dim = PROMPT[:3], 2, 4
    width = n_head * head_dim
    hues = ["blue", "orange"]
    drawing = Drawing(
        "Splitting into heads and merging again",
        f"A table of {len(words)} tokens by {width} numbers, numbered row by row. "
        f"Reshaping cuts every row into {n_head} pieces of {head_dim}, the first for "
        "head 0, the second for head 1; in memory they still lie token by token: both "
        f"pieces of ‘{words[0]}’, both of ‘{words[1]}’, and so on. Transposing brings "
        "them into another order, drawn with lines that cross: first the pieces of "
        f"head 0 for {', '.join(words)}, then those of head 1. Merging goes the same "
        "way backwards. Below, the mistake: reshaped to two heads without "
        f"transposing, head 0 gets both pieces of ‘{words[0]}’ and one of "
        f"‘{words[1]}’.",
        WIDTH,
        442,
    )
    cell, row_height, box = 25, 21, 78

    def piece(x: float, y: float, token: int, head: int) -> None:
        first = token * width + head * head_dim
        numbers = " ".join(str(n) for n in range(first, first + head_dim))
        drawing.box(x, y, box, row_height, numbers, hues[head], "mid mono tiny")

    drawing.text(0, 13, "split_heads ↓", "strong small")
    drawing.text(339, 13, "↑ merge_heads", "end strong small")
    drawing.text(70, 34, "[3, 8]", "mono small")
    drawing.text(270, 34, "3 tokens, width 8", "end small dim")
    for token, word in enumerate(words):
        y = 42 + token * row_height
        drawing.text(62, y + 15, word, "end small")
        for column in range(width):
            number, hue = token * width + column, hues[column // head_dim]
            x = 70 + column * cell
            drawing.box(x, y, cell, row_height, str(number), hue, "mid mono tiny")

    drawing.arrow([(76, 111), (76, 139)])
    drawing.text(68, 129, "reshape", "end mono small")
    drawing.arrow([(104, 139), (104, 111)])
    drawing.text(112, 129, "reshape", "mono small")

    left, right, top = 50, 194, 186
    drawing.text(left, 158, "[3, 2, 4]", "mono small")
    drawing.text(left, 174, "token, head", "small dim")
    drawing.text(right, 158, "[2, 3, 4]", "mono small")
    drawing.text(right, 174, "head, token", "small dim")
    for token, word in enumerate(words):
        drawing.text(28, top + token * 50 + 26, word, "end small strong")
        for head, hue in enumerate(hues):
            before = top + token * 50 + head * row_height
            after = top + 3 + head * 73 + token * row_height
            drawing.path(
                [(left + box, before + 10), (right, after + 10)], f"curve {hue}"
            )
            drawing.text(32, before + 15, f"h{head}", "tiny dim")
            piece(left, before, token, head)
            piece(right, after, token, head)
            drawing.text(right + box + 5, after + 15, word, "tiny dim")
    for head, hue in enumerate(hues):
        drawing.text(339, top + 3 + head * 73 + 36, f"head {head}", f"end small {hue}")
    drawing.text(161, top - 3, "transpose", "mid mono tiny")

    drawing.text(
        0, 354, "[3, 8] reshaped to [2, 3, 4], not transposed:", "small strong"
    )
    for row in range(n_head * len(words)):
        head, place = divmod(row, len(words))
        x, y = (left, right)[head], 364 + place * row_height
        piece(x, y, *divmod(row, n_head))
        drawing.text(x + box + 5, y + 15, words[place] + "?", "tiny red")
    drawing.text(left, 440, "head 0?", "tiny red")
    drawing.text(right, 440, "head 1?", "tiny red")
    return drawing


def _gelu_exact(x: float) -> float:
    return 0.5 * x * (1 + math.erf(x / math.sqrt(2)))


def _gelu_tanh(x: float) -> float:
    inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
    return 0.5 * x * (1 + math.tanh(inner))


def gelu() -> Drawing:
    """GELU, its tanh approximation, and how far they are apart."""
    points = [index / 20 for index in range(-80, 81)]
    difference = [_gelu_tanh(x) - _gelu_exact(x) for x in points]
    most = max(abs(value) for value in difference)
    where = max(points, key=lambda x: abs(_gelu_tanh(x) - _gelu_exact(x)))
    lowest = min(points, key=_gelu_tanh)
    drawing = Drawing(
        "GELU, exact and with tanh",
        "Above, GELU between −4 and 4: close to 0 for very negative x, lowest at "
        f"x = {lowest:.2f} with {_gelu_tanh(lowest):.2f}, 0 at 0, and close to x for "
        "large x. Exact GELU and the tanh form lie on one another. Below, tanh form "
        f"minus exact GELU: it stays within {most:.5f}, which it reaches at "
        f"x = {abs(where):.2f} and −{abs(where):.2f}.",
        WIDTH,
        318,
    )

    def across(x: float) -> float:
        return 40 + (x + 4) * 36

    def panel(
        low: float, high: float, top: float, bottom: float, marks: dict[float, str]
    ) -> Callable[[float], float]:
        def up(value: float) -> float:
            return bottom - (value - low) / (high - low) * (bottom - top)

        for x in range(-4, 5):
            drawing.path([(across(x), top), (across(x), bottom)], "grid")
        for value, label in marks.items():
            drawing.path([(40, up(value)), (328, up(value))], "grid")
            drawing.text(35, up(value) + 4, label, "end tiny")
        drawing.path([(40, up(0)), (328, up(0))], "axis")
        return up

    up = panel(-0.5, 4, 26, 176, {float(n): str(n) for n in range(5)})
    drawing.text(0, 14, "GELU(x)", "strong small")
    drawing.path([(across(x), up(max(x, 0))) for x in (-4.0, 0.0, 4.0)], "axis dash")
    drawing.path([(across(x), up(_gelu_exact(x))) for x in points], "curve blue")
    drawing.path([(across(x), up(_gelu_tanh(x))) for x in points], "curve orange dash")
    drawing.text(60, 52, "exact, with erf", "small blue")
    drawing.text(60, 70, "tanh form (GPT-2)", "small orange")
    drawing.text(60, 88, "thin: ReLU", "small dim")

    marks = {-0.0005: "−0.0005", 0.0: "0", 0.0005: "0.0005"}
    drawing.text(0, 202, "tanh form − exact, magnified", "strong small")
    up = panel(-0.00055, 0.00055, 212, 296, {})
    for value, label in marks.items():
        drawing.path([(40, up(value)), (328, up(value))], "grid")
        drawing.text(38, up(value) + 4, label, "end tiny")
    drawing.path(
        [(across(x), up(d)) for x, d in zip(points, difference, strict=True)],
        "curve violet",
    )
    for x in range(-4, 5):
        drawing.text(across(x), 312, f"{x}".replace("-", "−"), "mid tiny")
    return drawing


def residual() -> Drawing:
    """The stream that every sublayer reads from and adds to."""
    drawing = Drawing(
        "The residual stream",
        "A straight line runs from the embeddings at the top to ln_f at the bottom. "
        "At each of the 24 sublayers, a branch leaves the line, goes through a layer "
        "norm and through attention or the feed-forward network, and is added back to "
        "the line. Nothing else changes the line. Drawn are the sublayers of the first "
        "and the last block.",
        WIDTH,
        412,
    )
    x = 46
    drawing.box(1, 1, 92, 26, "wte + wpe", "violet", "mid mono small")
    top = 27
    for index in (0, 11):
        drawing.text(338, top + 26, f"block {index}", "end small dim")
        for norm, sublayer, hue in (
            ("ln_1", "attn", "blue"),
            ("ln_2", "mlp", "orange"),
        ):
            drawing.arrow([(x, top), (x, top + 55)], tip=False)
            drawing.arrow([(x, top + 18), (104, top + 18)])
            drawing.box(104, top + 5, 46, 26, norm, "green")
            drawing.arrow([(150, top + 18), (172, top + 18)])
            drawing.box(172, top + 5, 56, 26, sublayer, hue)
            drawing.arrow(
                [(228, top + 18), (248, top + 18), (248, top + 55), (x + 9, top + 55)]
            )
            drawing.plus(x, top + 55)
            drawing.text(75, top + 12, "read", "mid tiny dim")
            drawing.text(128, top + 68, "add", "mid tiny dim")
            top += 64
            drawing.arrow([(x, top), (x, top + 20)], tip=False)
            top += 12
        if index == 0:
            drawing.arrow([(x, top), (x, top + 10)], tip=False)
            drawing.path([(x, top + 10), (x, top + 32)], "flow dash")
            drawing.text(104, top + 26, "blocks 1 to 10 do the same", "small dim")
            top += 32
    drawing.arrow([(x, top), (x, top + 20)])
    drawing.box(16, top + 20, 60, 26, "ln_f", "green")
    return drawing


def block() -> Drawing:
    """A transformer block with the shape at every arrow."""
    n_embd = GPT2.n_embd
    wide = inner_dim(GPT2)
    narrow_shape, wide_shape = f"[B, T, {n_embd}]", f"[B, T, {wide}]"
    drawing = Drawing(
        "A transformer block with its shapes",
        f"From top to bottom: hidden states of shape {narrow_shape}, where B is the "
        "batch and T the length. ln_1, then attention: c_attn to three times the "
        "width, twelve heads, c_proj back; the result is added to what came in. ln_2, "
        f"then the feed-forward network: c_fc to {wide_shape}, GELU, c_proj back to "
        f"{narrow_shape}; added again. The shape that comes out is the one that went "
        "in.",
        WIDTH,
        566,
    )
    centre, left, width = 128, 72, 112

    def down(top: float, shape: str, height: float = 26) -> None:
        drawing.arrow([(centre, top), (centre, top + height)])
        drawing.text(198, top + height / 2 + 4, shape, "mono small dim")

    def half(top: float, parts: list[tuple[str, str, str]], name: str) -> float:
        start = top + 8
        for label, hue, shape in parts:
            down(top, shape)
            drawing.box(left, top + 26, width, 26, label, hue)
            top += 52
        down(top, narrow_shape)
        top += 26
        drawing.arrow(
            [(centre, start), (36, start), (36, top + 9), (centre - 9, top + 9)]
        )
        drawing.plus(centre, top + 9)
        drawing.text(28, (start + top) / 2, "x", "end mono dim")
        drawing.text(339, start + 8, name, "end mono small strong")
        return top + 18

    heads_shape = f"[B, {GPT2.n_head}, T, {head_dim(GPT2)}]"
    drawing.text(centre, 12, "hidden_states", "mid mono")
    top = half(
        18,
        [
            ("ln_1", "green", narrow_shape),
            ("c_attn", "blue", narrow_shape),
            ("12 heads", "blue", f"[B, T, {3 * n_embd}]"),
            ("c_proj", "blue", narrow_shape),
        ],
        "attn",
    )
    drawing.text(198, 18 + 2 * 52 + 44, f"each q, k, v: {heads_shape}", "tiny dim")
    top = half(
        top,
        [
            ("ln_2", "green", narrow_shape),
            ("c_fc", "orange", narrow_shape),
            ("GELU", "orange", wide_shape),
            ("c_proj", "orange", wide_shape),
        ],
        "mlp",
    )
    down(top, narrow_shape, 24)
    return drawing


def sampling() -> Drawing:
    """What temperature, top-k and top-p do to one distribution."""
    words, given = six_tokens()
    logits = given.tolist()

    def softmax(temperature: float) -> list[float]:
        powers = [math.exp(logit / temperature) for logit in logits]
        return [power / sum(powers) for power in powers]

    def only(keep: int) -> list[float]:
        base = softmax(1.0)[:keep]
        return [p / sum(base) for p in base] + [0.0] * (len(words) - keep)

    top_p, total, kept = 0.8, 0.0, 0
    for probability in softmax(1.0):
        if total >= top_p:
            break
        total, kept = total + probability, kept + 1
    panels = [
        ("temperature 1", softmax(1.0), "blue"),
        ("temperature 0.5", softmax(0.5), "orange"),
        ("temperature 2", softmax(2.0), "orange"),
        ("greedy", only(1), "orange"),
        ("top-k 2", only(2), "green"),
        (f"top-p {top_p}", only(kept), "green"),
    ]

    return distributions(
        "Ways to choose from one distribution",
        "Six words that might follow ‘the cat sat down by the’ with their "
        "probabilities, six times.",
        words,
        panels,
    )
