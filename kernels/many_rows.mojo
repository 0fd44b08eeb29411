"""Matrix times matrix: bound by multiplications, so each loaded value serves many."""

from std.math import align_down

from .vector import REGISTERS, Vector, WIDTH, transpose

comptime PANEL = 2 * WIDTH
"""Rows of w that are multiplied together; two registers of results per row of x."""

comptime X_ROWS = 12 if REGISTERS == 32 else 6
"""Rows of x in a tile: two sums each, and three registers for what is multiplied."""

comptime CHUNK = 256
"""Products that are added in a row: float32 sums lose accuracy with their length."""


def pack[
    dtype: DType, //
](
    packed: Pointer[mut=True, Float32, _],
    w: Pointer[Scalar[dtype], _],
    rows: Int,
    k: Int,
):
    """Writes packed[column, row] = w[row, column] as float32, PANEL rows wide.

    Weights that are needed together are then neighbours. Rows that w does not
    have are zeros.

    Args:
        packed: The result, [k, PANEL].
        w: The weights, [rows, k].
        rows: The number of rows, at most PANEL.
        k: The number of columns.
    """
    var vectors_end = align_down(k, WIDTH)
    for first in range(0, PANEL, WIDTH):
        for column in range(0, vectors_end, WIDTH):
            var square = Array[Vector, WIDTH](fill=0)
            comptime for row in range(WIDTH):
                if first + row < rows:
                    square[row] = w.unsafe_load[width=WIDTH](
                        (first + row) * k + column
                    ).cast[DType.float32]()
            square = transpose(square)
            comptime for c in range(WIDTH):
                packed.unsafe_store((column + c) * PANEL + first, square[c])
        for column in range(vectors_end, k):
            for row in range(first, first + WIDTH):
                var weight = Float32(0)
                if row < rows:
                    weight = w[unsafe_offset=row * k + column].cast[DType.float32]()
                packed[unsafe_offset=column * PANEL + row] = weight


@always_inline
def outer_tile[
    x_rows: Int
](
    y: Pointer[mut=True, Float32, _],
    x: Pointer[Float32, _],
    packed: Pointer[Float32, _],
    k: Int,
):
    """Writes y[i, j] = x[i] · (column j of packed) for `x_rows` rows, PANEL columns.

    Parameters:
        x_rows: The number of rows of x.

    Args:
        y: The result, [x_rows, PANEL].
        x: The first row, [x_rows, k].
        packed: The weights as `pack` wrote them, [k, PANEL].
        k: The number of columns of x.
    """
    for first in range(0, k, CHUNK):
        var sums = Array[Vector, x_rows * 2](fill=0)
        for column in range(first, min(k, first + CHUNK)):
            var left = packed.unsafe_load[width=WIDTH](column * PANEL)
            var right = packed.unsafe_load[width=WIDTH](column * PANEL + WIDTH)
            comptime for i in range(x_rows):
                var value = Vector(x[unsafe_offset=i * k + column])
                sums[2 * i] = value.fma(left, sums[2 * i])
                sums[2 * i + 1] = value.fma(right, sums[2 * i + 1])
        comptime for s in range(x_rows * 2):
            if first > 0:
                sums[s] += y.unsafe_load[width=WIDTH](s * WIDTH)
            y.unsafe_store(s * WIDTH, sums[s])
