"""The tiny GPT-2 whose numbers run through the chapters, and how they are set.

It reads `the cat sat down`. Everything it computes comes from the solutions, through
MAX.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from max.driver import CPU
from max.experimental.tensor import Tensor
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit

from course.check.building import build, tensor
from course.check.loading import load_solution

DEVICE = CPU()
Array = NDArray[Any]

WORDS = ["the", "cat", "dog", "sat", "ran", "down", "up", "and", "then", "."]
PROMPT = ["the", "cat", "sat", "down"]
SIZES: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "n_positions": 8,
    "n_embd": 8,
    "n_layer": 2,
    "n_head": 2,
    "n_inner": None,
    "layer_norm_epsilon": 1e-5,
}
# Nobody trained this model. Of 200,000 seeds tried, this is the one whose greedy
# answer to the prompt can be read as English.
SEED = 140929


def make_weights() -> dict[str, Array]:
    """Draw the weights of the tiny model, rounded so that one can follow by hand."""
    random = np.random.default_rng(SEED)
    n = SIZES["n_embd"]

    def draw(*shape: int, scale: float, mean: float = 0.0, digits: int = 2) -> Array:
        values = mean + scale * random.standard_normal(shape)
        return np.round(values, digits).astype(np.float32)

    wte = draw(SIZES["vocab_size"], n, scale=0.5, digits=1)
    weights = {
        "transformer.wte.weight": wte,
        "transformer.wpe.weight": draw(SIZES["n_positions"], n, scale=0.3, digits=1),
    }
    for block in range(SIZES["n_layer"]):
        parts: list[tuple[str, tuple[int, ...], float, float]] = [
            ("ln_1.weight", (n,), 0.1, 1.0),
            ("ln_1.bias", (n,), 0.1, 0.0),
            ("attn.c_attn.weight", (3 * n, n), 0.4, 0.0),
            ("attn.c_attn.bias", (3 * n,), 0.1, 0.0),
            ("attn.c_proj.weight", (n, n), 0.4, 0.0),
            ("attn.c_proj.bias", (n,), 0.1, 0.0),
            ("ln_2.weight", (n,), 0.1, 1.0),
            ("ln_2.bias", (n,), 0.1, 0.0),
            ("mlp.c_fc.weight", (4 * n, n), 0.4, 0.0),
            ("mlp.c_fc.bias", (4 * n,), 0.1, 0.0),
            ("mlp.c_proj.weight", (n, 4 * n), 0.2, 0.0),
            ("mlp.c_proj.bias", (n,), 0.1, 0.0),
        ]
        for name, shape, scale, mean in parts:
            value = draw(*shape, scale=scale, mean=mean)
            weights[f"transformer.h.{block}.{name}"] = value
    weights["transformer.ln_f.weight"] = draw(n, scale=0.1, mean=1.0)
    weights["transformer.ln_f.bias"] = draw(n, scale=0.1)
    weights["lm_head.weight"] = wte
    return weights


def make_model() -> Any:
    """Build the tiny model from the solutions."""
    config = load_solution(1).GPT2Config(**SIZES)
    return build(
        lambda: load_solution(11).MaxGPT2LMHeadModel(config), make_weights(), DEVICE
    )


def token_ids(words: Iterable[str]) -> Tensor:
    """Return the IDs of words, shape [1, seq_length]."""
    return tensor(np.array([[WORDS.index(word) for word in words]]), DEVICE)


def embedded(body: Any, words: Sequence[str] = tuple(PROMPT)) -> Tensor:
    """Token embeddings plus position embeddings, [1, 4, 8]."""
    positions = tensor(np.arange(len(words)), DEVICE)
    total: Tensor = body.wte(token_ids(words)) + body.wpe(positions)
    return total


def six_tokens() -> tuple[list[str], Array]:
    """Six tokens that might follow `the cat sat down by the`, and their logits."""
    words = ["forest", "river", "hill", "house", "moon", "spoon"]
    return words, np.array([3.0, 2.4, 1.9, 1.3, 0.6, -0.5], np.float32)


def make_tokenizer() -> Tokenizer:
    """A tokenizer for whole words; GPT-2's own works with pieces of words."""
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, "."))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    return tokenizer


def softmax(x: Array) -> Array:
    """Softmax over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


# --- laying out -----------------------------------------------------------------


def number(value: float, digits: int = 2) -> str:
    """Write a number, and zero always without a sign."""
    return f"{round(float(value), digits) + 0.0:.{digits}f}"


def columns(
    headings: Sequence[str],
    rows: Iterable[Sequence[str]],
    widths: Sequence[int],
    *,
    left: int = 1,
) -> str:
    """Set rows in columns; the first `left` of them flush left."""
    lines = []
    for row in [headings, *rows]:
        cells = [
            cell.ljust(width) if i < left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append(" ".join(cells).rstrip())
    return "\n".join(lines if any(headings) else lines[1:])


def vertical(headings: Sequence[str], vectors: Sequence[Array], width: int = 9) -> str:
    """Set vectors side by side, one number of each in a row."""
    rows = [
        [str(i), *(number(v) for v in values)]
        for i, values in enumerate(zip(*vectors, strict=True))
    ]
    return columns(["", *headings], rows, [1, *[width] * len(vectors)], left=1)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table: the first column flush left, the others flush right."""
    lines = [
        "| " + " | ".join(headings) + " |",
        "| --- |" + " ---: |" * (len(headings) - 1),
        *("| " + " | ".join(row) + " |" for row in rows),
    ]
    return "\n".join(lines)


def text(block: str) -> str:
    """A block that Markdown leaves as it is."""
    return f"```text\n{block}\n```"


def page(**parts: str) -> str:
    """A file whose parts can be included one by one."""
    return "\n".join(
        f"<!-- ANCHOR: {name} -->\n{part}\n<!-- ANCHOR_END: {name} -->\n"
        for name, part in parts.items()
    )
