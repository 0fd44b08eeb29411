"""
Step 17: A Mojo kernel

Write the dot product that decides how fast GPT-2 writes: one number at a time, then a
register at a time, then four rows at once.

Tasks:
1. Load weights, and convert them in the register
2. Multiply and add one number at a time
3. Multiply and add a register at a time
4. Add what fills no register
5. Read four rows of weights at once
6. Go through all rows

Run: pixi run s17
"""

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
    # TODO: Load `width` weights from `column` on, and convert them after that
    # Hint: w.unsafe_load[width=width](column), then .cast[DType.float32]()
    return 0


@always_inline
def dot_numbers[
    dtype: DType, //
](x: Pointer[Float32, _], w: Pointer[Scalar[dtype], _], k: Int) -> Float32:
    """Returns x[0] * w[0] + ... + x[k - 1] * w[k - 1], one number at a time."""
    var total = Float32(0)

    # TODO: Add the product of each pair of numbers to `total`
    # Hint: for column in range(k):
    # Hint: x[unsafe_offset=column] * load_weights[1](w, column)
    pass
    return total


@always_inline
def dot_registers[
    dtype: DType, //
](x: Pointer[Float32, _], w: Pointer[Scalar[dtype], _], k: Int) -> Float32:
    """Returns the same sum, WIDTH numbers at a time; k is a multiple of WIDTH."""
    var sums = Vector(0)

    # TODO: Go through the columns, WIDTH at a time, and add the products to `sums`
    # Hint: for column in range(0, k, WIDTH):
    # Hint: x.unsafe_load[width=WIDTH](column), and a.fma(b, sums) is a * b + sums
    pass

    # TODO: Add up the lanes
    # Hint: sums.reduce_add()
    return 0


@always_inline
def dot[
    dtype: DType, //
](x: Pointer[Float32, _], w: Pointer[Scalar[dtype], _], k: Int) -> Float32:
    """Returns the same sum for any k: whole registers, then what is left."""
    # TODO: Find out how many of the k columns fill whole registers
    # Hint: align_down(k, WIDTH)
    var whole = 0

    # TODO: Compute the part of the columns that are left, one number at a time
    # Hint: dot_numbers(x.unsafe_offset(whole), w.unsafe_offset(whole), ...)
    # Hint: The last argument is how many columns are left.
    var rest = Float32(0)
    return dot_registers(x, w, whole) + rest


@always_inline
def dot_four[
    dtype: DType, //
](x: Pointer[Float32, _], w: Matrix[dtype, _]) -> Values[ROWS]:
    """Returns the products of x with each of the four rows of w, [4, k]."""
    var whole = align_down(w.columns, WIDTH)
    var sums = Array[Vector, ROWS](fill=0)

    # TODO: Load a register of x once, and use it for all four rows of w
    # Hint: comptime for row in range(ROWS):, inside the loop over the columns
    # Hint: load_weights[WIDTH](w.at(row), column), and sums[row] = ...
    pass

    var totals = Values[ROWS](0)

    # TODO: For each row, add up the lanes, and what fills no register
    # Hint: comptime for row in range(ROWS):
    # Hint: totals[row] = sums[row].reduce_add() + dot_numbers(..., ..., ...)
    pass
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
        # TODO: Write four sums at a time, as long as there are four rows
        # Hint: for j in range(0, four_end, ROWS):
        # Hint: y.at(i, j).unsafe_store(dot_four(x.at(i), w.some_rows(j, ROWS)))
        pass

        # TODO: Write the sums of the rows that are left, one at a time
        # Hint: for j in range(four_end, w.rows):
        # Hint: y.at(i, j)[] = dot(x.at(i), w.at(j), w.columns)
        pass
