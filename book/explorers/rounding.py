"""A row of weights, rounded to whole numbers on a scale of its own."""

from __future__ import annotations

import numpy as np
import torch

from book.explorers.demo import Array, Data, Demo
from course.check.loading import load_solution

BLOCK, ROW = 2, 114  # its largest weight is among the first
SHOWN = 8
TEXT = "Once upon a time"
CAPTION = (
    "The row that makes number 114 of block 2’s <code>c_fc</code>, in the demo model, "
    "and its input after “Once upon a time”. In the drawing each weight, above, goes "
    "to the step that is nearest, below."
)


def compute(demo: Demo) -> Data:
    """A row of a linear layer, one of its inputs, and the layer's largest weight."""
    layer = demo.model.transformer.h[BLOCK].mlp.c_fc
    inputs: list[torch.Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    demo.logits(demo.encode(TEXT))
    hook.remove()
    # Transformers keeps the matrix turned around.
    matrix: Array = layer.weight.detach().numpy().T
    return {
        "shown": SHOWN,
        "weights": six_digits(matrix[ROW]),
        "input": six_digits(inputs[0][0, -1].numpy()),
        "largest": round(float(np.abs(matrix).max()), 6),
    }


def six_digits(numbers: Array) -> list[float]:
    """The numbers, nearly as exact as float32 is."""
    return [round(number, 6) for number in numbers.tolist()]


def draw(data: Data) -> str:
    """The row in int8, as step 17 rounds it."""
    weights = np.array(data["weights"], dtype=np.float32)
    [whole], [scale] = load_solution(17).quantize_rows(weights[None])
    back = whole * scale
    rows = "\n".join(
        f'<tr><th scope="row">{written(weights[i])}</th>'
        f"<td>{written(weights[i] / scale, 2)}</td><td>{written(whole[i], 0)}</td>"
        f"<td>{written(back[i])}</td><td>{written(back[i] - weights[i])}</td></tr>"
        for i in range(data["shown"])
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("weight", "÷ scale", "rounded", "× scale", "off by")
    )
    return (
        f"{levels(weights, whole, scale, 127)}\n"
        f'<table class="rounding">\n<caption>The first {data["shown"]} of '
        f"{len(weights)} weights in int8, on a scale of {scale:.5f}</caption>\n"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def written(number: float, digits: int = 4) -> str:
    """A number as rounding.js writes it."""
    return f"{number:z.{digits}f}".replace("-", "−")


def levels(weights: Array, whole: Array, scale: float, most: int) -> str:
    """Every weight above, every step below, and lines between; rounding.js draws it."""

    def x(steps: float) -> str:
        return f"{170 + 165 * steps / most:.1f}"

    moves = "".join(
        f"M{x(weight)} 2V16L{x(step)} 36"
        for weight, step in zip((weights / scale).tolist(), whole.tolist(), strict=True)
    )
    steps = "".join(f"M{x(step)} 38V50" for step in range(-most, most + 1))
    return (
        '<svg class="levels" viewBox="0 0 340 52" aria-hidden="true">'
        f'<path d="{moves}"/><path class="steps" d="{steps}"/></svg>'
    )
