"""Solution for Step 17: A Mojo kernel."""

from std.math import align_down

from .matrix import Matrix
from .vector import Values, Vector, WIDTH

comptime ROWS = 4
"""Rows of w that share what was loaded of x."""


@always_inline
def load_weights[
    dtype: DType, //, width: Int
](w: Pointer[Scalar[dtype], _], column: Int) -> Values[width]:
    """Returns `width` weights, from `column` on, as float32.

    Parameters:
        dtype: How the weights are kept: float32, bfloat16 or int8.
        width: How many: 1, or as many as a register holds.

    Args:
        w: Where a row of weights begins.
        column: Which of them is the first.
    """
    return w.unsafe_load[width=width](column).cast[DType.float32]()


@always_inline
def dot_numbers[
    dtype: DType, //
](x: Pointer[Float32, _], w: Pointer[Scalar[dtype], _], k: Int) -> Float32:
    """Returns x[0] * w[0] + ... + x[k - 1] * w[k - 1], one number at a time."""
    var total = Float32(0)
    for column in range(k):
        total += x[unsafe_offset=column] * load_weights[1](w, column)
    return total


@always_inline
def dot_registers[
    dtype: DType, //
](x: Pointer[Float32, _], w: Pointer[Scalar[dtype], _], k: Int) -> Float32:
    """Returns the same sum, WIDTH numbers at a time; k is a multiple of WIDTH."""
    var sums = Vector(0)
    for column in range(0, k, WIDTH):
        var values = x.unsafe_load[width=WIDTH](column)
        sums = values.fma(load_weights[WIDTH](w, column), sums)
    return sums.reduce_add()


@always_inline
def dot[
    dtype: DType, //
](x: Pointer[Float32, _], w: Pointer[Scalar[dtype], _], k: Int) -> Float32:
    """Returns the same sum for any k: whole registers, then what is left."""
    var whole = align_down(k, WIDTH)
    var rest = dot_numbers(x.unsafe_offset(whole), w.unsafe_offset(whole), k - whole)
    return dot_registers(x, w, whole) + rest


@always_inline
def dot_four[
    dtype: DType, //
](x: Pointer[Float32, _], w: Matrix[dtype, _]) -> Values[ROWS]:
    """Returns the products of x with each of the four rows of w, [4, k]."""
    var whole = align_down(w.columns, WIDTH)
    var sums = Array[Vector, ROWS](fill=0)
    for column in range(0, whole, WIDTH):
        var values = x.unsafe_load[width=WIDTH](column)
        comptime for row in range(ROWS):
            sums[row] = values.fma(load_weights[WIDTH](w.at(row), column), sums[row])

    var totals = Values[ROWS](0)
    comptime for row in range(ROWS):
        var rest = dot_numbers(
            x.unsafe_offset(whole), w.at(row, whole), w.columns - whole
        )
        totals[row] = sums[row].reduce_add() + rest
    return totals


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
        dtype: How the weights are kept.
        x_rows: The number of rows of x.

    Args:
        y: The sums, at least [x_rows, n].
        x: The activations, [x_rows or more, k].
        w: The weights, [n, k].
    """
    var four_end = align_down(w.rows, ROWS)
    for i in range(x_rows):
        for j in range(0, four_end, ROWS):
            y.at(i, j).unsafe_store(dot_four(x.at(i), w.some_rows(j, ROWS)))
        for j in range(four_end, w.rows):
            y.at(i, j)[] = dot(x.at(i), w.at(j), w.columns)
