"""The answers to what chapters ask before the check: what changes, and what does not.

Each function changes one thing in the tiny model's way and computes again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor

from book.gpt2 import GPT2
from book.numbers.byte_pairs import predict_bpe
from book.numbers.example import (
    DEVICE,
    PROMPT,
    SIZES,
    WORDS,
    Array,
    columns,
    embedded,
    make_weights,
    number,
    six_tokens,
    softmax,
    table,
    text,
    token_ids,
    vertical,
)
from book.numbers.part_one import rows_of
from book.numbers.part_two import count, operations_of
from course.check.building import build, tensor
from course.check.loading import load_solution
from course.model.checkpoint import stored_shapes
from course.model.config import GPT2Config


def vectors(
    names: Sequence[str], array: Array, headings: Sequence[str] = PROMPT
) -> str:
    """Set vectors in rows, under the words that they are about."""
    rows = [
        [name, *(number(v) for v in row)]
        for name, row in zip(names, array, strict=True)
    ]
    width = max(map(len, names))
    return columns(["", *headings], rows, [width, *[8] * len(headings)])


def changes(old: Tensor, new: Tensor) -> Array:
    """The largest change at each position, [seq_length]."""
    difference: Array = np.abs(new.to_numpy() - old.to_numpy())[0].max(axis=-1)
    return difference


def predict_01(model: Any) -> str:
    """How many parameters there are when one size is doubled."""
    del model
    tiny = GPT2Config(**SIZES)
    rows = [["as it is", "", f"{count(tiny):,}"]]
    for name, value in SIZES.items():
        doubled = 2 * (value or 4 * tiny.n_embd)
        larger = count(replace(tiny, **{name: doubled}))
        rows.append([f"`{name}`", f"{doubled}", f"{larger:,}"])
    return table(["doubled", "to", "parameters"], rows)


def predict_02(model: Any) -> str:
    """Attention weights when one column of the scores is higher by 1."""
    del model
    mask = load_solution(2).causal_mask(4, 0, dtype=DType.float32, device=DEVICE)
    scores = np.zeros((4, 4), np.float32)
    scores[:, PROMPT.index("sat")] += 1
    weights = F.softmax(tensor(scores, DEVICE) + mask)
    return text(vectors(PROMPT, weights.to_numpy()))


def predict_03(model: Any) -> str:
    """One vector, ten times as large, and moved, normalized."""
    x = embedded(model.transformer)
    norm = load_solution(3).LayerNorm(SIZES["n_embd"])
    cat = [v.to_numpy()[0, 1] for v in (x, norm(x), norm(10 * x), norm(x + 5))]
    return text(vertical(["x", "of x", "of 10 x", "of x + 5"], cat, 10))


def predict_04(model: Any) -> str:
    """GELU of numbers, and of numbers twice as large."""
    del model
    xs = np.array([-2, -1, -0.5, 0.5, 1, 2], np.float32)
    once, twice = (
        F.gelu(tensor(each, DEVICE), approximate="tanh").to_numpy()
        for each in (xs, 2 * xs)
    )
    rows = [
        [number(x, 1), number(a), number(b), number(b / a, 1)]
        for x, a, b in zip(xs, once, twice, strict=True)
    ]
    headings = ["x", "GELU(x)", "GELU(2x)", "times"]
    return text(columns(headings, rows, [5, 10, 10, 8], left=0))


def predict_05(model: Any) -> str:
    """The rows of a text in which a word stands twice."""
    words = ["the", "cat", "the", "dog"]
    found = model.transformer.wte(token_ids(words)).to_numpy()[0]
    return text(rows_of(found, words, [False] * 4))


def predict_06(model: Any) -> str:
    """The rows of a text that says one word five times."""
    del model
    step = load_solution(6)
    positions = build(
        lambda: step.GPT2PositionEmbeddings(GPT2Config(**SIZES)),
        {"wpe.weight": make_weights()["transformer.wpe.weight"]},
        DEVICE,
    )
    found = positions(token_ids(["dog"] * 5)).to_numpy()
    return text(rows_of(found, [str(i) for i in range(5)], [False] * 5))


def predict_07(model: Any) -> str:
    """Attention weights when one key is doubled."""
    block = model.transformer.h[0]
    read = block.ln_1(embedded(model.transformer))
    query, key, _ = (
        block.attn.split_heads(part).to_numpy()[0, 0]
        for part in F.split(block.attn.c_attn(read), [SIZES["n_embd"]] * 3, axis=-1)
    )
    mask = np.triu(np.full((4, 4), -np.inf), 1)

    def weights(keys: Array) -> Array:
        return softmax(query @ keys.T / np.sqrt(query.shape[-1]) + mask)

    doubled = key * np.where(np.array(PROMPT) == "sat", 2, 1)[:, None]
    before, after = vectors(PROMPT, weights(key)), vectors(PROMPT, weights(doubled))
    return text(f"as it is\n{before}\n\nwith the key of sat doubled\n{after}")


def predict_08(model: Any) -> str:
    """What attention adds to a stream, and to one that is ten times as large."""
    block = model.transformer.h[0]
    x = embedded(model.transformer)
    step = load_solution(8).pre_norm_residual
    cat = [
        (step(stream, block.ln_1, block.attn) - stream).to_numpy()[0, 1]
        for stream in (x, 10 * x)
    ]
    return text(vertical(["added to x", "added to 10 x"], cat, 15))


def predict_09(model: Any) -> str:
    """A block whose two last projections are 0."""
    start = "transformer.h.0."
    weights = {
        name.removeprefix(start): value
        for name, value in make_weights().items()
        if name.startswith(start)
    }
    silent = {
        name: np.zeros_like(value) if "c_proj" in name else value
        for name, value in weights.items()
    }
    block = build(
        lambda: load_solution(9).GPT2Block(GPT2Config(**SIZES)), silent, DEVICE
    )
    x = embedded(model.transformer)
    zeros = sum(value.size for name, value in weights.items() if "c_proj" in name)
    largest = float(np.abs(block(x).to_numpy() - x.to_numpy()).max())
    return text(
        f"parameters of the block     {sum(v.size for v in weights.values()):>7,}\n"
        f"of these set to 0           {zeros:>7,}\n"
        f"largest change of a vector  {number(largest):>7}"
    )


def predict_10(model: Any) -> str:
    """Which vectors change when a word is added at the end, or dropped in front."""
    body = model.transformer
    old = body(token_ids(PROMPT))
    longer = body(token_ids([*PROMPT, "and"]))
    shorter = body(token_ids(PROMPT[1:]))
    rows = [
        ["and added", *(number(v) for v in changes(old, longer[:, :4]))],
        ["the dropped", "gone", *(number(v) for v in changes(old[:, 1:], shorter))],
    ]
    return text(columns(["", *PROMPT], rows, [12, *[7] * 4]))


def predict_11(model: Any) -> str:
    """Probabilities of logits, of higher ones, and of doubled ones."""
    logits = model(token_ids(PROMPT)).to_numpy()[0, -1]
    ways = [softmax(each) for each in (logits, logits + 5, 2 * logits)]
    rows = [
        [WORDS[i], *(number(way[i]) for way in ways)] for i in np.argsort(-logits)[:4]
    ]
    return text(columns(["token", "logits", "+ 5", "× 2"], rows, [6, 9, 9, 9]))


def predict_12(model: Any) -> str:
    """How many times as likely the best token is as the next, by temperature."""
    logits = model(token_ids(PROMPT)).to_numpy()[0, -1]
    first, second = np.argsort(-logits)[:2]
    rows = []
    for temperature in (0.5, 1.0, 2.0):
        p = softmax(logits / temperature)
        rows.append([f"{temperature}", *(number(p[i]) for i in (first, second))])
        rows[-1].append(f"{p[first] / p[second]:.2f}")
    headings = ["T", WORDS[first], WORDS[second], "how many times"]
    return text(columns(headings, rows, [5, 8, 8, 16]))


def predict_13(model: Any) -> str:
    """How many tensors of GPT-2 small are transposed, and which would tell."""
    del model
    shapes = dict(stored_shapes(GPT2))
    del shapes["lm_head.weight"]
    conv1d = load_solution(13).CONV1D_WEIGHTS
    turned = [shape for name, shape in shapes.items() if name.endswith(conv1d)]
    square = [shape for shape in turned if shape[0] == shape[1]]
    return text(
        f"tensors in the file        {len(shapes):>4}\n"
        f"to be transposed           {len(turned):>4}\n"
        f"of these, square matrices  {len(square):>4}"
    )


def predict_14(model: Any) -> str:
    """How many operations the graph has, by the number of blocks."""
    del model
    rows = [[f"{n} blocks", f"{operations_of(n).total()}"] for n in (3, 6, 12)]
    return text(columns(["", "operations"], rows, [10, 12]))


def predict_15(model: Any) -> str:
    """By how much keys change, in both blocks, when one word is another."""
    body = model.transformer

    def keys(words: Sequence[str]) -> list[Tensor]:
        stream, found = embedded(body, words), []
        for block in body.h:
            projected = block.attn.c_attn(block.ln_1(stream))
            found.append(F.split(projected, [SIZES["n_embd"]] * 3, axis=-1)[1])
            stream = block(stream)
        return found

    rows = []
    for position, word in ((3, "up"), (0, "dog")):
        words = [*PROMPT]
        words[position] = word
        rows.append([f"{PROMPT[position]} → {word}", *[""] * 4])
        for number_, (old, new) in enumerate(
            zip(keys(PROMPT), keys(words), strict=True)
        ):
            rows.append([f"  block {number_}", *(number(v) for v in changes(old, new))])
    return text(columns(["", *PROMPT], rows, [10, *[7] * 4]))


def predict_16(model: Any) -> str:
    """What top-p and min-p keep at two temperatures."""
    del model
    step = load_solution(16)
    words, logits = six_tokens()
    rows = []
    for temperature in (1.25, 2.5):
        warmed = logits / np.float32(temperature)
        for name, kept in (
            ("top-p 0.9", step.keep_top_p(warmed, 0.9)),
            ("min-p 0.3", step.keep_min_p(warmed, 0.3)),
        ):
            stay = [w for w, v in zip(words, kept, strict=True) if np.isfinite(v)]
            rows.append([f"{temperature:g}", name, f"{len(stay)}", f"to {stay[-1]}"])
    return text(columns(["T", "filter", "keeps", ""], rows, [5, 10, 6, 10], left=2))


def predict_17(model: Any) -> str:
    """The errors of a rounded row, without and with one large number in it."""
    del model
    row = make_weights()["lm_head.weight"][WORDS.index("and")]
    largest = int(np.abs(row).argmax())
    wild = row.copy()
    wild[largest] *= 10

    def error(weights: Array) -> Array:
        rounded, scale = load_solution(17).quantize_rows(weights[None])
        found: Array = rounded[0] * scale[0] - weights
        return found

    rows = [
        [number(w, 1), number(a, 4), number(v, 1), number(b, 4)]
        for w, a, v, b in zip(row, error(row), wild, error(wild), strict=True)
    ]
    headings = ["weight", "error", "weight", "error"]
    return text(columns(headings, rows, [6, 10, 12, 10], left=0))


def predict_18(model: Any) -> str:
    """Pages and empty slots of one text, by the size of a page."""
    del model
    step = load_solution(18)
    tokens = [0] * 9
    rows = []
    for size in (1, 4, 16, 128):
        pages = step.Pages(len(tokens), size).missing(step.Text(tokens))
        rows.append([str(size), str(pages), str(pages * size - len(tokens))])
    return text(columns(["tokens a page", "pages", "empty"], rows, [13, 8, 8]))


def predict_19(model: Any) -> str:
    """What is proposed in a text that goes round in circles."""
    del model
    words = ["and", "ran", "and", "ran", "and", "ran"]
    tokens = [WORDS.index(word) for word in words]
    found = load_solution(19).find_proposal(tokens, 2, 4)
    return text(
        f"text      {' '.join(words)}\nproposed  {' '.join(WORDS[i] for i in found)}"
    )


def predict_20(model: Any) -> str:
    """The pause after eight requests have broken off, and after eight trials."""
    del model
    together, trials = (load_solution(20).Breaker(1.0, 30.0) for _ in range(2))
    for place in range(8):
        together.failed(0.0, 2.0 + place / 100)
        began = max(trials.until, 0.0)
        trials.failed(began, began + 0.01)
    return text(
        columns(
            ["what failed", "pause (s)"],
            [
                ["eight requests that were under way", f"{together.pause:g}"],
                ["eight trials, one after the other", f"{trials.pause:g}"],
            ],
            [35, 10],
        )
    )


PREDICTIONS: list[Callable[[Any], str]] = [
    predict_01,
    predict_02,
    predict_03,
    predict_04,
    predict_05,
    predict_06,
    predict_07,
    predict_08,
    predict_09,
    predict_10,
    predict_11,
    predict_12,
    predict_13,
    predict_14,
    predict_15,
    predict_16,
    predict_17,
    predict_18,
    predict_19,
    predict_20,
    predict_bpe,
]
