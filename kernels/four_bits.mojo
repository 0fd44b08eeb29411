"""The linear layer with weights of 4 bits, in groups that have a scale each.

A weight is (code - 8) * scale, with a code from 0 to 15. A line of 64 bytes holds the codes
of two groups of 64 columns: one in the lower halves of the bytes, one in the upper halves.
"""

from std.memory import bitcast
from std.sys import prefetch, PrefetchOptions

from .few_narrow import (
    PER_REGISTER,
    PREFETCH_BYTES,
    Sum,
    add_byte_products,
    has_dot_products,
)
from .finish import Finish
from .linear import linear
from .matrix import Matrix
from .narrow import narrowed, scale_for
from .parallel import parallel_ranges
from .tiles import has_tiles
from .vector import REGISTERS, Vector, WIDTH

comptime GROUP = 64
"""Columns that share a scale."""

comptime LINE = 64
"""Bytes with the codes of two groups."""

comptime MIDDLE = 8
"""The code of 0."""

comptime MOST_ROWS = 8
"""Rows of x up to which codes are multiplied; for more, weights are unpacked first."""

comptime ROWS_TOGETHER = 4
"""Rows of x that share a code that was loaded once."""

comptime W_ROWS = max(1, min(4, REGISTERS // 2 // ROWS_TOGETHER))
"""Rows of w that are read side by side: each has a sum for each row of x."""

comptime BLOCK = 32
"""Rows of w whose sums are finished together."""

comptime KEPT = DType.int8 if has_dot_products[DType.int8]() else DType.float32
"""What a few rows of x are kept in."""

comptime UNPACKED = DType.bfloat16 if has_tiles[DType.bfloat16]() else DType.float32
"""What weights become that meet many rows of x."""


@always_inline
def half_of[
    width: Int, //, half: Int
](codes: SIMD[DType.uint8, width]) -> SIMD[DType.uint8, width]:
    """Returns the codes of a line's first group, or of its second."""
    comptime if half == 0:
        return codes & 15
    else:
        return codes >> 4


def linear_four_bits(
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    codes: Matrix[DType.uint8, _],
    scales: Matrix[DType.float32, _],
    finish: Finish,
):
    """Writes y[i, j] = finish(x[i] · w[j]) for all rows of x and of w.

    Args:
        y: The result, [m, n].
        x: The activations, [m, k].
        codes: Of the weights, [n, lines * LINE]; where columns end before a line does,
            any.
        scales: Of their groups, [n, lines * 2].
        finish: Applies scale, bias and activation.
    """
    if x.rows <= MOST_ROWS:
        linear_few_rows(y, x, codes, scales, finish)
        return
    var columns = GROUP * scales.columns
    var memory = List[Scalar[UNPACKED]](unsafe_uninit_length=y.columns * columns)
    var unpacked = Matrix(memory.unsafe_ptr(), y.columns, columns, columns)
    unpack(unpacked, codes, scales)
    linear(y, x, unpacked.block(0, 0, y.columns, x.columns), finish)


def unpack[
    dtype: DType, //
](
    weights: Matrix[mut=True, dtype, _],
    codes: Matrix[DType.uint8, _],
    scales: Matrix[DType.float32, _],
):
    """Writes what the codes stand for."""

    def some_rows(first: Int, last: Int) {imm}:
        for row in range(first, last):
            for line in range(codes.columns // LINE):
                comptime for half in range(2):
                    var group = 2 * line + half
                    var scale = scales.at(row, group)[]
                    comptime for part in range(0, GROUP, WIDTH):
                        var some = half_of[half](
                            codes.at(row, line * LINE + part).unsafe_load[
                                width=WIDTH
                            ]()
                        )
                        var values = (some.cast[DType.float32]() - MIDDLE) * scale
                        weights.at(row, group * GROUP + part).unsafe_store(
                            values.cast[dtype]()
                        )

    parallel_ranges(some_rows, weights.rows, weights.rows * weights.columns)


def linear_few_rows(
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    codes: Matrix[DType.uint8, _],
    scales: Matrix[DType.float32, _],
    finish: Finish,
):
    """Writes the same, of sums for each group."""
    var groups = scales.columns
    var memory = List[Scalar[KEPT]](length=x.rows * groups * GROUP, fill=0)
    var kept = Matrix(memory.unsafe_ptr(), x.rows, groups * GROUP, groups * GROUP)
    var zeros_memory = List[Scalar[Sum[KEPT]]](
        unsafe_uninit_length=x.rows * groups * WIDTH
    )
    var zeros = Matrix(
        zeros_memory.unsafe_ptr(), x.rows, groups * WIDTH, groups * WIDTH
    )
    var x_scales_memory = List[Float32](unsafe_uninit_length=x.rows)
    for i in range(x.rows):
        x_scales_memory[i] = keep_row(kept.some_rows(i, 1), x.some_rows(i, 1))
        write_zeros(zeros.some_rows(i, 1), kept.some_rows(i, 1))
    var x_scales = x_scales_memory.unsafe_ptr()

    def some_rows(first: Int, last: Int) {imm}:
        var sums_memory = Array[Float32, ROWS_TOGETHER * BLOCK](fill=0)
        for j in range(first, last, BLOCK):
            var count = min(last - j, BLOCK)
            var i = 0
            comptime for rows in [ROWS_TOGETHER, 2, 1]:
                while i + rows <= x.rows:
                    var sums = Matrix(sums_memory.unsafe_ptr(), rows, count, BLOCK)
                    var c = 0
                    comptime for w_rows in [W_ROWS, 1]:
                        while c + w_rows <= count:
                            dot_groups[rows, w_rows](
                                sums.block(0, c, rows, w_rows),
                                kept.some_rows(i, rows),
                                zeros.some_rows(i, rows),
                                x_scales.unsafe_offset(i),
                                codes.some_rows(j + c, w_rows),
                                scales.some_rows(j + c, w_rows),
                            )
                            c += w_rows
                    finish.write(y.block(i, j, rows, count), sums, j)
                    i += rows

    parallel_ranges(some_rows, y.columns, x.rows * y.columns * x.columns, W_ROWS)


def keep_row(
    kept: Matrix[mut=True, KEPT, _], x: Matrix[DType.float32, _]
) -> Float32:
    """Writes a row of x as it is kept, and returns its scale."""
    var scale = scale_for[KEPT](x.at(0), x.columns)
    var column = 0
    comptime for width in [WIDTH, 1]:
        while column + width <= x.columns:
            var values = x.at(0, column).unsafe_load[width=width]()
            kept.at(0, column).unsafe_store(narrowed[KEPT](values, scale))
            column += width
    return scale


def write_zeros(zeros: Matrix[mut=True, Sum[KEPT], _], kept: Matrix[KEPT, _]):
    """Writes what the sums of each group begin with, so that the code of 0 adds nothing.
    """
    comptime step = PER_REGISTER[KEPT]
    for group in range(kept.columns // GROUP):
        var sums = SIMD[Sum[KEPT], WIDTH](0)
        comptime for part in range(0, GROUP, step):
            var values = kept.at(0, group * GROUP + part).unsafe_load[width=step]()
            sums = add_codes(sums, values, SIMD[DType.uint8, step](MIDDLE))
        zeros.at(0, group * WIDTH).unsafe_store(-sums)


@always_inline
def add_codes[
    width: Int, //
](
    sums: SIMD[Sum[KEPT], WIDTH],
    x: SIMD[KEPT, width],
    codes: SIMD[DType.uint8, width],
) -> SIMD[Sum[KEPT], WIDTH]:
    """Adds to the lanes the products of numbers of x with codes."""
    comptime if KEPT == DType.int8:
        return add_byte_products(sums, x, bitcast[KEPT, width](codes))
    else:
        comptime Values = SIMD[Sum[KEPT], WIDTH]
        return rebind[Values](x).fma(rebind[Values](codes.cast[KEPT]()), sums)


@always_inline
def dot_groups[
    x_rows: Int, w_rows: Int
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[KEPT, _],
    zeros: Matrix[Sum[KEPT], _],
    x_scales: Pointer[Float32, _],
    codes: Matrix[DType.uint8, _],
    scales: Matrix[DType.float32, _],
):
    """Writes y[i, j] = x[i] · w[j] for a few rows of x and of w.

    Parameters:
        x_rows: The number of rows of x.
        w_rows: The number of rows of w.

    Args:
        y: The sums, [x_rows, w_rows].
        x: The activations as they are kept, [x_rows, columns].
        zeros: What the sums of each group begin with.
        x_scales: Of the rows of x.
        codes: Of the weights.
        scales: Of their groups.
    """
    comptime step = PER_REGISTER[KEPT]
    var totals = Array[Vector, x_rows * w_rows](fill=0)
    for line in range(codes.columns // LINE):
        comptime for j in range(w_rows):
            var place = codes.at(j, line * LINE)
            prefetch[PrefetchOptions().for_read().to_data_cache()](
                place.unsafe_offset(PREFETCH_BYTES)
            )
            comptime for half in range(2):
                var group = 2 * line + half
                var sums = Array[SIMD[Sum[KEPT], WIDTH], x_rows](fill=0)
                comptime for i in range(x_rows):
                    sums[i] = zeros.at(i, group * WIDTH).unsafe_load[width=WIDTH]()
                comptime for part in range(0, GROUP, step):
                    var some = half_of[half](place.unsafe_load[width=step](part))
                    comptime for i in range(x_rows):
                        var values = x.at(i, group * GROUP + part).unsafe_load[
                            width=step
                        ]()
                        sums[i] = add_codes(sums[i], values, some)
                var scale = Vector(scales.at(j, group)[])
                comptime for i in range(x_rows):
                    comptime s = i * w_rows + j
                    totals[s] = sums[i].cast[DType.float32]().fma(scale, totals[s])
    comptime for i in range(x_rows):
        comptime for j in range(w_rows):
            var total = totals[i * w_rows + j].reduce_add()
            y.at(i, j)[] = total * x_scales[unsafe_offset=i]
