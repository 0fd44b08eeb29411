"""The ladder of Part II, as `course bench` measured it."""

from __future__ import annotations

import statistics

from book.measured import last_results
from book.pictures.svg import WIDTH, Drawing
from course.bench.figures import Results, bandwidth, bytes_read, tokens_per_second

TASK = "prompt 16"

RUNGS = {
    "eager": "step 12",
    "compiled": "14 · compiled",
    "cache": "15 · KV cache",
    "kernels": "17 · kernels",
    "kernels bfloat16": "17 · bfloat16",
    "kernels int8": "17 · int8",
}
OTHERS = {
    "Hugging Face": "Hugging Face",
    "CTranslate2": "CTranslate2",
    "CTranslate2 int8": "CTranslate2 int8",
}
LEFT, ROW = 112, 26


def ladder() -> Drawing:
    """Tokens per second after each step, beside others and what memory allows."""
    results = last_results()
    bars = {
        label: speed(results, name)
        for name, label in (RUNGS | OTHERS).items()
        if name in results["seconds"]
    }
    bound = bandwidth(results) / bytes_read(results)
    longest = max(*bars.values(), bound)
    scale = (WIDTH - LEFT - 40) / longest
    height = 34 + ROW * len(bars) + 24
    drawing = Drawing(
        "Tokens per second after each step of Part II",
        "GPT-2 small with random weights, one text, 64 tokens after a prompt of 16, "
        "the reading of the prompt included: "
        + "; ".join(f"{label} {figure(value)}" for label, value in bars.items())
        + f". If float32 weights were read at the full speed of memory: {bound:.0f}.",
        WIDTH,
        height,
    )
    drawing.text(0, 14, "tokens per second, one text", "small strong")
    drawing.text(WIDTH - 2, 14, "64 tokens, prompt of 16", "end tiny dim")
    for row, (label, value) in enumerate(bars.items()):
        y = 26 + row * ROW
        hue = "orange" if label in RUNGS.values() else "blue"
        drawing.text(0, y + 15, label, "small")
        drawing.rect(LEFT, y, max(2, value * scale), ROW - 6, hue)
        drawing.text(LEFT + value * scale + 5, y + 15, figure(value), "small strong")
    x = LEFT + bound * scale
    drawing.path([(x, 20), (x, height - 22)], "flow dash")
    note = f"{bound:.0f}: float32 weights at the speed of memory"
    drawing.text(WIDTH - 2, height - 6, note, "end small dim")
    return drawing


def speed(results: Results, name: str) -> float:
    """The median of a contender."""
    return statistics.median(tokens_per_second(results, name, TASK))


def figure(value: float) -> str:
    """As many digits as mean something."""
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"
