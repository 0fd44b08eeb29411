"""Mistakes in step 10, the stacked model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from max.experimental.nn import Sequential

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights, under
from course.check.mistakes.parameters import (
    blocks,
    both,
    n_embd,
    n_head,
    n_layer,
    n_positions,
    resized,
    vocab_size,
    without,
)
from course.check.mistakes.refusals import rows_by_floats, when
from course.check.mistakes.step_03 import layer_norm
from course.check.mistakes.step_09 import block
from course.check.mistakes.where import Part


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """The hidden states of the case."""
    return model(expected.inputs[0], expected.weights, case.sizes, **options)


def embed(
    ids: Array,
    weights: Weights,
    *,
    positions: str = "0, 1, 2, ...",
    combined: str = "sum",
    scale: float = 0.0,
) -> Array:
    """Token embeddings plus position embeddings."""
    wte, wpe = weights["wte.weight"], weights["wpe.weight"]
    length = ids.shape[1]
    rows = {
        "0, 1, 2, ...": np.arange(length),
        "1, 2, 3, ...": np.arange(1, length + 1),
        "..., 2, 1, 0": np.arange(length)[::-1],
        "0, 0, 0, ...": np.zeros(length, dtype=int),
        "token ids": ids,
    }[positions]
    tokens = wte[ids] * np.float32(wte.shape[1] ** scale)
    if combined == "tokens only":
        return tokens
    if combined == "positions only":
        return np.broadcast_to(wpe[rows], tokens.shape)
    if combined == "tokens twice":
        return tokens + tokens
    if combined == "positions from wte":
        return tokens + wte[rows]
    if combined == "product":
        return tokens * wpe[rows]
    return tokens + wpe[rows]


def model(
    ids: Array,
    weights: Weights,
    sizes: dict[str, Any],
    *,
    stack: str = "in order",
    added: str = "nothing",
    final_norm: str = "after the blocks",
    eps: float | None = None,
    **embedding: Any,
) -> Array:
    """From token IDs to hidden states."""
    epsilon = sizes["layer_norm_epsilon"] if eps is None else eps
    order = list(range(sizes["n_layer"]))
    order = {
        "in order": order,
        "reversed": order[::-1],
        "last missing": order[:-1],
        "first missing": order[1:],
        "none": [],
        "the first only": order[:1],
        "the last only": order[-1:],
        "the first, every time": [0] * len(order),
        "the last, every time": order[-1:] * len(order),
        "each twice": [i for i in order for _ in range(2)],
        "twice through": order * 2,
        "one more": [*order, order[-1]],
    }[stack]

    def norm(x: Array) -> Array:
        return layer_norm(x, under(weights, "ln_f"), epsilon)

    embedded = x = embed(ids, weights, **embedding)
    if final_norm == "before the blocks":
        x = norm(x)
    for index in order:
        before = x
        x = block(x, under(weights, f"h.{index}"), sizes)
        if added == "each block's input":
            x = x + before
        if final_norm == "after every block":
            x = norm(x)
    if added == "embeddings":
        x = x + embedded
    if final_norm in {"after the blocks", "twice"}:
        x = norm(x)
    return norm(x) if final_norm == "twice" else x


def parts(case: Case, expected: Expected) -> list[Part]:
    """The parts of the model, each with its input and what it should make of it."""
    ids, weights, sizes = expected.inputs[0], expected.weights, case.sizes
    positions = np.arange(ids.shape[1])
    found = [
        Part("wte", ids, weights["wte.weight"][ids]),
        Part("wpe", positions, weights["wpe.weight"][positions]),
    ]
    x = embed(ids, weights)
    for index in range(sizes["n_layer"]):
        y = block(x, under(weights, f"h.{index}"), sizes)
        found.append(Part(f"h.{index}", x, y))
        x = y
    eps = sizes["layer_norm_epsilon"]
    found.append(Part("ln_f", x, layer_norm(x, under(weights, "ln_f"), eps)))
    return found


def _stack(module: Any) -> list[Any]:
    """What the reader's Sequential holds."""
    stack = getattr(module, "h", None)
    return list(stack) if isinstance(stack, Sequential) else []


SUM = "`forward`: self.wte(input_ids) + self.wpe(positions)."
BLOCKS = "self.h in `__init__`, and where `forward` calls it."
NORM = "The end of `forward`: self.ln_f."

MISTAKES = (
    Mistake(
        id="no-position-embeddings",
        what="Your model adds no position embeddings.",
        why="It cannot tell the order of the tokens, except by the causal mask.",
        look=SUM,
        ways=({"combined": "tokens only"},),
        lines=(r"self\.wte\(",),
    ),
    Mistake(
        id="no-token-embeddings",
        what="Your model uses the position embeddings only.",
        why="It does not see the text.",
        look=SUM,
        ways=({"combined": "positions only"},),
        lines=(r"self\.wpe\(",),
    ),
    Mistake(
        id="model-positions-from-one",
        what="Your positions start at 1 instead of 0.",
        why="Row 0 of wpe is the first position, and there is no row n_positions.",
        look="The line in `forward` that makes the positions.",
        ways=({"positions": "1, 2, 3, ..."},),
        lines=(
            r"\+ 1\b",
            r"arange",
        ),
    ),
    Mistake(
        id="model-positions-wrong",
        what="Your positions are all 0, or run backwards.",
        why="They have to be 0, 1, 2, … for wpe to tell the order of the tokens.",
        look="The line in `forward` that makes the positions.",
        ways=({"positions": "0, 0, 0, ..."}, {"positions": "..., 2, 1, 0"}),
        lines=(
            r"::-1",
            r"- 1 - ",
            r"zeros",
            r"positions - positions",
            r"arange",
        ),
    ),
    Mistake(
        id="model-positions-without-dtype",
        what="Your positions are floats.",
        why="Tensor.arange makes floats unless it is told a dtype.",
        look="Tensor.arange(seq_length, dtype=input_ids.dtype, ...).",
        refused=(rows_by_floats,),
    ),
    Mistake(
        id="positions-of-the-batch",
        what="You make a position for each sequence of the batch, not for each token.",
        why="The input is [batch, seq_length]; positions run along the second axis.",
        look="`forward`: _, seq_length = input_ids.shape.",
        refused=(when("Add", "bln", "bn"),),
    ),
    Mistake(
        id="wpe-of-ids",
        what="You give wpe the token IDs instead of the positions.",
        why="wpe has a row for each position; what a token is, wte knows.",
        look=SUM,
        ways=({"positions": "token ids"},),
        lines=(r"self\.wpe\(",),
    ),
    Mistake(
        id="wte-twice",
        what="You add the token embeddings twice, or look positions up in wte.",
        why="Positions have a table of their own, wpe.",
        look=SUM,
        ways=({"combined": "tokens twice"}, {"combined": "positions from wte"}),
        lines=(r"self\.wte\(",),
    ),
    Mistake(
        id="embeddings-multiplied",
        what="You multiply token and position embeddings instead of adding them.",
        why="GPT-2 adds them.",
        look=SUM,
        ways=({"combined": "product"},),
        lines=(r"self\.wte\(",),
    ),
    Mistake(
        id="model-embedding-scaled",
        what="Your token embeddings are multiplied or divided by √n_embd.",
        why="The first transformer multiplied them; GPT-2 takes them as they are.",
        look=SUM,
        ways=({"scale": 0.5}, {"scale": -0.5}),
        lines=(r"self\.wte\(",),
    ),
    Mistake(
        id="no-final-norm",
        what="Your model ends without the final layer norm, ln_f.",
        why="The stream is not normalized by the blocks; lm_head expects it to be.",
        look=NORM,
        ways=({"final_norm": "none"},),
        lines=(r"return",),
    ),
    Mistake(
        id="final-norm-first",
        what="Your ln_f comes before the blocks instead of after them.",
        why="It is there to normalize what the blocks have made.",
        look=NORM,
        ways=({"final_norm": "before the blocks"},),
        lines=(r"ln_f\(",),
    ),
    Mistake(
        id="final-norm-twice",
        what="Your ln_f is applied twice.",
        why="Its scale and shift are applied twice with it.",
        look=NORM,
        ways=({"final_norm": "twice"},),
        lines=(r"ln_f\(",),
    ),
    Mistake(
        id="final-norm-every-block",
        what="Your ln_f is applied after every block.",
        why="It belongs after the last one; blocks have layer norms of their own.",
        look=NORM,
        ways=({"final_norm": "after every block"},),
        lines=(r"ln_f\(",),
    ),
    Mistake(
        id="model-epsilon-ignored",
        what="Your ln_f does not get the configuration's layer_norm_epsilon.",
        why="LayerNorm falls back on 1e-5, which is right for GPT-2 but not for every "
        "configuration.",
        look="`__init__`: LayerNorm(config.n_embd, eps=config.layer_norm_epsilon).",
        ways=tuple({"eps": eps} for eps in (1e-5, 1e-6, 1e-12)),
        lines=(r"ln_f =",),
    ),
    Mistake(
        id="no-blocks",
        what="Your blocks are not applied.",
        why="Without them the model is a table.",
        look=BLOCKS,
        ways=({"stack": "none"},),
        lines=(r"self\.h\b(?! =)",),
    ),
    Mistake(
        id="blocks-reversed",
        what="Your blocks run from the last to the first.",
        why="Each has learned to work on what the ones before it leave behind.",
        look=BLOCKS,
        ways=({"stack": "reversed"},),
        lines=(r"reversed", r"self\.h\b(?! =)"),
    ),
    Mistake(
        id="last-block-missing",
        what="Your last block is not applied.",
        why="All n_layer blocks belong to the model.",
        look=BLOCKS,
        ways=({"stack": "last missing"},),
        lines=(r"- 1", r"\[:-1\]", r"self\.h\b(?! =)"),
    ),
    Mistake(
        id="first-block-missing",
        what="Your first block is not applied.",
        why="All n_layer blocks belong to the model.",
        look=BLOCKS,
        ways=({"stack": "first missing"},),
        lines=(r"1:", r"self\.h\b(?! =)"),
    ),
    Mistake(
        id="first-block-repeated",
        what="You apply the first block n_layer times.",
        why="Every layer has weights of its own.",
        look=BLOCKS,
        ways=({"stack": "the first, every time"},),
        lines=(r"self\.h\b(?! =)",),
    ),
    Mistake(
        id="blocks-share-weights",
        what="All your blocks are the same block, so they share their weights.",
        why="Every layer has weights of its own: GPT-2 loses eleven of its twelve.",
        look="self.h in `__init__`: GPT2Block(config) has to be called for each "
        "layer. `[block] * n` repeats one.",
        ways=({"stack": "the last, every time"},),
        lines=(r"GPT2Block\(", r"self\.h ="),
    ),
    Mistake(
        id="blocks-not-chained",
        what="Your blocks are not chained: only one block's work reaches the end.",
        why="Each block has to get what the one before it gives.",
        look="The loop in `forward`: x = block(x).",
        ways=({"stack": "the last only"}, {"stack": "the first only"}),
        lines=(r"block\(", r"self\.h\b(?! =)"),
    ),
    Mistake(
        id="blocks-applied-twice",
        what="Your blocks are applied twice.",
        why="A GPT-2 of n_layer layers runs through each once.",
        look=BLOCKS,
        ways=({"stack": "twice through"}, {"stack": "each twice"}),
        lines=(r"self\.h\b(?! =)",),
    ),
    Mistake(
        id="residual-around-block",
        what="You add a residual around each block.",
        why="The block adds its input itself, once for each half.",
        look="The loop in `forward`: x = block(x).",
        ways=({"added": "each block's input"},),
        lines=(
            r"\+.*block\(",
            r"block\(.*\+",
            r"\+ residual",
            r"\+ x\b",
        ),
        within="forward",
    ),
    Mistake(
        id="embeddings-added-again",
        what="You add the embeddings once more after the blocks.",
        why="The residual stream already carries them through.",
        look="`forward`, before ln_f.",
        ways=({"added": "embeddings"},),
        lines=(
            r"\+.*self\.h\b",
            r"self\.h\b.*\+",
        ),
        within="forward",
    ),
    Mistake(
        id="blocks-not-unpacked",
        what="You give Sequential one list or generator of blocks, not the blocks.",
        why="Sequential(a, b, c) takes each block as an argument of its own; a star "
        "unpacks a list or a generator into arguments.",
        look="self.h in `__init__`: Sequential(*(...)), with the star.",
        seen_in=lambda module: any(
            isinstance(part, Iterator | list | tuple) for part in _stack(module)
        ),
        lines=(r"Sequential\(", r"self\.h ="),
    ),
    Mistake(
        id="blocks-not-created",
        what="You give Sequential the class GPT2Block instead of blocks.",
        why="GPT2Block(config) makes a block, with weights of its own.",
        look="self.h in `__init__`: GPT2Block(config), for each layer.",
        seen_in=lambda module: any(isinstance(part, type) for part in _stack(module)),
        lines=(r"GPT2Block", r"self\.h ="),
    ),
    Mistake(
        id="layers-as-many-as-heads",
        what="Your model has n_head blocks instead of n_layer.",
        why="Both are 12 in GPT-2 small, but they count different things.",
        look="self.h in `__init__`: range(config.n_layer).",
        shapes=blocks(n_head),
        lines=(r"range\(",),
    ),
    Mistake(
        id="one-layer-short",
        what="Your model has one block too few.",
        why="range(n) already has n numbers.",
        look="self.h in `__init__`: range(config.n_layer).",
        shapes=blocks(lambda sizes: n_layer(sizes) - 1),
        lines=(r"range\(",),
    ),
    Mistake(
        id="one-layer-too-many",
        what="Your model has one block too many.",
        why="range(n) already has n numbers.",
        look="self.h in `__init__`: range(config.n_layer).",
        shapes=blocks(lambda sizes: n_layer(sizes) + 1),
        lines=(r"range\(",),
    ),
    Mistake(
        id="layers-hard-coded",
        what="Your model has 12 blocks, whatever the configuration says.",
        why="n_layer says how many.",
        look="self.h in `__init__`: range(config.n_layer).",
        shapes=blocks(lambda sizes: 12),
        lines=(r"range\(", r"self\.h ="),
    ),
    Mistake(
        id="single-layer",
        what="Your model has a single block.",
        why="n_layer says how many; Sequential takes all of them.",
        look="self.h in `__init__`: one GPT2Block for each of range(config.n_layer).",
        shapes=blocks(lambda sizes: 1),
        lines=(r"self\.h =",),
    ),
    Mistake(
        id="final-norm-not-created",
        what="Your model has no ln_f.",
        why="The final layer norm prepares the stream for the head.",
        look="`__init__`.",
        shapes=without("ln_f"),
    ),
    Mistake(
        id="model-wpe-rows-of-tokens",
        what="Your wpe has a row for each token instead of each position.",
        why="n_positions says how long a sequence can be.",
        look="`__init__`: Embedding(config.n_positions, ...).",
        shapes=resized("wpe.weight", vocab_size, n_embd),
        lines=(r"wpe =",),
    ),
    Mistake(
        id="tables-exchanged",
        what="Your wte has n_positions rows, and your wpe vocab_size.",
        why="wte has a row for each token, wpe for each position.",
        look="`__init__`: the two Embeddings.",
        shapes=both(
            resized("wte.weight", n_positions, n_embd),
            resized("wpe.weight", vocab_size, n_embd),
        ),
        lines=(r"wte =",),
    ),
)
