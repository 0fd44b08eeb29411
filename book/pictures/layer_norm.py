"""Layer normalization of one vector of the tiny model."""

from __future__ import annotations

import math

import numpy as np

from book.numbers.example import PROMPT, SIZES, Array, embedded, make_model
from book.pictures.attention import written
from book.pictures.svg import WIDTH, Drawing

POSITION = 2
LEFT, CELL, BAR = 46, 37, 27


def layer_norm() -> Drawing:
    """One vector before, in the middle of and after layer normalization."""
    body = make_model().transformer
    hidden_states, norm = embedded(body), body.h[0].ln_1
    word = PROMPT[POSITION]
    x = hidden_states.to_numpy()[0, POSITION].astype(np.float64)
    result = norm(hidden_states).to_numpy()[0, POSITION]
    weight, bias = norm.weight.to_numpy(), norm.bias.to_numpy()
    normal = (x - x.mean()) / math.sqrt(x.var() + SIZES["layer_norm_epsilon"])
    assert np.allclose(result, normal * weight + bias, atol=1e-5)
    drawing = Drawing(
        "Layer normalization of one vector",
        f"Three rows of bars. The vector x of {word} is {listed(x)}; its mean is "
        f"{x.mean():.2f}, its variance {x.var():.2f}. With the mean subtracted and "
        f"divided by the root of the variance it is {listed(normal)}. Times the "
        f"weight, {listed(weight)}, plus the bias, {listed(bias)}, this gives "
        f"{listed(result)}.",
        WIDTH,
        400,
    )

    def bars(zero: float, values: Array, scale: float, hue: str) -> None:
        for place, value in enumerate(values):
            left, height = LEFT + place * CELL, abs(value) * scale
            top = zero - height if value >= 0 else zero
            drawing.rect(left, top, BAR, height, hue)
            level = zero + 13 if value >= 0 else zero - 5
            drawing.text(left + BAR / 2, level, written(value), "mid tiny")
        drawing.path([(LEFT - 8, zero), (WIDTH, zero)], "axis")

    def numbers(y: float, name: str, values: Array) -> None:
        drawing.text(0, y, name, "tiny dim")
        for place, value in enumerate(values):
            drawing.text(LEFT + place * CELL + BAR / 2, y, written(value), "mid tiny")

    drawing.text(0, 14, f"x: the vector of “{word}”", "small strong")
    about = f"mean {x.mean():.2f}, variance {x.var():.2f}"
    drawing.text(WIDTH, 14, about, "end small dim")
    bars(78, x, 60, "blue")
    mean = 78 - 60 * x.mean()
    drawing.path([(LEFT - 8, mean), (WIDTH, mean)], "axis dash")
    drawing.text(LEFT - 12, mean + 4, "mean", "end tiny dim")
    drawing.text(0, 116, "(x − mean) / √(variance + eps)", "mono small strong")
    bars(188, normal, 24, "green")
    drawing.text(0, 252, "… × weight + bias", "mono small strong")
    numbers(272, "weight", weight)
    numbers(288, "bias", bias)
    bars(358, result, 24, "orange")
    return drawing


def listed(values: Array) -> str:
    """The numbers, in words."""
    return ", ".join(written(value) for value in values)
