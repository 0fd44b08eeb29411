"""Mistakes in step 07, multi-head attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array, Weights, linear, softmax, under
from course.check.mistakes.parameters import linear_resized, n_embd, times_n_embd
from course.check.mistakes.refusals import when
from course.check.mistakes.where import Part


def compute(case: Case, expected: Expected, **options: Any) -> Array:
    """Attention of the case."""
    n_head = case.sizes["n_head"]
    return attention(expected.inputs[0], expected.weights, n_head, **options)


def parts(case: Case, expected: Expected) -> list[Part]:
    """The methods of the skeleton, each with its inputs and what it should return."""
    x, weights, n_head = expected.inputs[0], expected.weights, case.sizes["n_head"]
    projected = linear(x, under(weights, "c_attn"))
    query, key, value = (
        _split_heads(part, n_head, "reshape, transpose")
        for part in np.split(projected, 3, axis=-1)
    )
    merged = attention(x, weights, n_head, projections=0)
    heads = _split_heads(merged, n_head, "reshape, transpose")
    return [
        Part("split_heads", projected[..., : x.shape[-1]], query),
        Part("attention", (query, key, value), heads),
        Part("merge_heads", heads, merged),
    ]


def attention(
    x: Array,
    weights: Weights,
    n_head: int,
    *,
    heads: str = "n_head",
    layout: str = "query, key, value",
    order: str = "qkv",
    pairs: str = "query with key",
    mixed: str = "values",
    scale: str = "root of head_dim",
    mask: str = "causal",
    normalize: str = "over keys",
    weights_transposed: bool = False,
    split: str = "reshape, transpose",
    merge: str = "transpose, reshape",
    projections: int = 1,
    residual: bool = False,
) -> Array:
    """Causal self-attention with several heads."""
    width = x.shape[-1]
    if heads == "one":
        n_head = 1
    elif heads == "head_dim":
        n_head = width // n_head
    head_dim = width // n_head
    projected = linear(x, under(weights, "c_attn"))
    parts = _split_projection(projected, n_head, layout)
    query, key, value = (
        _split_heads(parts["qkv".index(name)], n_head, split) for name in order
    )
    one, other = {
        "query with key": (query, key),
        "query with query": (query, query),
        "query with value": (query, value),
    }[pairs]
    scores = one @ other.swapaxes(-1, -2)
    factor = {
        "root of head_dim": 1 / math.sqrt(head_dim),
        "none": 1.0,
        "head_dim": 1 / head_dim,
        "root of n_embd": 1 / math.sqrt(width),
        "n_embd": 1 / width,
        "root of n_head": 1 / math.sqrt(n_head),
        "n_head": 1 / n_head,
        "root of seq_length": 1 / math.sqrt(x.shape[1]),
        "seq_length": 1 / x.shape[1],
        "root of batch": 1 / math.sqrt(x.shape[0]),
        "batch": 1 / x.shape[0],
        "fourth root of head_dim": head_dim**-0.25,
        "whole root of head_dim": 1 / math.isqrt(head_dim),
        "square of head_dim": 1 / head_dim**2,
        "times root of head_dim": math.sqrt(head_dim),
        "times head_dim": float(head_dim),
        "zero": 0.0,
    }[scale]
    shares = _shares(scores * np.float32(factor), mask, normalize)
    if weights_transposed:
        shares = shares.swapaxes(-1, -2)
    attended = shares @ {"values": value, "keys": key, "queries": query}[mixed]
    result = _merge_heads(attended, merge)
    for _ in range(projections):
        result = linear(result, under(weights, "c_proj"))
    return result + x if residual else result


def _split_projection(projected: Array, n_head: int, layout: str) -> list[Array]:
    if layout == "query, key, value":
        return np.split(projected, 3, axis=-1)
    batch, length, width = projected.shape
    head_dim = width // 3 // n_head
    if layout == "by head":  # query, key, value of head 0, then those of head 1, ...
        cut = projected.reshape(batch, length, n_head, 3, head_dim)
        return [cut[:, :, :, i].reshape(batch, length, -1) for i in range(3)]
    return [projected[..., i::3] for i in range(3)]  # "by column"


def _split_heads(x: Array, n_head: int, how: str) -> Array:
    batch, length, width = x.shape
    head_dim = width // n_head
    if how == "reshape only":
        return x.reshape(batch, n_head, length, head_dim)
    if how == "heads last":
        return x.reshape(batch, length, head_dim, n_head).transpose(0, 3, 1, 2)
    if how == "not moved":
        return x.reshape(batch, length, n_head, head_dim)
    return x.reshape(batch, length, n_head, head_dim).swapaxes(1, 2)


def _merge_heads(x: Array, how: str) -> Array:
    batch, n_head, length, head_dim = x.shape
    if how == "as it is":
        return x.reshape(batch, n_head, -1)
    if how == "not merged":
        return x.swapaxes(1, 2)
    if how == "reshape only":
        return x.reshape(batch, length, n_head * head_dim)
    if how == "heads last":
        return x.transpose(0, 2, 3, 1).reshape(batch, length, -1)
    if how == "positions and width exchanged":
        return x.swapaxes(2, 3).reshape(batch, length, -1)
    return x.swapaxes(1, 2).reshape(batch, length, -1)


def _shares(scores: Array, mask: str, normalize: str) -> Array:
    """The weight that each query gives to each key."""
    row = np.arange(scores.shape[-2])[:, None]
    column = np.arange(scores.shape[-1])[None, :]
    earlier = column <= row
    hidden = {
        "later hidden": column > row,
        "earlier hidden": column < row,
        "itself and later hidden": column >= row,
        "next visible": column > row + 1,
    }
    if mask == "causal":
        scores = np.where(hidden["later hidden"], np.float32(-np.inf), scores)
    elif mask in hidden:
        scores = np.where(hidden[mask], np.float32(-np.inf), scores)
    elif mask == "multiplied":
        scores = scores * earlier
    elif mask == "ones added":
        scores = scores + earlier
    axis = {"over queries": -2, "over heads": 1}.get(normalize, -1)
    shares = scores if normalize == "not at all" else softmax(scores, axis)
    if normalize == "itself only":
        shares = np.zeros_like(scores) + np.eye(len(earlier), dtype=scores.dtype)
    if mask == "after softmax":
        shares = shares * earlier
    elif mask == "after softmax, minus infinity":
        shares = shares + np.where(earlier, 0, -np.inf).astype(np.float32)
    return shares


def _scale(name: str, what: str, why: str, *kinds: str) -> Mistake:
    look = "The scores in `attention`: divided by math.sqrt(self.head_dim)."
    ways = tuple({"scale": kind} for kind in kinds)
    return Mistake(
        name,
        what,
        why,
        look,
        ways,
        lines=(r"[^/]/ |/=", r"sqrt", r"@"),
        within="attention",
    )


def _order(order: str) -> Mistake:
    names = {"q": "query", "k": "key", "v": "value"}
    first, second, third = ("qkv"[order.index(name)] for name in "qkv")
    read = ", ".join(names[name] for name in (first, second, third))
    return Mistake(
        id=f"order-{first}{second}{third}",
        what=f"You take what c_attn gives as {read}.",
        why="GPT-2's weights give query, key, value, side by side, in this order.",
        look="The line in `forward` that splits the result of c_attn, and the order "
        "of the arguments after it.",
        ways=({"order": order},),
        lines=(r"split\(", r"chunk", r"c_attn\("),
        within="forward",
    )


MASK = "The line in `attention` that adds the causal mask, before the softmax."

MISTAKES = (
    Mistake(
        id="no-mask",
        what="Your output is what attention gives without the causal mask.",
        why="Every position sees the later ones, which are what it is to predict.",
        look=MASK,
        ways=({"mask": "none"},),
        lines=(r"causal_mask\(", r"softmax\("),
    ),
    Mistake(
        id="mask-after-softmax",
        what="Your mask comes after the softmax. Multiplied there, it leaves weights "
        "that no longer sum to 1; added, weights of minus infinity.",
        why="Added before the softmax, minus infinity makes a weight 0 and leaves the "
        "others summing to 1.",
        look=MASK,
        ways=(
            {"mask": "after softmax"},
            {"mask": "after softmax, minus infinity"},
        ),
        lines=(r"mask",),
    ),
    Mistake(
        id="mask-instead-of-scores",
        what="Your weights come from the mask alone: the scores are lost.",
        why="Every position then takes the plain mean of all it may see.",
        look="`attention`: scores + causal_mask(...).",
        ways=({"scale": "zero"},),
        lines=(r"= causal_mask\(",),
    ),
    Mistake(
        id="mask-multiplied",
        what="Your scores of later positions are 0 before the softmax.",
        why="A score of 0 still gets a weight, exp(0) = 1; minus infinity gets none.",
        look=MASK,
        ways=({"mask": "multiplied"},),
        lines=(r"mask",),
    ),
    Mistake(
        id="mask-of-ones-added",
        what="You add 1 to the scores that may be seen and 0 to the others.",
        why="This hides nothing: the mask has to be 0 and minus infinity.",
        look=MASK,
        ways=({"mask": "ones added"},),
        lines=(r"mask",),
    ),
    Mistake(
        id="mask-anti-causal",
        what="Your positions see themselves and the later ones, not the earlier ones.",
        why="A token is to be predicted from what comes before it.",
        look=MASK,
        ways=({"mask": "earlier hidden"},),
        lines=(r"mask",),
    ),
    Mistake(
        id="mask-hides-itself",
        what="Your mask hides each position from itself.",
        why="The first position sees nothing at all, and its weights are NaN.",
        look=MASK,
        ways=({"mask": "itself and later hidden"},),
        lines=(r"mask",),
    ),
    Mistake(
        id="mask-one-too-late",
        what="Your positions see one later position.",
        why="That is the one they are to predict.",
        look=MASK,
        ways=({"mask": "next visible"},),
        lines=(r"mask",),
    ),
    _scale(
        "not-scaled",
        "Your output is what attention gives when the scores are not divided by "
        "√head_dim.",
        "Large scores make the softmax pick one key and forget the others.",
        "none",
    ),
    _scale(
        "scaled-by-head-dim",
        "Your output is what attention gives when the scores are divided by head_dim "
        "instead of √head_dim.",
        "Softmax then comes out nearly uniform: every key gets the same weight.",
        "head_dim",
    ),
    _scale(
        "scaled-by-root-n-embd",
        "Your output is what attention gives when the scores are divided by √n_embd "
        "instead of √head_dim.",
        "A score is a sum of head_dim products, one head's share of the width.",
        "root of n_embd",
    ),
    _scale(
        "scaled-by-n-embd",
        "Your output is what attention gives when the scores are divided by n_embd "
        "instead of √head_dim.",
        "Softmax then comes out nearly uniform: every key gets the same weight.",
        "n_embd",
    ),
    _scale(
        "scaled-by-root-n-head",
        "Your output is what attention gives when the scores are divided by √n_head "
        "instead of √head_dim.",
        "A score is a sum of head_dim products; how many heads there are does not "
        "matter to it.",
        "root of n_head",
    ),
    _scale(
        "scaled-by-n-head",
        "Your output is what attention gives when the scores are divided by n_head "
        "instead of √head_dim.",
        "A score is a sum of head_dim products; how many heads there are does not "
        "matter to it.",
        "n_head",
    ),
    _scale(
        "multiplied-by-root-head-dim",
        "Your scores are multiplied by √head_dim, or head_dim, instead of divided by "
        "√head_dim.",
        "Large scores make the softmax pick one key and forget the others.",
        "times root of head_dim",
        "times head_dim",
    ),
    _scale(
        "scaled-by-length",
        "Your scores are divided by the sequence length, or its root, instead of "
        "√head_dim.",
        "A score is a sum of head_dim products, however long the text is; a longer one "
        "must not change how two tokens see each other.",
        "root of seq_length",
        "seq_length",
    ),
    _scale(
        "scaled-by-batch",
        "Your scores are divided by the size of the batch, or its root, instead of "
        "√head_dim.",
        "A score is a sum of head_dim products; who else is in the batch must not "
        "matter to it.",
        "root of batch",
        "batch",
    ),
    _scale(
        "scaled-by-another-power",
        "Your scores are divided by another power of head_dim than its root, or by a "
        "root that is rounded.",
        "Only √head_dim gives scores whose spread is that of one product.",
        "fourth root of head_dim",
        "whole root of head_dim",
        "square of head_dim",
    ),
    Mistake(
        id="softmax-without-maximum",
        what="Your softmax breaks down where scores are large: 0/0 or infinity.",
        why="e to the power of 89 is more than float32 can hold. Subtracting a row's "
        "largest score from all of the row changes no weight, and makes the largest "
        "power 1.",
        look="The softmax in `attention`: F.softmax does this; by hand, subtract "
        "F.max(scores, axis=-1) first, the maximum of each row.",
        large_numbers=True,
        lines=(r"\bexp\(",),
    ),
    Mistake(
        id="softmax-over-queries",
        what="Your softmax runs over the queries instead of the keys.",
        why="For each query, the weights of all keys have to sum to 1.",
        look="The softmax in `attention`: the last axis.",
        ways=({"normalize": "over queries"},),
        lines=(r"softmax\(",),
    ),
    Mistake(
        id="softmax-over-heads",
        what="Your softmax runs over the heads instead of the keys.",
        why="For each query, the weights of all keys have to sum to 1.",
        look="The softmax in `attention`: the last axis.",
        ways=({"normalize": "over heads"},),
        lines=(r"softmax\(",),
    ),
    Mistake(
        id="no-softmax",
        what="Your scores are used as weights without a softmax.",
        why="Weights have to be positive and sum to 1; hidden scores are minus "
        "infinity, which makes everything infinite or NaN.",
        look="`attention`: weights = F.softmax(scores).",
        ways=(
            {"normalize": "not at all"},
            {"normalize": "not at all", "mask": "none"},
            {"normalize": "not at all", "mask": "multiplied"},
        ),
        lines=(r"@ value", r"@"),
    ),
    Mistake(
        id="values-not-mixed",
        what="Your output is the values as they are: the weights are not used.",
        why="Each position then sees nothing but itself.",
        look="The end of `attention`: weights @ value.",
        ways=({"normalize": "itself only"},),
        lines=(r"return",),
        within="attention",
    ),
    Mistake(
        id="weights-transposed",
        what="Your weights are transposed before they are multiplied by the values.",
        why="A row of weights belongs to one query, and says how to mix the values.",
        look="`attention`: weights @ value.",
        ways=({"weights_transposed": True},),
        lines=(r"@ value", r"transpose"),
    ),
    Mistake(
        id="heads-merged-without-transpose",
        what="Your heads are merged without moving their axis back first.",
        why="The reshape then mixes positions with heads: numbers of one token end up "
        "in the row of another.",
        look="`merge_heads`: x.transpose(1, 2), then reshape.",
        ways=({"merge": "reshape only"},),
        lines=(r"reshape\(.*n_embd", r"def merge_heads"),
    ),
    Mistake(
        id="heads-split-without-transpose",
        what="Your heads are split by one reshape to [batch, n_head, seq_length, "
        "head_dim].",
        why="That cuts across the positions: a head gets all of some tokens instead "
        "of some of every token.",
        look="`split_heads`: reshape to [batch, seq_length, n_head, head_dim], then "
        "transpose(1, 2).",
        ways=({"split": "reshape only"},),
        lines=(r"reshape\(.*head_dim", r"def split_heads"),
    ),
    Mistake(
        id="heads-reshaped-both-ways",
        what="Your heads are split and merged by reshape alone, without transpose.",
        why="A head then holds all of some tokens instead of some of every token.",
        look="`split_heads` and `merge_heads`: a transpose(1, 2) in each.",
        ways=({"split": "reshape only", "merge": "reshape only"},),
        lines=(r"reshape\(",),
    ),
    Mistake(
        id="head-axis-last",
        what="Your width is cut as [head_dim, n_head] instead of [n_head, head_dim].",
        why="A head is a run of neighboring columns, not every n_head-th one.",
        look="`split_heads`: the order in the reshape.",
        ways=(
            {"split": "heads last"},
            {"split": "heads last", "merge": "heads last"},
        ),
        lines=(r"reshape\(.*head_dim",),
    ),
    Mistake(
        id="merged-width-first",
        what="Your heads are merged with their columns interleaved.",
        why="c_proj expects head after head: all of head 0, then all of head 1.",
        look="`merge_heads`: x.transpose(1, 2), then reshape.",
        ways=({"merge": "heads last"}, {"merge": "positions and width exchanged"}),
        lines=(r"transpose", r"permute"),
        within="merge_heads",
    ),
    Mistake(
        id="head-axis-not-moved",
        what="Your heads stay behind the positions, so that at each position the "
        "heads attend to one another.",
        why="Attention is among positions: the last two axes have to be seq_length "
        "and head_dim.",
        look="`split_heads`: transpose(1, 2) after the reshape.",
        ways=({"split": "not moved", "merge": "as it is"},),
        refused=(when("Reshape", "bhld", "bhn"),),
        lines=(r"reshape\(.*head_dim",),
    ),
    Mistake(
        id="one-head",
        what="Your attention has a single head as wide as the model.",
        why="Several heads can look for several things at once.",
        look="`split_heads`, and head_dim in the scale.",
        ways=({"heads": "one"},),
        lines=(r"head_dim =", r"reshape\("),
    ),
    Mistake(
        id="n-head-and-head-dim-exchanged",
        what="Your attention has head_dim heads of n_head columns.",
        why="The configuration says how many heads: n_head.",
        look="`__init__` and the reshape in `split_heads`.",
        ways=(
            {"heads": "head_dim"},
            {"heads": "head_dim", "scale": "root of n_head"},
        ),
        lines=(
            r"self\.n_head = .*//",
            r"head_dim = config\.n_head",
            r"reshape\(.*head_dim",
        ),
    ),
    *(_order(order) for order in ("qvk", "kqv", "vkq", "kvq", "vqk")),
    Mistake(
        id="projection-cut-by-head",
        what="You read c_attn's columns as query, key and value of the first head, "
        "then of the second, and so on.",
        why="GPT-2 has the queries of all heads first, then all keys, then all values.",
        look="`forward`: split into three parts of n_embd, then each into heads.",
        ways=({"layout": "by head"}, {"layout": "by column"}),
        lines=(r"split", r"chunk", r"reshape\("),
        within="forward",
    ),
    Mistake(
        id="query-with-query",
        what="Your scores compare queries with queries: the keys are not used.",
        why="Who asks is not who answers: the key is what a position offers.",
        look="`attention`: query @ key.transpose(-1, -2).",
        ways=({"pairs": "query with query"},),
        lines=(r"@.*transpose", r"@"),
    ),
    Mistake(
        id="query-with-value",
        what="Your scores compare queries with values: the keys are not used.",
        why="The value is what a position gives; the key is what it is found by.",
        look="`attention`: query @ key.transpose(-1, -2).",
        ways=({"pairs": "query with value"},),
        lines=(r"@.*transpose", r"@"),
    ),
    Mistake(
        id="keys-mixed",
        what="Your weights mix the keys instead of the values.",
        why="The key is what a position is found by; the value is what it gives.",
        look="`attention`: weights @ value.",
        ways=({"mixed": "keys"},),
        lines=(r"@ key\b(?!\.)",),
    ),
    Mistake(
        id="queries-mixed",
        what="Your weights mix the queries instead of the values.",
        why="The query is what a position asks; the value is what it gives.",
        look="`attention`: weights @ value.",
        ways=({"mixed": "queries"},),
        lines=(r"@ query\b(?!\.)",),
    ),
    Mistake(
        id="output-not-projected",
        what="Your output is the merged heads: c_proj is not applied.",
        why="c_proj mixes what the heads have found.",
        look="The end of `forward`.",
        ways=({"projections": 0},),
        lines=(r"return .*merge_heads", r"merge_heads\("),
    ),
    Mistake(
        id="output-projected-twice",
        what="Your output goes through c_proj twice.",
        why="GPT-2 projects the merged heads once.",
        look="The end of `forward`.",
        ways=({"projections": 2},),
        lines=(r"c_proj\(",),
    ),
    Mistake(
        id="heads-not-merged",
        what="Your output still has an axis for the heads.",
        why="The residual stream is [batch, seq_length, n_embd].",
        look="`merge_heads`, and whether `forward` calls it.",
        ways=({"merge": "not merged", "projections": 0},),
        refused=(when("Matmul", "blhd", "nn"), when("Matmul", "bhld", "nn")),
        lines=(r"return",),
        within="forward",
    ),
    Mistake(
        id="residual-in-attention",
        what="You add the input to the output of attention.",
        why="The block does that (step 08); here it would be added twice.",
        look="The end of `forward`.",
        ways=({"residual": True},),
        lines=(r"\+",),
        within="forward",
    ),
    Mistake(
        id="key-not-transposed",
        what="Your keys are not transposed, or other axes of theirs than the last two.",
        why="Each query is multiplied by each key: rows by columns.",
        look="`attention`: query @ key.transpose(-1, -2).",
        refused=(when("Matmul", "bhld", "bhld"), when("Matmul", "bhld", "blhd")),
    ),
    Mistake(
        id="heads-not-split",
        what="You hand query, key and value over without splitting them into heads.",
        why="Each head has its own part of the width; here there would be one head.",
        look="`forward`: self.split_heads for query, key and value, and whether it "
        "returns what it made.",
        refused=(
            when("unpacking in merge_heads", "bln"),
            when("unpacking in merge_heads", "bnl"),
        ),
        lines=(r"attention\(", r"= self\.\w+\("),
        within="forward",
    ),
    Mistake(
        id="value-not-split",
        what="Your values are not split into heads.",
        why="Each head mixes its own part of the values by its own weights.",
        look="`forward`: split_heads for query, key and value.",
        refused=(when("Matmul", "bhll", "bln"),),
    ),
    Mistake(
        id="weights-returned",
        what="You return the weights themselves, and the values are not used.",
        why="The weights say how much of each value to take.",
        look="The end of `attention`: weights @ value.",
        refused=(when("Reshape", "blhl", "bln"),),
        lines=(r"return",),
        within="attention",
    ),
    Mistake(
        id="values-before-weights",
        what="You multiply the values by the weights, in the wrong order.",
        why="A row of weights mixes the rows of the values: weights first.",
        look="`attention`: weights @ value.",
        refused=(when("Matmul", "bhld", "bhll"),),
    ),
    Mistake(
        id="weights-times-values",
        what="You multiply weights and values number by number.",
        why="To mix the values by the weights is a matrix multiplication.",
        look="`attention`: weights @ value, not *.",
        refused=(when("Mul", "bhll", "bhld"),),
    ),
    Mistake(
        id="mask-of-head-dim",
        what="Your mask is as large as head_dim, not as the sequence.",
        why="It says for each position which positions it may see.",
        look="`attention`: the first argument of causal_mask, query.shape[-2].",
        refused=(when("Add", "bhll", "dd"),),
    ),
    Mistake(
        id="heads-counted-as-positions",
        what="Your merge_heads takes n_head for seq_length.",
        why="What it gets is [batch, n_head, seq_length, head_dim].",
        look="`merge_heads`: batch, _, seq_length, _ = x.shape, before the transpose.",
        refused=(when("Reshape", "blhd", "bhn"),),
    ),
    Mistake(
        id="c-attn-too-narrow",
        what="Your c_attn makes n_embd numbers instead of 3 * n_embd.",
        why="It makes query, key and value, all three in one layer.",
        look="`__init__`: Linear(config.n_embd, 3 * config.n_embd).",
        shapes=linear_resized("c_attn", n_embd, n_embd),
        lines=(r"c_attn =",),
    ),
    Mistake(
        id="c-attn-two-parts",
        what="Your c_attn makes 2 * n_embd numbers instead of 3 * n_embd.",
        why="It makes query, key and value, all three in one layer.",
        look="`__init__`: Linear(config.n_embd, 3 * config.n_embd).",
        shapes=linear_resized("c_attn", times_n_embd(2), n_embd),
        lines=(r"c_attn =",),
    ),
    Mistake(
        id="c-proj-for-three",
        what="Your c_proj takes 3 * n_embd numbers; the merged heads are n_embd.",
        why="What comes out of attention is as wide as the values: n_embd.",
        look="`__init__`: Linear(config.n_embd, config.n_embd).",
        shapes=linear_resized("c_proj", n_embd, times_n_embd(3)),
        lines=(r"c_proj =",),
    ),
)
