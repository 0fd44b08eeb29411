"""Matrix times vector, or times a few: bound by reading the weights once."""

from std.math import align_down
from std.sys import prefetch, PrefetchOptions, size_of

from .vector import REGISTERS, Vector, WIDTH, sum_each

comptime CACHE_LINE = 64

comptime PREFETCH_BYTES = 4096
"""How far ahead of its use memory is asked for a weight."""

comptime SUMS = REGISTERS // 2
"""Sums that one tile keeps in registers; the rest hold what is multiplied."""


# ANCHOR: dot_tile
@always_inline
def dot_tile[
    dtype: DType, //, x_rows: Int, w_rows: Int
](
    y: Pointer[mut=True, Float32, _],
    y_stride: Int,
    x: Pointer[Float32, _],
    x_stride: Int,
    w: Pointer[Scalar[dtype], _],
    k: Int,
):
    """Writes y[i, j] = x[i] · w[j] for a few rows of x and of w.

    Each of the `x_rows * w_rows` sums has a register of its own for the whole
    loop, so a weight that was loaded, and converted to float32, serves all rows
    of x.

    Parameters:
        dtype: The type of the weights.
        x_rows: The number of rows of x.
        w_rows: The number of rows of w.

    Args:
        y: Where the first sum goes.
        y_stride: The distance between two rows of y.
        x: The first row of x.
        x_stride: The distance between two rows of x.
        w: The first row of w; the next follows k weights later.
        k: The number of columns.
    """
    comptime bytes = size_of[Scalar[dtype]]()
    comptime step = max(WIDTH, CACHE_LINE // bytes)
    var sums = Array[Vector, x_rows * w_rows](fill=0)

    @always_inline
    def add_columns[count: Int](column: Int) {mut sums, imm}:
        comptime for j in range(w_rows):
            var weights = w.unsafe_offset(j * k + column)
            comptime for line in range(0, count * bytes, CACHE_LINE):
                prefetch[PrefetchOptions().for_read().to_data_cache()](
                    weights.unsafe_offset((PREFETCH_BYTES + line) // bytes)
                )
            comptime for c in range(0, count, WIDTH):
                var weight = weights.unsafe_load[width=WIDTH](c).cast[DType.float32]()
                comptime for i in range(x_rows):
                    comptime s = i * w_rows + j
                    var at = i * x_stride + column + c
                    var value = x.unsafe_load[width=WIDTH](at)
                    sums[s] = value.fma(weight, sums[s])

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
            var value = x[unsafe_offset=i * x_stride + column]
            comptime for j in range(w_rows):
                var weight = w[unsafe_offset=j * k + column]
                totals[j] += value * weight.cast[DType.float32]()
        y.unsafe_store(i * y_stride, totals)
# ANCHOR_END: dot_tile


@always_inline
def dot_rows[
    dtype: DType, //, x_rows: Int
](
    y: Pointer[mut=True, Float32, _],
    y_stride: Int,
    x: Pointer[Float32, _],
    x_stride: Int,
    w: Pointer[Scalar[dtype], _],
    count: Int,
    k: Int,
):
    """Writes y[i, j] = x[i] · w[j] for `x_rows` rows of x and `count` rows of w.

    The arguments are those of `dot_tile`.
    """
    comptime w_rows = min(4, max(1, SUMS // x_rows))
    var j = 0
    comptime for rows in [w_rows, 1]:
        while j + rows <= count:
            var weights = w.unsafe_offset(j * k)
            dot_tile[x_rows, rows](
                y.unsafe_offset(j), y_stride, x, x_stride, weights, k
            )
            j += rows
