"""The linear layer, y = finish(x @ w^T), for one row of x or for many."""

from .few_rows import dot_rows
from .finish import Finish, finish_row
from .many_rows import PANEL, X_ROWS, outer_tile, pack
from .parallel import parallel_ranges

comptime MANY = 16
"""From this many rows of x on, rearranging the weights first pays."""

comptime FEW_ROWS = 8
"""The most rows of x that read the weights together before that."""

comptime BLOCK = 32
"""Rows of w that meet all of those before the next do: they stay in cache."""


def linear[
    dtype: DType, FinishType: Finish, //
](
    y: Pointer[mut=True, Float32, _],
    x: Pointer[Float32, _],
    w: Pointer[Scalar[dtype], _],
    finish: FinishType,
    m: Int,
    n: Int,
    k: Int,
):
    """Writes y[i, j] = finish(j, x[i] · w[j]) for all m rows of x and n rows of w.

    Args:
        y: The result, [m, n].
        x: The activations, [m, k].
        w: The weights, [n, k].
        finish: Adds bias, scale and activation.
        m: The number of rows of x.
        n: The number of rows of w.
        k: The number of columns of both.
    """

    def few_rows(first: Int, last: Int) {imm}:
        var sums = Array[Float32, FEW_ROWS * BLOCK](fill=0)
        for j in range(first, last, BLOCK):
            var count = min(last - j, BLOCK)
            var weights = w.unsafe_offset(j * k)
            var i = 0
            comptime for rows in [FEW_ROWS, 4, 2, 1]:
                while i + rows <= m:
                    var values = x.unsafe_offset(i * k)
                    dot_rows[rows](
                        sums.unsafe_ptr(), BLOCK, values, k, weights, count, k
                    )
                    for row in range(rows):
                        finish_row(
                            y.unsafe_offset((i + row) * n),
                            sums.unsafe_ptr().unsafe_offset(row * BLOCK),
                            finish,
                            j,
                            count,
                        )
                    i += rows

    def many_rows(first: Int, last: Int) {imm}:
        var packed = List[Float32](unsafe_uninit_length=PANEL * k)
        var sums = Array[Float32, X_ROWS * PANEL](fill=0)
        for j in range(first, last, PANEL):
            var count = min(last - j, PANEL)
            pack(packed.unsafe_ptr(), w.unsafe_offset(j * k), count, k)
            var i = 0
            comptime for rows in [X_ROWS, 4, 1]:
                while i + rows <= m:
                    var values = x.unsafe_offset(i * k)
                    outer_tile[rows](
                        sums.unsafe_ptr(), values, packed.unsafe_ptr(), k
                    )
                    for row in range(rows):
                        finish_row(
                            y.unsafe_offset((i + row) * n),
                            sums.unsafe_ptr().unsafe_offset(row * PANEL),
                            finish,
                            j,
                            count,
                        )
                    i += rows

    if m < MANY:
        parallel_ranges(few_rows, n, m * n * k, 4)
    else:
        parallel_ranges(many_rows, n, m * n * k, PANEL)
