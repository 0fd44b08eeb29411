"""Matrix times matrix: bound by multiplications, so each loaded value serves many."""

from std.math import align_down

from .matrix import Matrix
from .vector import REGISTERS, Vector, WIDTH, transpose

comptime PANEL = 2 * WIDTH
"""Rows of w that are multiplied together; two registers of results per row of x."""

comptime TILE_ROWS = 12 if REGISTERS == 32 else 6
"""Rows of x in a tile: two sums each, and three registers for what is multiplied."""

comptime CHUNK = 256
"""Products that are added in a row: float32 sums lose accuracy with their length."""


def pack[
    dtype: DType, //
](packed: Matrix[mut=True, DType.float32, _], w: Matrix[dtype, _]):
    """Writes packed[column, row] = w[row, column] as float32, PANEL rows wide.

    Weights that are needed together are then neighbours. Rows that w does not
    have are zeros.

    Args:
        packed: The result, [k, PANEL].
        w: The weights, at most PANEL rows, [rows, k].
    """
    var vectors_end = align_down(w.columns, WIDTH)
    for first in range(0, PANEL, WIDTH):
        for column in range(0, vectors_end, WIDTH):
            var square = Array[Vector, WIDTH](fill=0)
            comptime for row in range(WIDTH):
                if first + row < w.rows:
                    square[row] = (
                        w.at(first + row, column)
                        .unsafe_load[width=WIDTH]()
                        .cast[DType.float32]()
                    )
            square = transpose(square)
            comptime for c in range(WIDTH):
                packed.at(column + c, first).unsafe_store(square[c])
        for column in range(vectors_end, w.columns):
            for row in range(first, first + WIDTH):
                var weight = Float32(0)
                if row < w.rows:
                    weight = w.at(row, column)[].cast[DType.float32]()
                packed.at(column, row)[] = weight


@always_inline
def outer_tile[
    x_rows: Int
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    packed: Matrix[DType.float32, _],
):
    """Writes y[i, j] = x[i] · (column j of packed) for `x_rows` rows, PANEL columns.

    Parameters:
        x_rows: The number of rows of x.

    Args:
        y: The result; whatever its columns, PANEL of them are written.
        x: The activations, [x_rows, k].
        packed: The weights as `pack` wrote them, [k, PANEL].
    """
    for first in range(0, packed.rows, CHUNK):
        var sums = Array[Vector, x_rows * 2](fill=0)
        for column in range(first, min(packed.rows, first + CHUNK)):
            var left = packed.at(column).unsafe_load[width=WIDTH]()
            var right = packed.at(column, WIDTH).unsafe_load[width=WIDTH]()
            comptime for i in range(x_rows):
                var value = Vector(x.at(i, column)[])
                sums[2 * i] = value.fma(left, sums[2 * i])
                sums[2 * i + 1] = value.fma(right, sums[2 * i + 1])
        comptime for i in range(x_rows):
            comptime for half in range(2):
                var place = y.at(i, half * WIDTH)
                if first > 0:
                    sums[2 * i + half] += place.unsafe_load[width=WIDTH]()
                place.unsafe_store(sums[2 * i + half])
