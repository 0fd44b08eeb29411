"""The worked examples of steps 13, 14 and 16, made as those in `make.py` are.

python -m book.numbers.part_two_a
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from typing import Any

import numpy as np
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.compilation import stage
from max.experimental.tensor import default_device, default_dtype
from max.graph import TensorType
from tokenizers import Tokenizer

from book.numbers.make import (
    DEVICE,
    PROMPT,
    WORDS,
    columns,
    make_model,
    make_weights,
    number,
    page,
    table,
    text,
    write,
)
from course.check.compare import tensor
from course.check.loading import load_solution
from course.checkpoint import SIZES, TRANSPOSED, expected_shapes
from course.runtime import prepare
from course.steps import DEMO_MODEL


def count(sizes: dict[str, Any], part: str = "transformer.") -> int:
    """How many parameters of a GPT-2 have names that begin so."""
    shapes = expected_shapes(sizes)
    return sum(math.prod(s) for name, s in shapes.items() if name.startswith(part))


def step_13(model: Any) -> str:
    """One layer, names and shapes in the file and in the model, and the four sizes."""
    del model
    step = load_solution(13)
    stored = np.array([[1, 2, 0], [3, 0, 4]], np.float32)
    names = ["h.0.mlp.c_fc.weight", "wte.weight"]
    turned = step.convert_weights(dict(zip(names, [stored, stored], strict=True)))
    turned = turned[f"transformer.{names[0]}"]
    x = np.array([2, 1], np.float32)
    assert np.array_equal(x @ stored, turned @ x)
    sums = [
        [
            f"output {index}",
            " + ".join(f"{a:.0f}·{w:.0f}" for a, w in zip(x, row, strict=True)),
            f"= {row @ x:.0f}",
        ]
        for index, row in enumerate(turned)
    ]
    ours = {name: value.shape for name, value in make_weights().items()}
    rows = []
    for name in (
        "wte.weight",
        "h.0.ln_1.weight",
        "h.0.attn.c_attn.weight",
        "h.0.attn.c_attn.bias",
        "h.0.mlp.c_fc.weight",
        "h.0.mlp.c_proj.weight",
        "ln_f.bias",
    ):
        shape = list(ours[f"transformer.{name}"])
        in_file = shape[::-1] if name.endswith(TRANSPOSED) else shape
        rows.append([f"`{name}`", f"`{in_file}`", f"`{shape}`"])
    names_and_shapes = table(["in the file", "shape there", "shape in our model"], rows)

    sizes = []
    for name, config in step.GPT2_SIZES.items():
        given = dataclasses.asdict(config)
        total = count(given)
        sizes.append(
            [
                f"`{name}`",
                *(f"{given[field]:,}" for field in ("n_embd", "n_layer", "n_head")),
                f"{total:,}",
                f"{total * 4 / 1e9:.2f} GB",
            ]
        )
    headings = ["name", "`n_embd`", "`n_layer`", "`n_head`", "parameters", "float32"]
    return page(
        sums=text(columns(["", "", ""], sums, [9, 9, 3], left=3)),
        names=names_and_shapes,
        sizes=table(headings, sizes),
    )


def step_14(model: Any) -> str:
    """What leaves the graph, what the head costs, and one model for two shapes."""
    vocab, n_embd = SIZES["vocab_size"], SIZES["n_embd"]
    rows = []
    for length in (1, 16, 512, 1024):
        whole, last = length * vocab, vocab
        rows.append(
            [
                f"{length:,}",
                f"{whole * 4 / 1e6:.1f} MB",
                f"{last * 4 / 1e6:.1f} MB",
                f"{length * vocab * n_embd / 1e6:,.0f} M",
                f"{vocab * n_embd / 1e6:,.0f} M",
            ]
        )
    head = table(["tokens", "logits: all", "last", "products: all", "last"], rows)
    next_token = load_solution(14).NextTokenLogits(model)
    lines = []
    batches = [[PROMPT], [PROMPT[:2]], [["the", "dog", "ran"], ["then", "up", "."]]]
    for prompts in batches:
        rows_of_ids = [[WORDS.index(word) for word in prompt] for prompt in prompts]
        ids = tensor(np.array(rows_of_ids), DEVICE)
        every, last = model(ids).to_numpy(), next_token(ids).to_numpy()
        assert np.allclose(every[:, -1:], last, atol=1e-6)
        for index, prompt in enumerate(prompts):
            likeliest = int(last[index, 0].argmax())
            lines.append(
                [
                    " ".join(prompt),
                    str(list(ids.to_numpy().shape)) if index == 0 else "",
                    str(list(last.shape)) if index == 0 else "",
                    WORDS[likeliest],
                    number(last[index, 0, likeliest]),
                ]
            )
    shapes = columns(
        ["read", "in", "out", "best", "logit"], lines, [16, 6, 10, 4, 5], left=4
    )
    return page(operations=operations(), head=head, shapes=text(shapes))


def operations() -> str:
    """What the graph of a GPT-2 is made of, by operation."""

    def counted(n_layer: int) -> Counter[str]:
        # How many there are depends on the depth alone: this model is narrow.
        config = load_solution(1).GPT2Config(
            vocab_size=100, n_positions=16, n_embd=48, n_layer=n_layer
        )
        with default_device(DEVICE), default_dtype(DType.float32), F.lazy():
            model = load_solution(11).MaxGPT2LMHeadModel(config)
        input_type = TensorType(DType.int64, ["batch", "seq_length"], device=DEVICE)
        graph = stage(load_solution(14).NextTokenLogits(model))(input_type)
        names = re.findall(r"= \"?(?:rmo|mo)\.([\w.]+)", str(graph))
        return Counter(name.rpartition(".")[2] for name in names if "const" not in name)

    whole, less = counted(SIZES["n_layer"]), counted(SIZES["n_layer"] - 1)
    rows = [
        [f"`{name}`", str(count - less[name]), str(count)]
        for name, count in whole.most_common()
        if count > less[name]
    ]
    rest = sum(count for name, count in whole.items() if count == less[name])
    rows.append(["others", "0", str(rest)])
    block = whole.total() - less.total()
    rows.append(["**all**", f"**{block}**", f"**{whole.total()}**"])
    return table(["operation", "in a block", "in GPT-2 small"], rows)


def step_16(model: Any) -> str:
    """Six tokens past all the dials, and tokens that are no whole characters."""
    del model
    step = load_solution(16)
    words = ["forest", "river", "hill", "house", "moon", "spoon"]
    logits = np.array([3.0, 2.4, 1.9, 1.3, 0.6, -0.5], np.float32)
    sampling = step.Sampling(
        temperature=1.25, top_k=5, top_p=0.9, min_p=0.3, repetition_penalty=1.2
    )
    seen = [words.index("river")]
    penalized = step.penalize_repetition(logits, seen, sampling.repetition_penalty)
    warmed = penalized / np.float32(sampling.temperature)
    top_k = step.keep_top_k(warmed, sampling.top_k)
    top_p = step.keep_top_p(top_k, sampling.top_p)
    min_p = step.keep_min_p(top_p, sampling.min_p)
    final = step.next_token_probabilities(logits, seen, sampling)
    assert np.array_equal(final, step.softmax(min_p))

    def shown(value: float) -> str:
        return "out" if value == 0 else number(value)

    scores = columns(
        ["token", "logit", "penalty", "/ 1.25", "softmax"],
        [
            [word, *(number(v) for v in values)]
            for word, *values in zip(
                words, logits, penalized, warmed, step.softmax(warmed), strict=True
            )
        ],
        [6, 7, 9, 8, 9],
    )
    kept = columns(
        ["token", "top-k", "top-p", "min-p"],
        [
            [word, *(shown(v) for v in values)]
            for word, *values in zip(
                words, *(step.softmax(x) for x in (top_k, top_p, min_p)), strict=True
            )
        ],
        [6, 9, 9, 9],
    )
    probabilities = step.softmax(top_k)
    ascending = np.argsort(top_k, kind="stable")
    cumulative = probabilities[ascending].cumsum()
    sums = columns(
        ["token", "probability", "sum so far", "top-p 0.9"],
        [
            [
                words[i],
                number(probabilities[i], 3),
                number(total, 3),
                "out" if total <= 1 - sampling.top_p else "stays",
            ]
            for i, total in zip(ascending, cumulative, strict=True)
            if probabilities[i] > 0
        ],
        [6, 12, 12, 11],
    )
    rng = np.random.default_rng(16)
    drawn = [words[step.choose_token(logits, seen, sampling, rng)] for _ in range(1000)]
    draws = columns(
        ["token", "probability", "of 1,000 draws"],
        [
            [word, number(p, 3), str(drawn.count(word))]
            for word, p in zip(words, final, strict=True)
            if p > 0
        ],
        [6, 12, 15],
    )

    tokenizer = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
    stream = step.TextStream(tokenizer)
    ids = tokenizer.encode("é 🐈").ids
    pieces = columns(
        ["token", "alone", "TextStream gives"],
        [[str(i), repr(tokenizer.decode([i])), repr(stream.add(i))] for i in ids],
        [6, 7, 16],
        left=3,
    )
    return page(
        scores=text(scores),
        sums=text(sums),
        kept=text(kept),
        draws=text(draws),
        pieces=text(pieces),
    )


MAKERS = [step_13, step_14, step_16]


if __name__ == "__main__":
    prepare()
    tiny = make_model()
    write({f"{make.__name__}.md": make(tiny) for make in MAKERS})
