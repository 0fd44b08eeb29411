"""The worked examples of steps 1 to 12."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor

from book.numbers import byte_pairs
from book.numbers.attention import first_attention
from book.numbers.example import (
    DEVICE,
    PROMPT,
    SIZES,
    WORDS,
    Array,
    columns,
    embedded,
    make_tokenizer,
    make_weights,
    number,
    page,
    softmax,
    table,
    text,
    token_ids,
    vertical,
)
from course.check.building import build, tensor
from course.check.loading import load_solution


def step_01(model: Any) -> str:
    """Sizes of the two models, and where the parameters of GPT-2 small are."""
    small = load_solution(1).GPT2Config()
    sizes = table(
        ["field", "GPT-2 small", "example"],
        [
            [f"`{name}`", f"{getattr(small, name)}", f"{value}"]
            for name, value in SIZES.items()
        ],
    )
    shown = [f"{i} {word}" for i, word in enumerate(WORDS)]
    vocabulary = columns(["", *[""] * 4], [shown[:5], shown[5:]], [8] * 5, left=5)
    prompt = columns(
        ["", *[""] * 3],
        [PROMPT, [str(WORDS.index(word)) for word in PROMPT]],
        [6] * 4,
        left=4,
    )
    return page(
        sizes=sizes,
        words=text(f"{vocabulary}\n\n{prompt}"),
        counts=counts(),
    )


def counts() -> str:
    """Where the parameters are, counted on the models that the solutions make."""
    columns_ = []
    for config in (
        load_solution(1).GPT2Config(),
        load_solution(1).GPT2Config(**SIZES),
    ):
        with F.lazy():
            model = load_solution(11).MaxGPT2LMHeadModel(config)
        sizes = {
            name: math.prod(int(d) for d in parameter.shape)
            for name, parameter in model.parameters
        }

        def count(prefix: str, sizes: dict[str, int] = sizes) -> int:
            return sum(n for name, n in sizes.items() if name.startswith(prefix))

        block = "transformer.h.0."
        columns_.append(
            [
                count("transformer.wte"),
                count("transformer.wpe"),
                count(f"{block}ln_1"),
                count(f"{block}attn"),
                count(f"{block}ln_2"),
                count(f"{block}mlp"),
                count(block),
                count("transformer.h."),
                count("transformer.ln_f"),
                count("transformer."),
            ]
        )
    names = [
        "`wte`, token embeddings",
        "`wpe`, position embeddings",
        "`ln_1` of one block",
        "`attn` of one block",
        "`ln_2` of one block",
        "`mlp` of one block",
        "one block in all",
        "all blocks",
        "`ln_f`",
        "**the whole model**",
    ]
    rows = [
        [name, f"{a:,}", f"{b:,}"] for name, a, b in zip(names, *columns_, strict=True)
    ]
    return table(["piece", "GPT-2 small", "example"], rows)


def step_02(model: Any) -> str:
    """Two masks, and what the softmax makes of one."""
    causal_mask = load_solution(2).causal_mask

    def mask(rows: int, past: int) -> Array:
        made = causal_mask(rows, past, dtype=DType.float32, device=DEVICE)
        return np.asarray(made.to_numpy())

    def shown(array: Array, row_names: Sequence[str], names: Sequence[str]) -> str:
        rows = [
            [name, *("-inf" if np.isinf(v) else number(v, 0) for v in row)]
            for name, row in zip(row_names, array, strict=True)
        ]
        return text(columns(["", *names], rows, [4, *[6] * len(names)]))

    square = mask(4, 0)
    weights = F.softmax(tensor(square, DEVICE)).to_numpy()
    rows = [
        [name, *(number(v) for v in row)]
        for name, row in zip(PROMPT, weights, strict=True)
    ]
    return page(
        mask=shown(square, PROMPT, PROMPT),
        weights=text(columns(["", *PROMPT], rows, [4, 6, 6, 6, 6])),
        past=shown(mask(2, 2), PROMPT[2:], PROMPT),
    )


def step_03(model: Any) -> str:
    """Layer normalization of one vector, in stages."""
    body = model.transformer
    x = embedded(body)
    ln_1 = body.h[0].ln_1
    plain = load_solution(3).LayerNorm(SIZES["n_embd"])
    cat = x.to_numpy()[0, 1].astype(np.float64)
    normalized = plain(x).to_numpy()[0, 1]
    output = ln_1(x).to_numpy()[0, 1]
    stats = [
        ["x", number(cat.mean()), number(cat.var())],
        ["normalized", number(normalized.mean()), number(normalized.var())],
        ["output", number(output.mean()), number(output.var())],
    ]
    numbers = vertical(
        ["x", "x - mean", "normed", "output"],
        [cat, cat - cat.mean(), normalized, output],
    )
    return page(
        stages=text(numbers),
        statistics=text(columns(["", "mean", "variance"], stats, [10, 8, 10])),
    )


def step_04(model: Any) -> str:
    """GELU in its two forms, and one vector through the feed-forward network."""
    xs = [-3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0]
    curved = F.gelu(
        tensor(np.array(xs, dtype=np.float32), DEVICE), approximate="tanh"
    ).to_numpy()
    rows = []
    for x, approximate in zip(xs, curved, strict=True):
        exact = x * 0.5 * (1 + math.erf(x / math.sqrt(2)))
        rows.append([number(x, 1), number(exact, 4), number(approximate, 4)])
    gelu = columns(["x", "exact", "tanh form"], rows, [6, 11, 11], left=0)

    block = model.transformer.h[0]
    read = block.ln_2(after_attention(model.transformer))
    wide = block.mlp.c_fc(read)
    bent = F.gelu(wide, approximate="tanh")
    narrow = block.mlp(read).to_numpy()[0, 1]
    before, after = wide.to_numpy()[0, 1], bent.to_numpy()[0, 1]
    hidden = columns(
        ["unit", "after c_fc", "after GELU"],
        [[str(i), number(before[i]), number(after[i])] for i in range(6)]
        + [["…", "…", "…"]]
        + [[str(i), number(before[i]), number(after[i])] for i in (30, 31)],
        [4, 12, 12],
    )
    ends = vertical(["read", "returned"], [read.to_numpy()[0, 1], narrow], 10)
    negative = through_gelu(float(before[NEGATIVE]))
    assert math.isclose(negative[-1][1], after[NEGATIVE], abs_tol=1e-5)
    followed = [[said, number(value, 3)] for said, value in negative]
    return page(
        gelu=text(gelu),
        hidden=text(hidden),
        negative=text(columns(["", ""], followed, [28, 8])),
        ends=text(ends),
    )


NEGATIVE = 2
"""The unit of the feed-forward network that step 04 follows through GELU."""


def through_gelu(x: float) -> list[tuple[str, float]]:
    """The tanh form of GELU, one operation after the other."""
    inner = x + 0.044715 * x**3
    bent = math.tanh(math.sqrt(2 / math.pi) * inner)
    share = 0.5 * (1 + bent)
    return [
        ("x", x),
        ("x + 0.044715 x³", inner),
        ("√(2/π) times that", math.sqrt(2 / math.pi) * inner),
        ("tanh of that", bent),
        ("plus 1, and half of it", share),
        ("x times that", share * x),
    ]


def rows_of(array: Array, names: Sequence[str], marked: Sequence[bool]) -> str:
    """Set vectors of numbers with one decimal, one vector in a row."""
    return "\n".join(
        f"{'>' if mark else ' '} {name:4}" + "".join(f"{number(v, 1):>5}" for v in row)
        for name, row, mark in zip(names, array, marked, strict=True)
    )


def step_05(model: Any) -> str:
    """The table of token embeddings, and the rows that the prompt picks."""
    config = load_solution(1).GPT2Config(**SIZES)
    weight = make_weights()["transformer.wte.weight"]
    embeddings = build(
        lambda: load_solution(5).GPT2Embeddings(config), {"wte.weight": weight}, DEVICE
    )
    found = embeddings(token_ids(PROMPT)).to_numpy()[0]
    return page(
        merges=text(byte_pairs.merged()),
        table=text(rows_of(weight, WORDS, [word in PROMPT for word in WORDS])),
        rows=text(rows_of(found, PROMPT, [False] * 4)),
    )


def step_06(model: Any) -> str:
    """The position embeddings, and their sum with the token embeddings."""
    config = load_solution(1).GPT2Config(**SIZES)
    weight = make_weights()["transformer.wpe.weight"]
    positions = build(
        lambda: load_solution(6).GPT2PositionEmbeddings(config),
        {"wpe.weight": weight},
        DEVICE,
    )
    found = positions(token_ids(PROMPT)).to_numpy()
    total = embedded(model.transformer).to_numpy()[0]
    return page(
        rows=text(rows_of(found, [str(i) for i in range(4)], [False] * 4)),
        sums=text(rows_of(total, PROMPT, [False] * 4)),
    )


def step_07(model: Any) -> str:
    """Attention in the first block: one query in full, then all the weights."""
    seen = first_attention(model)

    def vectors(names: Sequence[str], array: Array) -> list[list[str]]:
        return [
            [name, *(number(x) for x in row)]
            for name, row in zip(names, array, strict=True)
        ]

    head, last = 0, 3
    one_query = columns(
        ["", "", "", "", ""],
        [
            ["query", "", "", "", ""],
            *vectors(["  down"], seen.query[head, last:]),
            ["keys", "", "", "", ""],
            *vectors([f"  {word}" for word in PROMPT], seen.key[head]),
        ],
        [8, 7, 7, 7, 7],
    )
    rows = [
        [
            word,
            number(seen.products[head, last, i]),
            number(seen.scores[head, last, i]),
            number(seen.weights[head, last, i]),
        ]
        for i, word in enumerate(PROMPT)
    ]
    one_result = columns(["key", "q · k", "score", "weight"], rows, [6, 9, 9, 9])
    values = columns(
        ["", "", "", "", ""],
        [
            ["values", "", "", "", ""],
            *vectors([f"  {word}" for word in PROMPT], seen.value[head]),
            ["mixed", "", "", "", ""],
            *vectors(["  down"], seen.mixed[head, last:]),
        ],
        [8, 7, 7, 7, 7],
    )

    def square(array: Array) -> str:
        return columns(["", *PROMPT], vectors(PROMPT, array), [5, 7, 7, 7, 7])

    both = f"head 0\n{square(seen.weights[0])}\n\nhead 1\n{square(seen.weights[1])}"
    return page(
        query=text(one_query),
        scores=text(one_result),
        values=text(values),
        weights=text(both),
    )


def step_08(model: Any) -> str:
    """The residual step of one token, in stages."""
    body = model.transformer
    block = body.h[0]
    x = embedded(body)
    read = block.ln_1(x)
    written = block.attn(read)
    after = load_solution(8).pre_norm_residual(x, block.ln_1, block.attn)
    stages = [array.to_numpy()[0, 1] for array in (x, read, written, after)]
    return page(stages=text(vertical(["x", "ln_1(x)", "attn", "sum"], stages)))


def step_09(model: Any) -> str:
    """One token through a block, and which positions see a changed word."""
    body = model.transformer
    block = body.h[0]
    x = embedded(body)
    halfway = after_attention(body)
    out = block(x)
    stages = [array.to_numpy()[0, 1] for array in (x, halfway, out)]

    def change(position: int, word: str) -> list[str]:
        words = [*PROMPT]
        words[position] = word
        other = block(embedded(body, words))
        difference = np.abs(other.to_numpy() - out.to_numpy())[0].max(axis=-1)
        return [f"{PROMPT[position]} → {word}", *(number(d) for d in difference)]

    changes = columns(
        ["changed", *PROMPT],
        [change(0, "dog"), change(1, "dog"), change(2, "ran"), change(3, "up")],
        [10, 7, 7, 7, 7],
    )
    return page(
        stages=text(vertical(["in", "+ attn", "+ mlp"], stages, 10)),
        changes=text(changes),
    )


def step_10(model: Any) -> str:
    """The residual stream of the last token, from the embeddings to the end."""
    body = model.transformer
    x = embedded(body)
    first = body.h[0](x)
    second = body.h[1](first)
    final = body(token_ids(PROMPT))
    assert np.allclose(final.to_numpy(), body.ln_f(second).to_numpy(), atol=1e-5)
    stages = [array.to_numpy()[0, -1] for array in (x, first, second, final)]
    rows = [
        [name, number(stage.mean()), number(stage.var())]
        for name, stage in zip(
            ["embedded", "block 0", "block 1", "ln_f"], stages, strict=True
        )
    ]
    return page(
        stages=text(vertical(["embedded", "block 0", "block 1", "ln_f"], stages)),
        statistics=text(columns(["after", "mean", "variance"], rows, [10, 8, 10])),
    )


def step_11(model: Any) -> str:
    """Logits at the last position, one of them as a dot product."""
    ids = token_ids(PROMPT)
    logits = model(ids).to_numpy()[0]
    hidden = model.transformer(ids).to_numpy()[0, -1]
    best = int(logits[-1].argmax())
    row = make_weights()["lm_head.weight"][best]
    product = hidden * row
    dot = vertical(["hidden", f"row {best}", "product"], [hidden, row, product])
    dot += "\n" + columns(
        ["", "", "", ""],
        [["", "", "sum", number(product.sum())]],
        [1, 9, 9, 9],
    )
    probabilities = softmax(logits[-1])
    order = np.argsort(-logits[-1])
    rows = [[WORDS[i], number(logits[-1, i]), number(probabilities[i])] for i in order]
    guesses = [
        [" ".join(PROMPT[: i + 1]), WORDS[int(row.argmax())]]
        for i, row in enumerate(logits)
    ]
    return page(
        dot=text(dot),
        logits=text(columns(["token", "logit", "probability"], rows, [6, 9, 13])),
        guesses=text(columns(["read so far", "likeliest"], guesses, [18, 10], left=2)),
    )


def step_12(model: Any) -> str:
    """Temperatures, and texts token by token."""
    generation = load_solution(12)
    tokenizer = make_tokenizer()
    ids = generation.encode_text(" ".join(PROMPT), tokenizer, device=DEVICE)
    encoded = f'"{" ".join(PROMPT)}"\n→ {ids.to_numpy().tolist()}  shape [1, 4]'
    logits = model(ids)[:, -1, :]
    temperatures = [0.5, 1.0, 2.0]
    at = [F.softmax(logits / t).to_numpy()[0] for t in temperatures]
    order = np.argsort(-at[1])
    rows = [[WORDS[i], *(number(p[i]) for p in at)] for i in order]
    spread = columns(["token", *(f"T = {t}" for t in temperatures)], rows, [6, 9, 9, 9])

    words = [*PROMPT]
    lines = []
    for token in generation.generate_tokens(model, ids, 4):
        word = generation.decode_tokens(token, tokenizer)
        lines.append([" ".join(words[4:]) or "(only the prompt)", word])
        words.append(word)
    loop = columns(["after the prompt", "chosen"], lines, [18, 8], left=2)
    return page(encoded=text(encoded), loop=text(loop), spread=text(spread))


def after_attention(body: Any) -> Tensor:
    """The residual stream in the middle of the first block."""
    block = body.h[0]
    stream: Tensor = load_solution(8).pre_norm_residual(
        embedded(body), block.ln_1, block.attn
    )
    return stream


MAKERS = [
    step_01,
    step_02,
    step_03,
    step_04,
    step_05,
    step_06,
    step_07,
    step_08,
    step_09,
    step_10,
    step_11,
    step_12,
]
