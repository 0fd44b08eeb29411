"""GPT-2 in NumPy, and with the wrong turns that one can take in it.

Without options each function is right; a test compares it with Hugging Face. A mistake
in `tables/` names options. What they give is compared with the reader's wrong output.
An option that is none of those listed raises an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
ByMistake = dict[str, Callable[[], Array]]
"""What mistakes give, by their ids; computed only if asked."""
Weights = dict[str, Array]
Sizes = dict[str, Any]  # The fields of GPT2Config.
Layer = Callable[[Array], Array]
Computed = dict[str, Callable[[], Array]]  # By option, whatever is asked for.

MINUS_INFINITY = np.float32(-np.inf)


def under(weights: Weights, prefix: str) -> Weights:
    """The weights of one part of a module, named as the part names them."""
    start = f"{prefix}."
    return {k.removeprefix(start): w for k, w in weights.items() if k.startswith(start)}


def linear(x: Array, weights: Weights) -> Array:
    """A linear layer; its weight is [out, in], as in MAX."""
    y: Array = x @ weights["weight"].T
    return y + weights["bias"] if "bias" in weights else y


def softmax(x: Array, axis: int = -1) -> Array:
    """Softmax over an axis."""
    powers = np.exp(x - x.max(axis=axis, keepdims=True))
    total: Array = powers.sum(axis=axis, keepdims=True)
    return powers / total


# Step 02: the causal mask

Visible = Literal[
    "earlier",
    "earlier, not itself",
    "num_upper - 1",
    "one more",
    "later",
    "later than its row",
    "past not counted",
    "everything",
    "nothing",
]


def causal_mask(
    rows: int,
    past: int,
    *,
    visible: Visible = "earlier",
    seen: float = 0.0,
    hidden: float = -np.inf,
    columns: Literal["all", "of new tokens", "of as many tokens"] = "all",
    shape: Literal["rows first", "columns first", "with batch and heads"] = (
        "rows first"
    ),
) -> Array:
    """The mask: row i is `seen` up to and including column past + i."""
    row = np.arange(rows)[:, None]
    width, last = {
        "all": (past + rows, row + past),
        "of new tokens": (rows, row),
        "of as many tokens": (rows, row + past),
    }[columns]
    column = np.arange(width)
    everything = np.full((rows, width), fill_value=True)
    may_see = {
        "earlier": column <= last,
        "earlier, not itself": column < last,
        # MAX's band_part takes num_upper=-1 for "all".
        "num_upper - 1": column < last if past else everything,
        "one more": column <= last + 1,
        "later": column >= last,
        "later than its row": column >= row,
        "past not counted": column <= row,
        "everything": everything,
        "nothing": ~everything,
    }[visible]
    values = np.where(may_see, seen, hidden).astype(np.float32)
    return {
        "rows first": values,
        "columns first": values.T,
        "with batch and heads": values[None, None],
    }[shape]


# Step 03: layer normalization


def layer_norm(
    x: Array,
    weights: Weights,
    epsilon: float,
    *,
    eps: float | None = None,
    eps_place: Literal["inside the root", "outside the root"] = "inside the root",
    mean: Literal["subtracted", "kept", "ignored"] = "subtracted",
    variance: Literal["biased", "unbiased"] = "biased",
    divide_by: Literal["deviation", "variance", "nothing"] = "deviation",
    scale: Literal["weight", "bias", "1 + weight", "none"] = "weight",
    shift: Literal["bias", "weight", "before the scale", "none"] = "bias",
    axis: int | list[int] = -1,
) -> Array:
    """(x - mean) / sqrt(variance + eps) * weight + bias."""
    eps = epsilon if eps is None else eps
    over = tuple(axis) if isinstance(axis, list) else axis
    centered = x - x.mean(axis=over, keepdims=True)
    numerator, squared = {
        "subtracted": (centered, centered**2),
        "kept": (x, centered**2),
        "ignored": (x, x**2),
    }[mean]
    spread: Array = {
        "biased": lambda: squared.mean(axis=over, keepdims=True),
        "unbiased": lambda: centered.var(axis=over, keepdims=True, ddof=1),
    }[variance]()
    deviation = {
        "inside the root": np.sqrt(spread + eps),
        "outside the root": np.sqrt(spread) + eps,
    }[eps_place]
    divisor = {
        "deviation": deviation,
        "variance": spread + eps,
        "nothing": np.float32(1),
    }[divide_by]
    y = numerator / divisor
    weight, bias = weights["weight"], weights["bias"]
    if shift == "before the scale":
        y = y + bias
    y = {
        "weight": lambda: y * weight,
        "bias": lambda: y * bias,
        "1 + weight": lambda: y * (1 + weight),
        "none": lambda: y,
    }[scale]()
    return {
        "bias": lambda: y + bias,
        "weight": lambda: y + weight,
        "before the scale": lambda: y,
        "none": lambda: y,
    }[shift]()


# Step 04: the feed-forward network

ROOT = math.sqrt(2 / math.pi)  # 0.7979


def erf(x: Array) -> Array:
    """The error function, of each number."""
    return np.vectorize(math.erf)(x).astype(x.dtype)


def sigmoid(x: Array) -> Array:
    """Between 0 and 1."""
    y: Array = 1 / (1 + np.exp(-x))
    return y


def gelu(
    x: Array,
    *,
    half: float = 0.5,
    one: float = 1.0,
    outer: float = ROOT,
    cubic: float = 0.044715,
    power: int = 3,
    bend: Literal["tanh", "erf", "sigmoid", "sin", "arctan"] = "tanh",
    inside: Literal[
        "x + cubic * x**power",
        "x - cubic * x**power",
        "(x + cubic * x)**power",
        "cubic * x**power",
        "cubic * (x + x**power)",
        "x + cubic * x * power",
    ] = "x + cubic * x**power",
    outside: Literal[
        "half * x * (one + bent)",
        "half * x * (one - bent)",
        "half * (one + bent)",
        "half * x * one + bent",
        "half * x + bent",
    ] = "half * x * (one + bent)",
) -> Array:
    """GELU by its tanh approximation, written out."""
    z = {
        "x + cubic * x**power": x + cubic * x**power,
        "x - cubic * x**power": x - cubic * x**power,
        "(x + cubic * x)**power": (x + cubic * x) ** power,
        "cubic * x**power": cubic * x**power,
        "cubic * (x + x**power)": cubic * (x + x**power),
        "x + cubic * x * power": x + cubic * x * power,
    }[inside]
    bends: dict[str, Layer] = {
        "tanh": np.tanh,
        "erf": erf,
        "sigmoid": sigmoid,
        "sin": np.sin,
        "arctan": np.arctan,
    }
    bent = bends[bend](outer * z)
    y: Array = {
        "half * x * (one + bent)": half * x * (one + bent),
        "half * x * (one - bent)": half * x * (one - bent),
        "half * (one + bent)": half * (one + bent),
        "half * x * one + bent": half * x * one + bent,
        "half * x + bent": half * x + bent,
    }[outside]
    return y.astype(x.dtype)


Activation = Literal[
    "gelu tanh",
    "gelu exact",
    "gelu quick",
    "silu",
    "sigmoid",
    "relu",
    "tanh",
    "softmax",
]
ACTIVATIONS: dict[str, Layer] = {
    "gelu tanh": gelu,
    "gelu exact": lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))),
    "gelu quick": lambda x: x * sigmoid(1.702 * x),
    "silu": lambda x: x * sigmoid(x),
    "sigmoid": sigmoid,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "softmax": softmax,
}


def mlp(
    x: Array,
    weights: Weights,
    *,
    activation: Activation = "gelu tanh",
    by_hand: dict[str, Any] | None = None,
    times: int = 1,
    before: bool = False,
    after: bool = False,
    residual: bool = False,
    narrow: bool = True,
) -> Array:
    """Widen, GELU, narrow; `by_hand` are options of `gelu`."""
    y = gelu(x) if before else x
    y = linear(y, under(weights, "c_fc"))
    for _ in range(times):
        y = gelu(y, **by_hand) if by_hand else ACTIVATIONS[activation](y)
    if narrow:
        y = linear(y, under(weights, "c_proj"))
    y = gelu(y) if after else y
    return y + x if residual else y


# Steps 05 and 06: embeddings


def token_embeddings(
    table: Array,
    ids: Array,
    *,
    rows: Literal["ids", "positions", "one later", "one earlier"] = "ids",
    scale: float = 0.0,
    batch: Literal["all", "first", "first, without its axis"] = "all",
    layout: Literal[
        "batch first", "one row", "positions first", "width before positions"
    ] = "batch first",
) -> Array:
    """The row of each token, times n_embd to the power of `scale`."""
    found = {
        "ids": ids,
        "positions": np.broadcast_to(np.arange(ids.shape[1]), ids.shape),
        "one later": ids + 1,
        "one earlier": ids - 1,
    }[rows]
    found = {
        "all": found,
        "first": found[:1],
        "first, without its axis": found[0],
    }[batch]
    vectors = _scaled(table[found], scale)
    layouts: Computed = {
        "batch first": lambda: vectors,
        "one row": lambda: vectors.reshape(-1, table.shape[1]),
        "positions first": lambda: vectors.swapaxes(0, 1),
        "width before positions": lambda: vectors.swapaxes(1, 2),
    }
    return layouts[layout]()


Positions = Literal[
    "0, 1, 2, ...",
    "1, 2, 3, ...",
    "..., 2, 1, 0",
    "0, 0, 0, ...",
    "up to the batch",
    "the whole table",
    "the last",
    "all but the last",
    "token ids",
]


def position_embeddings(
    table: Array,
    ids: Array,
    *,
    rows: Positions = "0, 1, 2, ...",
    scale: float = 0.0,
    layout: Literal[
        "[seq_length, n_embd]", "[1, seq_length, n_embd]", "[batch, seq_length, n_embd]"
    ] = "[seq_length, n_embd]",
) -> Array:
    """The rows 0, 1, 2, ... of the table, times n_embd to the power of `scale`."""
    vectors = _scaled(table[_positions(table, ids, rows)], scale)
    return {
        "[seq_length, n_embd]": lambda: vectors,
        "[1, seq_length, n_embd]": lambda: vectors[None],
        "[batch, seq_length, n_embd]": lambda: np.broadcast_to(
            vectors, (len(ids), *vectors.shape)
        ),
    }[layout]()


def _positions(table: Array, ids: Array, rows: Positions) -> Array:
    batch, length = ids.shape
    return {
        "0, 1, 2, ...": np.arange(length),
        "1, 2, 3, ...": np.arange(1, length + 1),
        "..., 2, 1, 0": np.arange(length)[::-1],
        "0, 0, 0, ...": np.zeros(length, dtype=int),
        "up to the batch": np.arange(batch),
        "the whole table": np.arange(len(table)),
        "the last": np.array([length - 1]),
        "all but the last": np.arange(length - 1),
        "token ids": ids,
    }[rows]


def _scaled(vectors: Array, power: float) -> Array:
    return vectors * np.float32(vectors.shape[-1] ** power)


# Step 07: multi-head attention

Scale = Literal[
    "root of head_dim",
    "none",
    "head_dim",
    "root of n_embd",
    "n_embd",
    "root of n_head",
    "n_head",
    "root of seq_length",
    "seq_length",
    "root of batch",
    "batch",
    "fourth root of head_dim",
    "whole root of head_dim",
    "square of head_dim",
    "times root of head_dim",
    "times head_dim",
    "zero",
]
Mask = Literal[
    "causal",
    "none",
    "earlier hidden",
    "itself and later hidden",
    "next visible",
    "multiplied",
    "ones added",
    "after softmax",
    "after softmax, minus infinity",
]
Normalize = Literal[
    "over keys", "over queries", "over heads", "not at all", "itself only"
]
Split = Literal["reshape, transpose", "reshape only", "heads last", "not moved"]
Merge = Literal[
    "transpose, reshape",
    "reshape only",
    "heads last",
    "positions and width exchanged",
    "as it is",
    "not merged",
]


def attention(
    x: Array,
    weights: Weights,
    n_head: int,
    *,
    heads: Literal["n_head", "one", "head_dim"] = "n_head",
    layout: Literal["query, key, value", "by head", "by column"] = "query, key, value",
    order: Literal["qkv", "qvk", "kqv", "vkq", "kvq", "vqk"] = "qkv",
    pairs: Literal["query with key", "query with query", "query with value"] = (
        "query with key"
    ),
    mixed: Literal["values", "keys", "queries"] = "values",
    scale: Scale = "root of head_dim",
    mask: Mask = "causal",
    normalize: Normalize = "over keys",
    weights_transposed: bool = False,
    split: Split = "reshape, transpose",
    merge: Merge = "transpose, reshape",
    projections: int = 1,
    residual: bool = False,
) -> Array:
    """Causal self-attention with several heads."""
    batch, length, width = x.shape
    n_head = {"n_head": n_head, "one": 1, "head_dim": width // n_head}[heads]
    head_dim = width // n_head
    parts = _split_projection(linear(x, under(weights, "c_attn")), n_head, layout)
    query, key, value = (
        split_heads(parts["qkv".index(name)], n_head, split) for name in order
    )
    one, other = {
        "query with key": (query, key),
        "query with query": (query, query),
        "query with value": (query, value),
    }[pairs]
    factor = {
        "root of head_dim": 1 / math.sqrt(head_dim),
        "none": 1.0,
        "head_dim": 1 / head_dim,
        "root of n_embd": 1 / math.sqrt(width),
        "n_embd": 1 / width,
        "root of n_head": 1 / math.sqrt(n_head),
        "n_head": 1 / n_head,
        "root of seq_length": 1 / math.sqrt(length),
        "seq_length": 1 / length,
        "root of batch": 1 / math.sqrt(batch),
        "batch": 1 / batch,
        "fourth root of head_dim": head_dim**-0.25,
        "whole root of head_dim": 1 / math.isqrt(head_dim),
        "square of head_dim": 1 / head_dim**2,
        "times root of head_dim": math.sqrt(head_dim),
        "times head_dim": float(head_dim),
        "zero": 0.0,
    }[scale]
    scores = one @ other.swapaxes(-1, -2) * np.float32(factor)
    shares = _shares(scores, mask, normalize)
    if weights_transposed:
        shares = shares.swapaxes(-1, -2)
    attended = shares @ {"values": value, "keys": key, "queries": query}[mixed]
    result = merge_heads(attended, merge)
    for _ in range(projections):
        result = linear(result, under(weights, "c_proj"))
    return result + x if residual else result


def _split_projection(projected: Array, n_head: int, layout: str) -> list[Array]:
    """Query, key and value out of what c_attn gives."""
    batch, length, width = projected.shape
    # Query, key, value of head 0, then those of head 1, ...
    by_head = projected.reshape(batch, length, n_head, 3, width // 3 // n_head)
    return {
        "query, key, value": np.split(projected, 3, axis=-1),
        "by head": [by_head[:, :, :, i].reshape(batch, length, -1) for i in range(3)],
        "by column": [projected[..., i::3] for i in range(3)],
    }[layout]


def split_heads(x: Array, n_head: int, how: Split = "reshape, transpose") -> Array:
    """From [batch, seq_length, n_embd] to [batch, n_head, seq_length, head_dim]."""
    batch, length, width = x.shape
    head_dim = width // n_head
    cut = x.reshape(batch, length, n_head, head_dim)
    return {
        "reshape, transpose": cut.swapaxes(1, 2),
        "reshape only": x.reshape(batch, n_head, length, head_dim),
        "heads last": x.reshape(batch, length, head_dim, n_head).transpose(0, 3, 1, 2),
        "not moved": cut,
    }[how]


def merge_heads(x: Array, how: Merge = "transpose, reshape") -> Array:
    """From [batch, n_head, seq_length, head_dim] to [batch, seq_length, n_embd]."""
    batch, n_head, length, head_dim = x.shape
    shape = (batch, length, n_head * head_dim)
    return {
        "transpose, reshape": x.swapaxes(1, 2).reshape(shape),
        "reshape only": x.reshape(shape),
        "heads last": x.transpose(0, 2, 3, 1).reshape(shape),
        "positions and width exchanged": x.swapaxes(2, 3).reshape(shape),
        "as it is": x.reshape(batch, n_head, -1),
        "not merged": x.swapaxes(1, 2),
    }[how]


def _shares(scores: Array, mask: Mask, normalize: Normalize) -> Array:
    """The weight that each query gives to each key."""
    row = np.arange(scores.shape[-2])[:, None]
    column = np.arange(scores.shape[-1])
    earlier = column <= row
    scores = {
        "causal": np.where(column > row, MINUS_INFINITY, scores),
        "none": scores,
        "earlier hidden": np.where(column < row, MINUS_INFINITY, scores),
        "itself and later hidden": np.where(column >= row, MINUS_INFINITY, scores),
        "next visible": np.where(column > row + 1, MINUS_INFINITY, scores),
        "multiplied": scores * earlier,
        "ones added": scores + earlier,
        "after softmax": scores,
        "after softmax, minus infinity": scores,
    }[mask]
    normalized: Computed = {
        "over keys": lambda: softmax(scores),
        "over queries": lambda: softmax(scores, -2),
        "over heads": lambda: softmax(scores, 1),
        "not at all": lambda: scores,
        "itself only": lambda: (
            np.zeros_like(scores) + np.eye(len(earlier), dtype=scores.dtype)
        ),
    }
    shares = normalized[normalize]()
    if mask == "after softmax":
        shares = shares * earlier
    elif mask == "after softmax, minus infinity":
        shares = shares + np.where(earlier, np.float32(0), MINUS_INFINITY)
    return shares


# Steps 08 and 09: the residual step and the block

Norms = Literal[
    "before the sublayer",
    "after the sublayer",
    "before and after",
    "after the sum",
    "twice",
    "none",
]
Added = Literal[
    "x",
    "nothing",
    "normalized x",
    "x twice",
    "y twice",
    "x minus",
    "minus x",
    "x times",
]


def residual_step(
    x: Array,
    norm: Layer,
    sublayer: Layer,
    *,
    norms: Norms = "before the sublayer",
    sublayers: int = 1,
    added: Added = "x",
) -> Array:
    """The sum of x and sublayer(norm(x))."""
    read: Computed = {
        "before the sublayer": lambda: norm(x),
        "after the sublayer": lambda: x,
        "before and after": lambda: norm(x),
        "after the sum": lambda: x,
        "twice": lambda: norm(norm(x)),
        "none": lambda: x,
    }
    y = normalized = read[norms]()
    for _ in range(sublayers):
        y = sublayer(y)
    if norms in ("after the sublayer", "before and after"):
        y = norm(y)
    total = {
        "x": x + y,
        "nothing": y,
        "normalized x": normalized + y,
        "x twice": x + x + y,
        "y twice": x + y + y,
        "x minus": x - y,
        "minus x": y - x,
        "x times": x * y,
    }[added]
    return norm(total) if norms == "after the sum" else total


class ResidualOptions(TypedDict, total=False):
    """Options of `residual_step`."""

    norms: Norms
    sublayers: int
    added: Added


def block(
    x: Array,
    weights: Weights,
    sizes: Sizes,
    *,
    halves: Literal[
        "attention, mlp",
        "mlp, attention",
        "side by side",
        "mlp with the block's input",
        "attention only",
        "mlp only",
        "attention twice",
        "mlp twice",
        "attention, attention",
        "mlp, mlp",
    ] = "attention, mlp",
    before_attention: Literal["ln_1", "ln_2"] = "ln_1",
    before_mlp: Literal["ln_1", "ln_2"] = "ln_2",
    eps: float | None = None,
    attention_options: ResidualOptions | None = None,
    mlp_options: ResidualOptions | None = None,
) -> Array:
    """Attention, then the feed-forward network, each a residual step."""
    epsilon = sizes["layer_norm_epsilon"] if eps is None else eps

    def attention_half(x: Array) -> Array:
        return residual_step(
            x,
            lambda y: layer_norm(y, under(weights, before_attention), epsilon),
            lambda y: attention(y, under(weights, "attn"), sizes["n_head"]),
            **(attention_options or {}),
        )

    def mlp_half(x: Array) -> Array:
        return residual_step(
            x,
            lambda y: layer_norm(y, under(weights, before_mlp), epsilon),
            lambda y: mlp(y, under(weights, "mlp")),
            **(mlp_options or {}),
        )

    between = attention_half(x)
    return {
        "attention, mlp": lambda: mlp_half(between),
        "mlp, attention": lambda: attention_half(mlp_half(x)),
        "side by side": lambda: between + mlp_half(x) - x,
        "mlp with the block's input": lambda: mlp_half(between) - between + x,
        "attention only": lambda: between,
        "mlp only": lambda: mlp_half(x),
        "attention twice": lambda: mlp_half(attention_half(between)),
        "mlp twice": lambda: mlp_half(mlp_half(between)),
        "attention, attention": lambda: attention_half(between),
        "mlp, mlp": lambda: mlp_half(mlp_half(x)),
    }[halves]()


# Step 10: the stacked model


def embed(
    ids: Array,
    weights: Weights,
    *,
    positions: Positions = "0, 1, 2, ...",
    combined: Literal[
        "sum",
        "tokens only",
        "positions only",
        "tokens twice",
        "positions from wte",
        "product",
    ] = "sum",
    scale: float = 0.0,
) -> Array:
    """Token embeddings plus position embeddings."""
    wte, wpe = weights["wte.weight"], weights["wpe.weight"]
    tokens, rows = _scaled(wte[ids], scale), _positions(wpe, ids, positions)
    return {
        "sum": lambda: tokens + wpe[rows],
        "tokens only": lambda: tokens,
        "positions only": lambda: np.broadcast_to(wpe[rows], tokens.shape),
        "tokens twice": lambda: tokens + tokens,
        "positions from wte": lambda: tokens + wte[rows],
        "product": lambda: tokens * wpe[rows],
    }[combined]()


def model(
    ids: Array,
    weights: Weights,
    sizes: Sizes,
    *,
    stack: Literal[
        "in order",
        "reversed",
        "last missing",
        "first missing",
        "none",
        "the first only",
        "the last only",
        "the first, every time",
        "the last, every time",
        "each twice",
        "twice through",
    ] = "in order",
    added: Literal["nothing", "each block's input", "embeddings"] = "nothing",
    final_norm: Literal[
        "after the blocks", "before the blocks", "after every block", "twice", "none"
    ] = "after the blocks",
    eps: float | None = None,
    **embedding: Any,
) -> Array:
    """From token IDs to hidden states; `embedding` are options of `embed`."""
    epsilon = sizes["layer_norm_epsilon"] if eps is None else eps
    all_blocks = list(range(sizes["n_layer"]))
    order = {
        "in order": all_blocks,
        "reversed": all_blocks[::-1],
        "last missing": all_blocks[:-1],
        "first missing": all_blocks[1:],
        "none": [],
        "the first only": all_blocks[:1],
        "the last only": all_blocks[-1:],
        "the first, every time": all_blocks[:1] * len(all_blocks),
        "the last, every time": all_blocks[-1:] * len(all_blocks),
        "each twice": [i for i in all_blocks for _ in range(2)],
        "twice through": all_blocks * 2,
    }[stack]
    norms_before, norms_between, norms_after = {
        "after the blocks": (0, 0, 1),
        "before the blocks": (1, 0, 0),
        "after every block": (0, 1, 0),
        "twice": (0, 0, 2),
        "none": (0, 0, 0),
    }[final_norm]
    keep_input, keep_embeddings = {
        "nothing": (False, False),
        "each block's input": (True, False),
        "embeddings": (False, True),
    }[added]

    def norm(x: Array, times: int) -> Array:
        for _ in range(times):
            x = layer_norm(x, under(weights, "ln_f"), epsilon)
        return x

    embedded = embed(ids, weights, **embedding)
    x = norm(embedded, norms_before)
    for index in order:
        y = block(x, under(weights, f"h.{index}"), sizes)
        x = norm(y + x if keep_input else y, norms_between)
    return norm(x + embedded if keep_embeddings else x, norms_after)


# Step 11: the language model


def language_model(
    ids: Array,
    weights: Weights,
    sizes: Sizes,
    *,
    body: Literal["transformer", "embeddings only", "without ln_f", "ln_f twice"] = (
        "transformer"
    ),
    before_head: Literal["nothing", "gelu"] = "nothing",
    head: bool = True,
    scale: float = 0.0,
    after_head: Literal[
        "nothing",
        "softmax",
        "log softmax",
        "argmax",
        "gelu tanh",
        "relu",
        "tanh",
        "sigmoid",
    ] = "nothing",
    keep: Literal[
        "every position",
        "the last position",
        "the last position, with its axis",
        "the first position",
        "the first sequence",
        "all but the last position",
        "vocabulary first",
    ] = "every position",
) -> Array:
    """From token IDs to logits, times n_embd to the power of `scale`."""
    transformer = under(weights, "transformer")
    x = {
        "transformer": lambda: model(ids, transformer, sizes),
        "embeddings only": lambda: embed(ids, transformer),
        "without ln_f": lambda: model(ids, transformer, sizes, final_norm="none"),
        "ln_f twice": lambda: model(ids, transformer, sizes, final_norm="twice"),
    }[body]()
    x = {"nothing": x, "gelu": gelu(x)}[before_head]
    if head:
        x = linear(x, under(weights, "lm_head"))
    x = x * np.float32(sizes["n_embd"] ** scale)
    if after_head == "argmax":
        return x.argmax(axis=-1)
    others: dict[str, Layer] = {
        "nothing": lambda x: x,
        "log softmax": lambda x: np.log(softmax(x)),
    }
    x = (others | ACTIVATIONS)[after_head](x)
    return {
        "every position": lambda: x,
        "the last position": lambda: x[:, -1, :],
        "the last position, with its axis": lambda: x[:, -1:, :],
        "the first position": lambda: x[:, 0, :],
        "the first sequence": lambda: x[:1],
        "all but the last position": lambda: x[:, :-1],
        "vocabulary first": lambda: x.swapaxes(1, 2),
    }[keep]()
