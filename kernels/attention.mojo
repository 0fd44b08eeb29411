"""Causal attention of new tokens over a cache of keys and values."""

from std.math import align_down, exp, sqrt
from std.memory import unsafe_memcpy

from .few_rows import dot_rows
from .matrix import Matrix
from .parallel import parallel_ranges
from .vector import Values, Vector, WIDTH

comptime QUERY_ROWS = 4
"""Queries of one head that read the cache together."""

comptime Vectors = Matrix[DType.float32, MutUntrackedOrigin]
"""The keys or the values of one head, [positions, head_dim]."""


@fieldwise_init
struct Cache(TrivialRegisterPassable):
    """The keys or the values of one layer, [batch, heads, capacity, head_dim]."""

    var data: Pointer[Float32, MutUntrackedOrigin]
    var heads: Int
    var capacity: Int
    var head_dim: Int

    def of_head(self, row: Int, head: Int) -> Vectors:
        """Returns what one head of one text has, [capacity, head_dim]."""
        var first = (row * self.heads + head) * self.capacity * self.head_dim
        return Vectors(
            self.data.unsafe_offset(first), self.capacity, self.head_dim, self.head_dim
        )


def store(
    keys: Cache,
    values: Cache,
    qkv: Matrix[DType.float32, _],
    tokens: Int,
    start: Int,
):
    """Copies the keys and values of new tokens to positions start, start + 1, ...

    Args:
        keys: The cache of keys.
        values: The cache of values.
        qkv: Queries, keys and values side by side, [batch * tokens, 3 * n_embd].
        tokens: The number of new tokens in each row of the batch.
        start: The position of the first of them.
    """
    var head_dim = keys.head_dim
    var n_embd = keys.heads * head_dim

    def copy_heads(first: Int, last: Int) {imm}:
        for unit in range(first, last):
            var row, head = divmod(unit, keys.heads)
            var own_keys = keys.of_head(row, head)
            var own_values = values.of_head(row, head)
            for i in range(tokens):
                var key = qkv.at(row * tokens + i, n_embd + head * head_dim)
                var value = key.unsafe_offset(n_embd)
                unsafe_memcpy(dest=own_keys.at(start + i), src=key, count=head_dim)
                unsafe_memcpy(dest=own_values.at(start + i), src=value, count=head_dim)

    parallel_ranges(copy_heads, qkv.rows // tokens * keys.heads, qkv.rows * n_embd)


def attend(
    output: Matrix[mut=True, DType.float32, _],
    qkv: Matrix[DType.float32, _],
    keys: Cache,
    values: Cache,
    position_ids: Matrix[DType.int64, _],
    start: Int,
):
    """Writes the attention of each new token over its row's cache.

    The last token of a row, at position p of its text, sees the p cache entries before
    its own and its own; what lies further left is padding. So the tokens before it see
    the same entries up to their own. A token that is padding itself sees nothing and
    gets zeros.

    Args:
        output: The result, [batch * tokens, n_embd].
        qkv: Queries, keys and values side by side, [batch * tokens, 3 * n_embd].
        keys: The cache of keys, the new tokens' included.
        values: The cache of values, the new tokens' included.
        position_ids: Where each token stands in its text, [batch, tokens].
        start: The position in the cache of the first new token.
    """
    var heads = keys.heads
    var head_dim = keys.head_dim
    var tokens = position_ids.columns
    var length = start + tokens

    def attend_heads(first: Int, last: Int) {imm}:
        var memory = List[Float32](unsafe_uninit_length=QUERY_ROWS * length)
        for unit in range(first, last):
            var row, head = divmod(unit, heads)
            var own_keys = keys.of_head(row, head)
            var own_values = values.of_head(row, head)
            var text_length = Int(position_ids.at(row, tokens - 1)[]) + 1
            var begin = max(0, length - max(1, text_length))
            var i = 0
            comptime for rows in [QUERY_ROWS, 1]:
                while i + rows <= tokens:
                    var token = row * tokens + i
                    var column = head * head_dim
                    # The first of these queries sees up to its own position, and
                    # each of the others one more.
                    var visible = start + i + 1 - begin
                    var count = max(0, visible + rows - 1)
                    attend_tile[rows](
                        output.block(token, column, rows, head_dim),
                        qkv.block(token, column, rows, head_dim),
                        own_keys.some_rows(begin, count),
                        own_values.some_rows(begin, count),
                        Matrix(memory.unsafe_ptr(), rows, count, count),
                    )
                    i += rows

    var work = 2 * output.rows * length * output.columns
    parallel_ranges(attend_heads, position_ids.rows * heads, work)


# ANCHOR: attend_tile
def attend_tile[
    rows: Int
](
    output: Matrix[mut=True, DType.float32, _],
    queries: Matrix[DType.float32, _],
    keys: Vectors,
    values: Vectors,
    scores: Matrix[mut=True, DType.float32, _],
):
    """Attends with `rows` consecutive queries, the last of which sees all keys.

    Parameters:
        rows: The number of queries.

    Args:
        output: The result, [rows, head_dim].
        queries: The queries, [rows, head_dim].
        keys: What the last query sees, [count, head_dim]; the one before it does not
            see the last key, and so on.
        values: The values of the same positions, [count, head_dim].
        scores: Scratch, [rows, count].
    """
    dot_rows[rows](scores, queries, keys)
    var head_dim = keys.columns
    var scale = 1 / sqrt(Float32(head_dim))
    for row in range(rows):
        softmax(scores.at(row), keys.rows - rows + 1 + row, keys.rows, scale)

    var d = 0
    comptime for width in [4 * WIDTH, 2 * WIDTH, WIDTH, 1]:
        while d + width <= head_dim:
            weighted_sum[rows, width](
                output.block(0, d, rows, width),
                scores,
                values.block(0, d, values.rows, width),
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
    output: Matrix[mut=True, DType.float32, _],
    weights: Matrix[DType.float32, _],
    values: Vectors,
):
    """Writes output[row] = sum over j of weights[row, j] * values[j].

    Parameters:
        rows: The number of rows of weights.
        width: The number of columns of the values.

    Args:
        output: The result, [rows, width].
        weights: The weights, [rows, count].
        values: The values, [count, width].
    """
    var sums = Array[Values[width], rows](fill=0)
    for j in range(values.rows):
        var value = values.at(j).unsafe_load[width=width]()
        comptime for row in range(rows):
            var weight = Values[width](weights.at(row, j)[])
            sums[row] = value.fma(weight, sums[row])
    comptime for row in range(rows):
        output.at(row).unsafe_store(sums[row])
