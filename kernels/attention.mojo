"""Causal attention of new tokens over a cache of keys and values."""

from std.math import align_down, align_up, exp, sqrt
from std.memory import unsafe_memcpy

from .few_rows import dot_rows
from .many_rows import PANEL, TILE_ROWS, outer_tile, pack
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

    var wide = align_up(length, PANEL)
    # Keys that many queries look at are worth rearranging.
    var many = tokens >= TILE_ROWS and head_dim % PANEL == 0

    def attend_heads(first: Int, last: Int) {imm}:
        var memory = List[Float32](unsafe_uninit_length=TILE_ROWS * wide)
        var panels = List[Float32](
            unsafe_uninit_length=wide * head_dim if many else 0
        )
        for unit in range(first, last):
            var row, head = divmod(unit, heads)
            var text_length = Int(position_ids.at(row, tokens - 1)[]) + 1
            var begin = max(0, length - max(1, text_length))
            var own_keys = keys.of_head(row, head).some_rows(begin, length - begin)
            var own_values = values.of_head(row, head).some_rows(begin, length - begin)
            if many:
                pack_panels(panels.unsafe_ptr(), own_keys)
            var i = 0
            comptime for rows in [TILE_ROWS, QUERY_ROWS, 1]:
                while i + rows <= tokens and (many or rows <= QUERY_ROWS):
                    var token = row * tokens + i
                    var column = head * head_dim
                    # The first of these queries sees up to its own position, and
                    # each of the others one more.
                    var visible = start + i + 1 - begin
                    var count = max(0, visible + rows - 1)
                    var results = output.block(token, column, rows, head_dim)
                    var queries = qkv.block(token, column, rows, head_dim)
                    var seen = own_values.some_rows(0, count)
                    var scores = Matrix(memory.unsafe_ptr(), rows, count, wide)
                    if many:
                        attend_panels[rows](
                            results, queries, panels.unsafe_ptr(), seen, scores
                        )
                    else:
                        attend_tile[rows](
                            results,
                            queries,
                            own_keys.some_rows(0, count),
                            seen,
                            scores,
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
    softmax_rows(scores, head_dim=keys.columns)
    var d = 0
    comptime for width in [4 * WIDTH, 2 * WIDTH, WIDTH, 1]:
        while d + width <= values.columns:
            weighted_sum[rows, width](
                output.block(0, d, rows, width),
                scores,
                values.block(0, d, values.rows, width),
            )
            d += width
# ANCHOR_END: attend_tile


def pack_panels(panels: Pointer[mut=True, Float32, _], keys: Vectors):
    """Writes keys as `outer_tile` takes them, PANEL of them together."""
    for j in range(0, keys.rows, PANEL):
        pack(
            panel_of(panels, j, keys.columns),
            keys.some_rows(j, min(PANEL, keys.rows - j)),
        )


@always_inline
def panel_of[
    mut: Bool, origin: Origin[mut=mut], //
](panels: Pointer[Float32, origin], key: Int, head_dim: Int) -> Matrix[
    DType.float32, origin
]:
    """Returns the panel that begins with that key, [head_dim, PANEL]."""
    return Matrix(panels.unsafe_offset(key * head_dim), head_dim, PANEL, PANEL)


def attend_panels[
    rows: Int
](
    output: Matrix[mut=True, DType.float32, _],
    queries: Matrix[DType.float32, _],
    panels: Pointer[Float32, _],
    values: Vectors,
    scores: Matrix[mut=True, DType.float32, _],
):
    """Does what `attend_tile` does, with keys from `pack_panels`.

    Parameters:
        rows: The number of queries.

    Args:
        output: The result, [rows, head_dim].
        queries: The queries, [rows, head_dim].
        panels: The keys.
        values: What the last query sees, [count, head_dim].
        scores: Scratch, [rows, count], with room for the last panel.
    """
    for j in range(0, values.rows, PANEL):
        outer_tile[rows](
            scores.block(0, j, rows, PANEL),
            queries,
            panel_of(panels, j, values.columns),
        )
    softmax_rows(scores, head_dim=values.columns)
    for d in range(0, values.columns, PANEL):
        outer_tile[rows](
            output.block(0, d, rows, PANEL),
            scores,
            values.block(0, d, values.rows, PANEL),
        )


def softmax_rows(scores: Matrix[mut=True, DType.float32, _], head_dim: Int):
    """Turns scores of consecutive queries into weights, causally.

    The last row sees all keys, the one before it all but one, and so on.
    """
    var scale = 1 / sqrt(Float32(head_dim))
    for row in range(scores.rows):
        var visible = scores.columns - scores.rows + 1 + row
        softmax(scores.at(row), visible, scores.columns, scale)


def softmax(
    scores: Pointer[mut=True, Float32, _], visible: Int, count: Int, scale: Float32
):
    """Turns the first `visible` scores, times `scale`, into weights that sum to 1.

    The others, up to `count`, become 0: the positions that causal attention hides.
    """
    var vector_end = align_down(max(0, visible), WIDTH)
    var lanes = Vector(Float32.MIN)
    for j in range(0, vector_end, WIDTH):
        lanes = max(lanes, scores.unsafe_load[width=WIDTH](j))
    var largest = lanes.reduce_max()
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

    var share = 1 / sum
    for j in range(0, vector_end, WIDTH):
        scores.unsafe_store(j, scores.unsafe_load[width=WIDTH](j) * share)
    for j in range(vector_end, visible):
        scores[unsafe_offset=j] *= share
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
