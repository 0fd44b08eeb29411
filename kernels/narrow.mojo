"""Activations made as narrow as the weights they meet, as products want them."""

from std.math import align_down, round

from .matrix import Matrix
from .parallel import parallel_ranges
from .vector import Values, Vector, WIDTH

comptime LARGEST = Float32(127)
"""The largest whole number that int8 has on both sides of 0."""


@always_inline
def scale_for[dtype: DType](x: Pointer[Float32, _], k: Int) -> Float32:
    """Returns what a row is divided by: in int8, so that its largest number is 127.

    NaN if there is a NaN or an infinity in the row: int8 has neither.
    """
    comptime if dtype != DType.int8:
        return 1
    var end = align_down(k, WIDTH)
    var lanes = Vector(0)
    var zeros = Vector(0)
    for column in range(0, end, WIDTH):
        var values = x.unsafe_load[width=WIDTH](column)
        lanes = max(lanes, abs(values))
        zeros = values.fma(0, zeros)
    var largest = lanes.reduce_max()
    var zero = zeros.reduce_add()
    for column in range(end, k):
        largest = max(largest, abs(x[unsafe_offset=column]))
        zero += x[unsafe_offset=column] * 0
    # A row of zeros has no scale; any will do.
    return (largest / LARGEST if largest > 0 else Float32(1)) + zero


@always_inline
def narrowed[
    width: Int, //, dtype: DType
](x: Values[width], scale: Float32) -> SIMD[dtype, width]:
    """Returns numbers of a row with that scale, rounded to the nearest."""
    comptime if dtype == DType.int8:
        return round(x / scale).cast[dtype]()
    else:
        return x.cast[dtype]()


def round_rows[
    dtype: DType
](rounded: Matrix[mut=True, DType.float32, _], x: Matrix[DType.float32, _]):
    """Writes what is left of x when its rows are kept in `dtype`, as float32.

    Any kernel that takes float32 then has the sums of one that multiplies in `dtype`.
    """

    def some_rows(first: Int, last: Int) {imm}:
        for row in range(first, last):
            var values = x.at(row)
            var scale = scale_for[dtype](values, x.columns)
            var column = 0
            comptime for width in [WIDTH, 1]:
                while column + width <= x.columns:
                    var kept = narrowed[dtype](
                        values.unsafe_load[width=width](column), scale
                    )
                    rounded.at(row, column).unsafe_store(
                        kept.cast[DType.float32]() * scale
                    )
                    column += width

    parallel_ranges(some_rows, x.rows, 2 * x.rows * x.columns)
