"""The worked examples of steps 13 to 17."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

import ml_dtypes
import numpy as np
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.compilation import stage
from max.experimental.tensor import Tensor, default_device, default_dtype
from max.graph import TensorType
from tokenizers import Tokenizer

from book.gpt2 import GPT2
from book.measured import last_results
from book.numbers.example import (
    DEVICE,
    PROMPT,
    WORDS,
    Array,
    columns,
    embedded,
    make_weights,
    number,
    page,
    six_tokens,
    softmax,
    table,
    text,
    token_ids,
)
from book.numbers.example import SIZES as TINY
from course.bench.figures import bandwidth
from course.check.building import tensor
from course.check.loading import load_solution
from course.model.checkpoint import stored_shapes
from course.model.config import GPT2Config
from course.steps import DEMO_MODEL

BANDWIDTH = bandwidth(last_results())
"""Bytes a second: what the two cores that the book was measured on can read."""


def count(config: GPT2Config, part: str = "transformer.") -> int:
    """How many parameters of a GPT-2 have names that begin so."""
    shapes = stored_shapes(config)
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
        in_file = shape[::-1] if name.endswith(step.CONV1D_WEIGHTS) else shape
        rows.append([f"`{name}`", f"`{in_file}`", f"`{shape}`"])
    names_and_shapes = table(["name in the file", "there", "in our model"], rows)

    sizes = []
    for name, config in step.GPT2_SIZES.items():
        numbers = (config.n_embd, config.n_layer, config.n_head)
        total = f"{count(config) / 1e6:,.0f} M"
        sizes.append([f"`{name}`", *(f"{number:,}" for number in numbers), total])
    headings = ["name", "`n_embd`", "`n_layer`", "`n_head`", "parameters"]
    return page(
        sums=text(columns(["", "", ""], sums, [9, 9, 3], left=3)),
        names=names_and_shapes,
        sizes=table(headings, sizes),
    )


def step_14(model: Any) -> str:
    """What leaves the graph, what the head costs, and one model for two shapes."""
    vocab, n_embd = GPT2.vocab_size, GPT2.n_embd
    rows = []
    for length in (1, 16, 512, 1024):
        whole, last = length * vocab, vocab
        rows.append(
            [
                f"{length:,}",
                f"{whole * 4 / 1e6:.1f}",
                f"{last * 4 / 1e6:.1f}",
                f"{length * vocab * n_embd / 1e6:,.0f}",
                f"{vocab * n_embd / 1e6:,.0f}",
            ]
        )
    head = table(["tokens", "logits", "last", "products", "last"], rows)
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
    return page(
        operations=operations(),
        graph=text(part_of_graph()),
        head=head,
        shapes=text(shapes),
    )


def graph_of(config: Any) -> str:
    """The graph of a GPT-2 that scores the last position, as MAX prints it."""
    with default_device(DEVICE), default_dtype(DType.float32), F.lazy():
        model = load_solution(11).MaxGPT2LMHeadModel(config)
    input_type = TensorType(DType.int64, ["batch", "seq_length"], device=DEVICE)
    return str(stage(load_solution(14).NextTokenLogits(model))(input_type))


def part_of_graph() -> str:
    """What is printed for the first attention and for the end, with less of types."""
    operation = re.compile(
        r"(%\d+) = (?:\w+\.)+(\w+)\((%.*?)\).* -> !mo.tensor<(\[.*?\])"
    )
    calls = operation.findall(graph_of(load_solution(1).GPT2Config(**TINY)))
    names = [name for _, name, _, _ in calls]
    first_softmax = names.index("softmax")
    last_norm = len(names) - 1 - names[::-1].index("layer_norm")
    parts = calls[first_softmax - 5 : first_softmax + 2], calls[last_norm:]
    return "\n…\n".join(
        "\n".join(f"{to} = {name}({of})\n    {shape}" for to, name, of, shape in part)
        for part in parts
    )


def operations_of(n_layer: int) -> Counter[str]:
    """The operations in the graph of a GPT-2 of so many blocks."""
    # How many there are depends on the depth alone: this model is narrow.
    config = load_solution(1).GPT2Config(
        vocab_size=100, n_positions=16, n_embd=48, n_layer=n_layer
    )
    names = re.findall(r"= \"?(?:rmo|mo)\.([\w.]+)", graph_of(config))
    return Counter(name.rpartition(".")[2] for name in names if "const" not in name)


def operations() -> str:
    """What the graph of a GPT-2 is made of, by operation."""
    whole, less = operations_of(GPT2.n_layer), operations_of(GPT2.n_layer - 1)
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


def step_15(model: Any) -> str:
    """Keys of a text that grows, a query against them, and texts with padding."""
    grown = [*PROMPT, "and"]
    body = model.transformer
    attn = body.h[1].attn

    def heads_of(words: Sequence[str]) -> tuple[Array, Array, Array]:
        read = body.h[1].ln_1(body.h[0](embedded(body, words)))
        parts = F.split(attn.c_attn(read), [TINY["n_embd"]] * 3, axis=-1)
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

    config = load_solution(1).GPT2Config(**TINY)
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


def step_16(model: Any) -> str:
    """Six tokens past all the dials, and tokens that are no whole characters."""
    del model
    step = load_solution(16)
    words, logits = six_tokens()
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
        for i in range(TINY["n_embd"])
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
                f"{total / 1e6:.0f} MB",
                f"{1000 * seconds:.1f} ms",
                f"{1 / seconds:.0f}",
            ]
        )
    return table(
        ["weights in", "read", "at least", "tokens/s"],
        lines,
    )


MAKERS = [step_13, step_14, step_15, step_16, step_17]
