"""The linear layer, y = finish(x @ w^T), for one row of x or for many."""

from .few_narrow import (
    MOST_ROWS,
    fits_registers,
    has_dot_products,
    linear_few_narrow,
)
from .few_rows import dot_rows
from .finish import Finish
from .many_rows import PANEL, TILE_ROWS, outer_tile, pack
from .matrix import Matrix
from .narrow import round_rows
from .parallel import parallel_ranges
from .tiles import allow_tiles, fits_tiles, has_tiles, linear_in_tiles

comptime ROWS_WORTH_PACKING = 16
"""From this many rows of x on, rearranging the weights first pays."""

comptime ROWS_TOGETHER = 8
"""The most rows of x that share a weight that was loaded once, below that."""

comptime BLOCK = 32
"""Rows of w that all rows of x use before the next: few enough to stay in cache."""


def linear[
    dtype: DType, //
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    w: Matrix[dtype, _],
    finish: Finish,
):
    """Writes y[i, j] = finish(x[i] · w[j]) for all rows of x and of w.

    Where the weights are narrower than float32, x is made as narrow: products of two
    narrow numbers are what a processor is fast at. Sums stay wide.

    Args:
        y: The result, [m, n].
        x: The activations, [m, k].
        w: The weights, [n, k].
        finish: Applies scale, bias and activation.
    """
    comptime if dtype == DType.float32:
        linear_in_registers(y, x, w, finish)
        return
    comptime if has_dot_products[dtype]():
        if x.rows <= MOST_ROWS and fits_registers(w):
            linear_few_narrow(y, x, w, finish)
            return
    comptime if has_tiles[dtype]():
        if fits_tiles(w) and allow_tiles():
            linear_in_tiles(y, x, w, finish)
            return
    linear_rounded(y, x, w, finish)


def linear_rounded[
    dtype: DType, //
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    w: Matrix[dtype, _],
    finish: Finish,
):
    """Writes the same sums, of numbers that are rounded but kept as float32."""
    var memory = List[Float32](unsafe_uninit_length=x.rows * x.columns)
    var rounded = Matrix(memory.unsafe_ptr(), x.rows, x.columns, x.columns)
    round_rows[dtype](rounded, x)
    linear_in_registers(y, rounded, w, finish)


def linear_in_registers[
    dtype: DType, //
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    w: Matrix[dtype, _],
    finish: Finish,
):
    """Writes the same, with products in float32: w is converted after it was loaded."""

    def few_rows(first: Int, last: Int) {imm}:
        var memory = Array[Float32, ROWS_TOGETHER * BLOCK](fill=0)
        for j in range(first, last, BLOCK):
            var count = min(last - j, BLOCK)
            var i = 0
            comptime for rows in [ROWS_TOGETHER, 4, 2, 1]:
                while i + rows <= x.rows:
                    var sums = Matrix(memory.unsafe_ptr(), rows, count, BLOCK)
                    dot_rows[rows](sums, x.some_rows(i, rows), w.some_rows(j, count))
                    finish.write(y.block(i, j, rows, count), sums, j)
                    i += rows

    def many_rows(first: Int, last: Int) {imm}:
        var packed = List[Float32](unsafe_uninit_length=PANEL * x.columns)
        var panel = Matrix(packed.unsafe_ptr(), x.columns, PANEL, PANEL)
        var memory = Array[Float32, TILE_ROWS * PANEL](fill=0)
        for j in range(first, last, PANEL):
            var count = min(last - j, PANEL)
            pack(panel, w.some_rows(j, count))
            var i = 0
            comptime for rows in [TILE_ROWS, 4, 1]:
                while i + rows <= x.rows:
                    var sums = Matrix(memory.unsafe_ptr(), rows, count, PANEL)
                    outer_tile[rows](sums, x.some_rows(i, rows), panel)
                    finish.write(y.block(i, j, rows, count), sums, j)
                    i += rows

    var work = x.rows * w.rows * w.columns
    if x.rows < ROWS_WORTH_PACKING:
        parallel_ranges(few_rows, w.rows, work, 4)
    else:
        parallel_ranges(many_rows, w.rows, work, PANEL)
