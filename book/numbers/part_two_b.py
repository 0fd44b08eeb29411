"""The worked examples of steps 15 and 17, made as those in `make.py` are.

python -m book.numbers.part_two_b
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor

from book.numbers.make import (
    DEVICE,
    PROMPT,
    SIZES,
    WORDS,
    Array,
    columns,
    embedded,
    make_model,
    make_weights,
    number,
    page,
    softmax,
    table,
    text,
    token_ids,
    write,
)
from course.check.loading import load_solution
from course.runtime import prepare

BANDWIDTH = 26e9
"""Bytes a second: what the two cores that the book was measured on can read."""


def step_15(model: Any) -> str:
    """Keys of a text that grows, a query against them, and texts with padding."""
    grown = [*PROMPT, "and"]
    body = model.transformer
    attn = body.h[1].attn

    def heads_of(words: Sequence[str]) -> tuple[Array, Array, Array]:
        read = body.h[1].ln_1(body.h[0](embedded(body, words)))
        parts = F.split(attn.c_attn(read), [SIZES["n_embd"]] * 3, axis=-1)
        query, key, value = (attn.split_heads(part).to_numpy()[0, 0] for part in parts)
        return query, key, value

    _, before, _ = heads_of(PROMPT)
    query, keys, _ = heads_of(grown)
    assert np.allclose(before, keys[:4], atol=1e-6)

    def vectors(words: Sequence[str], array: Array) -> list[list[str]]:
        return [
            [f"  {word}", *(number(x) for x in row)]
            for word, row in zip(words, array, strict=True)
        ]

    both = columns(
        [""] * 5,
        [
            ["four words", *[""] * 4],
            *vectors(PROMPT, before),
            ["five words", *[""] * 4],
            *vectors(grown, keys),
        ],
        [10, 7, 7, 7, 7],
    )
    scores = keys @ query[-1] / math.sqrt(keys.shape[-1])
    weights = softmax(scores)
    rows = [
        [word, "kept" if word in PROMPT else "new", number(score), number(weight)]
        for word, score, weight in zip(grown, scores, weights, strict=True)
    ]
    return page(
        keys=text(both),
        scores=text(columns(["key", "", "score", "weight"], rows, [6, 6, 8, 8])),
        **padded_texts(),
    )


def padded_texts() -> dict[str, str]:
    """What step 15's decoder hands to the model for two texts of different length."""
    handed = []

    def model(input_ids: Tensor, positions: Any, caches: Any) -> Tensor:
        arrays = (input_ids, positions.position_ids, positions.start, positions.mask)
        handed.append([np.array(array.to_numpy()) for array in arrays])
        return Tensor.from_dlpack(np.zeros((2, len(WORDS)), dtype=np.float32))

    def ids(words: Sequence[str]) -> list[int]:
        return [WORDS.index(word) for word in words]

    config = load_solution(1).GPT2Config(**SIZES)
    decoder = load_solution(15).Decoder(model, config, capacity=8, device=DEVICE)
    texts = [PROMPT, ["the", "dog"]]
    decoder.prefill([ids(words) for words in texts])
    decoder.decode(ids(["and", "ran"]))
    padded = [["-"] * (4 - len(words)) + words for words in texts]
    new = [["and"], ["ran"]]

    def stands(call: int, words: Sequence[Sequence[str]]) -> str:
        _, position_ids, start, _ = handed[call]
        rows = [["start", str(start), *[""] * (len(words[0]) - 1)]]
        for row, names in enumerate(words):
            rows.append([f"text {row}", *names])
            rows.append(["  position", *map(str, position_ids[row])])
        return text(columns([""] * len(rows[0]), rows, [10, *[7] * len(words[0])]))

    def mask(call: int, row: int, looking: Sequence[str], seen: Sequence[str]) -> str:
        hidden = handed[call][3][row, 0] < 0
        rows = [
            [name, *("hide" if h else "0" for h in line)]
            for name, line in zip(looking, hidden, strict=True)
        ]
        return text(columns(["", *seen], rows, [4, *[6] * len(seen)]))

    return {
        "prefill": stands(0, padded),
        "mask": mask(0, 1, padded[1], padded[1]),
        "decode": stands(1, new),
        "next_mask": mask(1, 1, new[1], [*padded[1], *new[1]]),
    }


def step_17(model: Any) -> str:
    """Bytes for each token; one row rounded; scales; what becomes of the logits."""
    kernel = load_solution(17)
    hidden = model.transformer(token_ids(PROMPT)).to_numpy()[0, -1]
    head = make_weights()["lm_head.weight"]
    best = int((head @ hidden).argmax())
    kept = {
        dtype: kernel.quantize_weights({"lm_head.weight": head}, dtype)
        for dtype in kernel.WEIGHT_DTYPES
    }
    rounded, scale = (
        kept[DType.int8][f"lm_head.{name}"] for name in ("weight", "scale")
    )
    restored = rounded * scale[:, None]
    rows = [
        [
            number(head[best, i], 1),
            number(head[best, i] / scale[best]),
            str(rounded[best, i]),
            number(restored[best, i], 4),
            number(restored[best, i] - head[best, i], 4),
        ]
        for i in range(SIZES["n_embd"])
    ]
    one_row = f"scale  {number(np.abs(head[best]).max(), 1)} / 127 = "
    one_row += f"{number(scale[best], 6)}\n\n"
    one_row += columns(
        ["weight", "/ scale", "int8", "× scale", "error"], rows, [6, 9, 6, 9, 9], left=0
    )

    # A small row beside a large one.
    pair = np.array([[0.02, -0.05, 0.03, 0.01], [2.0, -1.0, 0.5, 1.5]], np.float32)
    common, one_scale = kernel.quantize_rows(pair.reshape(1, -1))
    own, scales = kernel.quantize_rows(pair)
    shared = (common * one_scale[:, None]).reshape(pair.shape)
    apart = own * scales[:, None]
    compared = columns(
        [""] * 5,
        [
            ["small row", *(number(v, 3) for v in pair[0])],
            ["one scale", *(number(v, 3) for v in shared[0])],
            ["its own", *(number(v, 3) for v in apart[0])],
        ],
        [10, 8, 8, 8, 8],
    )

    bits = kept[DType.bfloat16]["lm_head.weight"].view(DType.uint16).to_numpy()
    half = bits.view(ml_dtypes.bfloat16).astype(np.float32)
    logits = [matrix @ hidden for matrix in (head, half, restored)]
    order = np.argsort(-logits[0])
    lines = [[WORDS[i], *(number(column[i], 4) for column in logits)] for i in order]
    return page(
        bytes=bytes_read(),
        row=text(one_row),
        scales=text(compared),
        logits=text(
            columns(["token", "float32", "bfloat16", "int8"], lines, [6, 10, 10, 10])
        ),
    )


def bytes_read() -> str:
    """What a token has to read of GPT-2 small, and how long that takes at least."""
    with F.lazy():
        small = load_solution(1).GPT2Config()
        model = load_solution(11).MaxGPT2LMHeadModel(small)
    matrices = rows = rest = 0
    for name, parameter in model.parameters:
        count = math.prod(int(d) for d in parameter.shape)
        if name.endswith(load_solution(17).LINEAR_WEIGHTS):
            matrices += count
            rows += int(parameter.shape[0])
        elif not name.startswith(("transformer.wte", "transformer.wpe")):
            rest += count
    lines = []
    for dtype, size in (("float32", 4), ("bfloat16", 2), ("int8", 1)):
        total = matrices * size + 4 * rest + (4 * rows if size == 1 else 0)
        seconds = total / BANDWIDTH
        lines.append(
            [
                dtype,
                str(size),
                f"{total / 1e6:.0f} MB",
                f"{1000 * seconds:.1f} ms",
                f"{1 / seconds:.0f}",
            ]
        )
    return table(
        ["weights in", "bytes each", "read", "at least", "tokens a second, at most"],
        lines,
    )


MAKERS = [step_15, step_17]


if __name__ == "__main__":
    prepare()
    tiny = make_model()
    write({f"{make.__name__}.md": make(tiny) for make in MAKERS})
