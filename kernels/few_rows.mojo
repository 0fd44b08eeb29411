"""Matrix times vector, or times a few: bound by reading the weights once."""

from std.math import align_down
from std.sys import prefetch, PrefetchOptions, size_of

from .matrix import Matrix
from .vector import REGISTERS, Vector, WIDTH, sum_each

comptime CACHE_LINE = 64

comptime PREFETCH_BYTES = 4096
"""Prefetch distance: how far ahead of its use a weight is asked for."""

comptime SUMS = REGISTERS // 2
"""Sums that one tile keeps in registers; the rest hold what is multiplied."""

comptime MOST_W_ROWS = 4
"""Rows of w that are read side by side at most."""


# ANCHOR: dot_tile
@always_inline
def dot_tile[
    dtype: DType, //, x_rows: Int, w_rows: Int
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    w: Matrix[dtype, _],
):
    """Writes y[i, j] = x[i] · w[j] for the first rows of x and of w.

    Each of the `x_rows * w_rows` sums has a register of its own for the whole
    loop, so a weight that was loaded, and converted to float32, serves all rows
    of x.

    Parameters:
        dtype: The type of the weights.
        x_rows: The number of rows of x.
        w_rows: The number of rows of w.

    Args:
        y: The sums, at least [x_rows, w_rows].
        x: The activations, [x_rows or more, k].
        w: The weights, [w_rows or more, k].
    """
    comptime bytes = size_of[Scalar[dtype]]()
    comptime step = max(WIDTH, CACHE_LINE // bytes)
    var sums = Array[Vector, x_rows * w_rows](fill=0)

    @always_inline
    def add_columns[count: Int](column: Int) {mut sums, imm}:
        comptime for j in range(w_rows):
            var weights = w.at(j, column)
            comptime for line in range(0, count * bytes, CACHE_LINE):
                prefetch[PrefetchOptions().for_read().to_data_cache()](
                    weights.unsafe_offset((PREFETCH_BYTES + line) // bytes)
                )
            comptime for c in range(0, count, WIDTH):
                var weight = weights.unsafe_load[width=WIDTH](c).cast[DType.float32]()
                comptime for i in range(x_rows):
                    comptime s = i * w_rows + j
                    var value = x.at(i, column + c).unsafe_load[width=WIDTH]()
                    sums[s] = value.fma(weight, sums[s])

    var k = w.columns
    var steps_end = align_down(k, step)
    var vectors_end = align_down(k, WIDTH)
    for column in range(0, steps_end, step):
        add_columns[step](column)
    for column in range(steps_end, vectors_end, WIDTH):
        add_columns[WIDTH](column)

    comptime for i in range(x_rows):
        var row = Array[Vector, w_rows](fill=0)
        comptime for j in range(w_rows):
            row[j] = sums[i * w_rows + j]
        var totals = sum_each(row)
        for column in range(vectors_end, k):
            var value = x.at(i, column)[]
            comptime for j in range(w_rows):
                totals[j] += value * w.at(j, column)[].cast[DType.float32]()
        y.at(i).unsafe_store(totals)
# ANCHOR_END: dot_tile


@always_inline
def dot_rows[
    dtype: DType, //, x_rows: Int
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    w: Matrix[dtype, _],
):
    """Writes y[i, j] = x[i] · w[j] for the first rows of x and all rows of w.

    Parameters:
        dtype: The type of the weights.
        x_rows: The number of rows of x.

    Args:
        y: The sums, at least [x_rows, n].
        x: The activations, [x_rows or more, k].
        w: The weights, [n, k].
    """
    comptime w_rows = min(MOST_W_ROWS, max(1, SUMS // x_rows))
    var j = 0
    comptime for rows in [w_rows, 1]:
        while j + rows <= w.rows:
            dot_tile[x_rows, rows](
                y.block(0, j, x_rows, rows), x, w.some_rows(j, rows)
            )
            j += rows
