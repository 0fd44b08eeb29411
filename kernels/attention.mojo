"""Causal attention of new tokens over a cache of keys and values."""

from std.math import align_down, exp, sqrt
from std.memory import unsafe_memcpy

from .few_rows import dot_rows
from .parallel import parallel_ranges
from .vector import Values, Vector, WIDTH

comptime Floats = Pointer[Float32, MutUntrackedOrigin]

comptime QUERY_ROWS = 4
"""Queries of one head that read the cache together."""


@fieldwise_init
struct Cache(TrivialRegisterPassable):
    """The keys or the values of one layer, [batch, heads, capacity, head_dim]."""

    var data: Floats
    var heads: Int
    var capacity: Int
    var head_dim: Int

    def at(self, row: Int, head: Int, position: Int) -> Floats:
        """Returns the vector of one position; that of the next follows it."""
        var vector = (row * self.heads + head) * self.capacity + position
        return self.data.unsafe_offset(vector * self.head_dim)


def store(
    keys: Cache,
    values: Cache,
    qkv: Pointer[Float32, _],
    batch: Int,
    tokens: Int,
    start: Int,
):
    """Copies the keys and values of new tokens to positions start, start + 1, ...

    Args:
        keys: The cache of keys.
        values: The cache of values.
        qkv: Queries, keys and values side by side, [batch, tokens, 3 * n_embd].
        batch: The number of rows.
        tokens: The number of new tokens in each row.
        start: The position of the first of them.
    """
    var head_dim = keys.head_dim
    var n_embd = keys.heads * head_dim

    def copy_heads(first: Int, last: Int) {imm}:
        for unit in range(first, last):
            var row, head = divmod(unit, keys.heads)
            for i in range(tokens):
                var token = qkv.unsafe_offset((row * tokens + i) * 3 * n_embd)
                var key = token.unsafe_offset(n_embd + head * head_dim)
                var value = key.unsafe_offset(n_embd)
                var to = start + i
                unsafe_memcpy(dest=keys.at(row, head, to), src=key, count=head_dim)
                unsafe_memcpy(dest=values.at(row, head, to), src=value, count=head_dim)

    parallel_ranges(copy_heads, batch * keys.heads, batch * tokens * n_embd)


def attend(
    output: Pointer[mut=True, Float32, _],
    qkv: Pointer[Float32, _],
    keys: Cache,
    values: Cache,
    position_ids: Pointer[Int64, _],
    batch: Int,
    tokens: Int,
    start: Int,
):
    """Writes the attention of each new token over its row's cache.

    The last token of a row, at position p of its text, sees the p cache entries before
    its own and its own; what lies further left is padding. So the tokens before it see
    the same entries up to their own. A token that is padding itself sees nothing and
    gets zeros.

    Args:
        output: The result, [batch, tokens, n_embd].
        qkv: Queries, keys and values side by side, [batch, tokens, 3 * n_embd].
        keys: The cache of keys, the new tokens' included.
        values: The cache of values, the new tokens' included.
        position_ids: Where each token stands in its text, [batch, tokens].
        batch: The number of rows.
        tokens: The number of new tokens in each row.
        start: The position of the first of them.
    """
    var heads = keys.heads
    var head_dim = keys.head_dim
    var n_embd = heads * head_dim
    var length = start + tokens

    def attend_heads(first: Int, last: Int) {imm}:
        var scratch = List[Float32](unsafe_uninit_length=QUERY_ROWS * length)
        var scores = scratch.unsafe_ptr()
        for unit in range(first, last):
            var row, head = divmod(unit, heads)
            var last = Int(position_ids[unsafe_offset=(row + 1) * tokens - 1])
            var begin = max(0, length - 1 - max(0, last))
            var i = 0
            comptime for rows in [QUERY_ROWS, 1]:
                while i + rows <= tokens:
                    var token = row * tokens + i
                    attend_tile[rows](
                        output.unsafe_offset(token * n_embd + head * head_dim),
                        n_embd,
                        qkv.unsafe_offset(token * 3 * n_embd + head * head_dim),
                        3 * n_embd,
                        keys.at(row, head, begin),
                        values.at(row, head, begin),
                        scores,
                        start + i + 1 - begin,
                        head_dim,
                    )
                    i += rows

    var work = 2 * batch * tokens * length * n_embd
    parallel_ranges(attend_heads, batch * heads, work)


# ANCHOR: attend_tile
def attend_tile[
    rows: Int
](
    output: Pointer[mut=True, Float32, _],
    output_stride: Int,
    queries: Pointer[Float32, _],
    query_stride: Int,
    keys: Floats,
    values: Floats,
    scores: Pointer[mut=True, Float32, _],
    visible: Int,
    head_dim: Int,
):
    """Attends with `rows` consecutive queries; the first sees `visible` positions.

    Parameters:
        rows: The number of queries.

    Args:
        output: The result of the first query.
        output_stride: The distance between two results.
        queries: The first query.
        query_stride: The distance between two queries.
        keys: The first visible key; the others follow it.
        values: The first visible value; the others follow it.
        scores: Scratch, [rows, visible + rows - 1].
        visible: How many positions the first query sees; the next sees one more.
        head_dim: The length of a query, key or value.
    """
    var count = max(0, visible + rows - 1)
    dot_rows[rows](scores, count, queries, query_stride, keys, count, head_dim)
    var scale = 1 / sqrt(Float32(head_dim))
    for row in range(rows):
        softmax(scores.unsafe_offset(row * count), visible + row, count, scale)

    var d = 0
    comptime for width in [4 * WIDTH, 2 * WIDTH, WIDTH, 1]:
        while d + width <= head_dim:
            weighted_sum[rows, width](
                output.unsafe_offset(d),
                output_stride,
                scores,
                values.unsafe_offset(d),
                count,
                head_dim,
            )
            d += width
# ANCHOR_END: attend_tile


def softmax(
    scores: Pointer[mut=True, Float32, _], visible: Int, count: Int, scale: Float32
):
    """Turns the first `visible` scores, times `scale`, into weights that sum to 1.

    The others, up to `count`, become 0: the positions that causal attention hides.
    """
    var vector_end = align_down(max(0, visible), WIDTH)
    var largest = Float32.MIN
    for j in range(0, vector_end, WIDTH):
        largest = max(largest, scores.unsafe_load[width=WIDTH](j).reduce_max())
    for j in range(vector_end, visible):
        largest = max(largest, scores[unsafe_offset=j])

    var sums = Vector(0)
    for j in range(0, vector_end, WIDTH):
        var weights = exp((scores.unsafe_load[width=WIDTH](j) - largest) * scale)
        scores.unsafe_store(j, weights)
        sums += weights
    var sum = sums.reduce_add()
    for j in range(vector_end, visible):
        var weight = exp((scores[unsafe_offset=j] - largest) * scale)
        scores[unsafe_offset=j] = weight
        sum += weight

    for j in range(0, vector_end, WIDTH):
        scores.unsafe_store(j, scores.unsafe_load[width=WIDTH](j) / sum)
    for j in range(vector_end, visible):
        scores[unsafe_offset=j] /= sum
    for j in range(max(0, visible), count):
        scores[unsafe_offset=j] = 0


@always_inline
def weighted_sum[
    rows: Int, width: Int
](
    output: Pointer[mut=True, Float32, _],
    output_stride: Int,
    weights: Pointer[Float32, _],
    values: Floats,
    count: Int,
    head_dim: Int,
):
    """Writes output[row] = sum over j of weights[row, j] * values[j], some columns.

    Parameters:
        rows: The number of rows of weights.
        width: The number of columns to compute.

    Args:
        output: The first of these columns of the first result.
        output_stride: The distance between two results.
        weights: The weights, [rows, count].
        values: The first of these columns of the first value.
        count: The number of values.
        head_dim: The distance between two values.
    """
    var sums = Array[Values[width], rows](fill=0)
    for j in range(count):
        var value = values.unsafe_load[width=width](j * head_dim)
        comptime for row in range(rows):
            var weight = Values[width](weights[unsafe_offset=row * count + j])
            sums[row] = value.fma(weight, sums[row])
    comptime for row in range(rows):
        output.unsafe_store(row * output_stride, sums[row])
