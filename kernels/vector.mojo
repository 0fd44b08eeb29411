"""Registers of float32 values, and what the kernels need to do inside them."""

from std.sys import CompilationTarget, simd_width_of

comptime WIDTH = simd_width_of[DType.float32]()
"""How many float32 values one register of this processor holds: 4, 8 or 16."""

comptime Values[width: Int] = SIMD[DType.float32, width]

comptime Vector = Values[WIDTH]

comptime REGISTERS = 16 if (
    CompilationTarget.is_x86() and not CompilationTarget.has_avx512f()
) else 32
"""How many such registers there are; kernels keep their sums in them."""


@always_inline
def sum_each[
    count: Int
](vectors: Array[Vector, count]) -> Values[count]:
    """Returns the sum of each vector; `count` is a power of two up to WIDTH.

    Adding neighbours in two vectors and joining the results halves the number
    of vectors, at a third of the instructions that summing them singly takes.
    """
    var left = vectors.copy()
    comptime for level in range(1, count):
        comptime for v in range(count >> level):
            left[v] = add_neighbours(left[2 * v], left[2 * v + 1])
    return fold[WIDTH, count](left[0])


@always_inline
def add_neighbours(a: Vector, b: Vector) -> Vector:
    """Returns [a0 + a1, a2 + a3, ..., b0 + b1, b2 + b3, ...]."""
    var even, odd = a.join(b).deinterleave()
    return rebind[Vector](even + odd)


@always_inline
def fold[width: Int, to: Int](v: Values[width]) -> Values[to]:
    """Adds neighbours until `to` lanes are left."""
    comptime if width == to:
        return rebind[Values[to]](v)
    else:
        var even, odd = v.deinterleave()
        return fold[width // 2, to](rebind[Values[width // 2]](even + odd))


@always_inline
def transpose(rows: Array[Vector, WIDTH]) -> Array[Vector, WIDTH]:
    """Returns the columns of a square of values.

    Interleaving the first half of the values with the second moves the top bit
    of each value's index to the bottom. After as many rounds as a row number
    has bits, row and column have changed places.
    """
    var square = rows.copy()
    comptime for _ in range(log2_of_width()):
        var shuffled = square.copy()
        comptime for i in range(WIDTH // 2):
            var pair = square[i].interleave(square[i + WIDTH // 2])
            shuffled[2 * i] = pair.slice[WIDTH]()
            shuffled[2 * i + 1] = pair.slice[WIDTH, offset=WIDTH]()
        square = shuffled^
    return square^


def log2_of_width() -> Int:
    """Returns how many bits the number of a lane has."""
    var bits = 0
    while 1 << bits < WIDTH:
        bits += 1
    return bits
