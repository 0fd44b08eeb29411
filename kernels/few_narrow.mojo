"""A few rows of x times int8 or bfloat16, by instructions that make dot products of them."""

from std.sys import CompilationTarget, llvm_intrinsic, prefetch, PrefetchOptions, size_of

from .allowed import DOT_PRODUCTS
from .finish import Finish
from .matrix import Matrix
from .narrow import narrowed, scale_for
from .parallel import parallel_ranges
from .vector import WIDTH

comptime MOST_ROWS = 4
"""Rows of x up to which this is faster than tiles: weights are read side by side."""

comptime W_ROWS = 4
"""Rows of w that are read side by side."""

comptime BLOCK = 32
"""Rows of w whose sums are finished together."""

comptime REGISTER_BYTES = WIDTH * size_of[Float32]()

comptime PREFETCH_BYTES = 8192
"""How far ahead of its use a weight is asked for."""

comptime Sum[dtype: DType] = DType.int32 if dtype == DType.int8 else DType.float32
comptime PER_REGISTER[dtype: DType] = REGISTER_BYTES // size_of[Scalar[dtype]]()


def has_dot_products[dtype: DType]() -> Bool:
    """Whether this processor has such instructions for its widest registers."""
    comptime if not DOT_PRODUCTS:
        return False
    elif dtype == DType.int8:
        return CompilationTarget.has_neon_int8_dotprod() or (
            CompilationTarget.has_vnni() and CompilationTarget.has_avx512f()
        )
    elif dtype == DType.bfloat16:
        # All processors that have tiles have these; there is no question for them alone.
        return CompilationTarget.has_intel_amx()
    else:
        return False


def fits_registers(w: Matrix[_, _]) -> Bool:
    """Whether the rows of w are so many whole registers long."""
    return w.columns % PER_REGISTER[w.dtype] == 0


@always_inline
def add_products[
    sum: DType, dtype: DType, width: Int, //
](
    sums: SIMD[sum, WIDTH], x: SIMD[dtype, width], w: SIMD[dtype, width]
) -> SIMD[sum, WIDTH]:
    """Adds to each lane the products of four bytes of x with four bytes of w."""
    comptime if dtype != DType.int8:
        return llvm_intrinsic["llvm.x86.avx512bf16.dpbf16ps.512", SIMD[sum, WIDTH]](
            sums, x, w
        )
    elif CompilationTarget.has_neon_int8_dotprod():
        return add_byte_products(sums, x, w)
    else:
        # With the other sign bit, and read without a sign, w is w + 128.
        return add_byte_products(sums, x, w ^ Scalar[dtype].MIN)


@always_inline
def add_byte_products[
    sum: DType, dtype: DType, width: Int, //
](
    sums: SIMD[sum, WIDTH], x: SIMD[dtype, width], w: SIMD[dtype, width]
) -> SIMD[sum, WIDTH]:
    """Adds to each lane four products of int8.

    Intel's instruction reads w without a sign. ARM's, which is untested, takes both as
    they are.
    """
    comptime if CompilationTarget.has_neon_int8_dotprod():
        return llvm_intrinsic["llvm.aarch64.neon.sdot", SIMD[sum, WIDTH]](sums, w, x)
    else:
        return llvm_intrinsic["llvm.x86.avx512.vpdpbusd.512", SIMD[sum, WIDTH]](
            sums, w, x
        )


def linear_few_narrow[
    dtype: DType, //
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[DType.float32, _],
    w: Matrix[dtype, _],
    finish: Finish,
):
    """Writes y[i, j] = finish(x[i] · w[j]) for all rows of x and of w.

    Args:
        y: The result, [m, n].
        x: The activations, [m, k].
        w: The weights, [n, k], which `fits_registers`.
        finish: Applies scale, bias and activation.
    """
    var memory = List[Scalar[dtype]](unsafe_uninit_length=x.rows * x.columns)
    var narrow = Matrix(memory.unsafe_ptr(), x.rows, x.columns, x.columns)
    var row_scales = List[Float32](unsafe_uninit_length=x.rows)
    var row_zeros = List[Scalar[Sum[dtype]]](unsafe_uninit_length=x.rows)
    for i in range(x.rows):
        row_scales[i] = scale_for[dtype](x.at(i), x.columns)
        for column in range(0, x.columns, WIDTH):
            var values = x.at(i, column).unsafe_load[width=WIDTH]()
            narrow.at(i, column).unsafe_store(narrowed[dtype](values, row_scales[i]))
        row_zeros[i] = dot_with_zeros(narrow.some_rows(i, 1))
    var scales = row_scales.unsafe_ptr()
    var zeros = row_zeros.unsafe_ptr()

    def some_rows(first: Int, last: Int) {imm}:
        var sums_memory = Array[Float32, MOST_ROWS * BLOCK](fill=0)
        for j in range(first, last, BLOCK):
            var count = min(last - j, BLOCK)
            var i = 0
            comptime for rows in [MOST_ROWS, 2, 1]:
                while i + rows <= x.rows:
                    var sums = Matrix(sums_memory.unsafe_ptr(), rows, count, BLOCK)
                    var c = 0
                    comptime for w_rows in [W_ROWS, 1]:
                        while c + w_rows <= count:
                            dot_narrow[rows, w_rows](
                                sums.block(0, c, rows, w_rows),
                                narrow.some_rows(i, rows),
                                w.some_rows(j + c, w_rows),
                                scales.unsafe_offset(i),
                                zeros.unsafe_offset(i),
                            )
                            c += w_rows
                    finish.write(y.block(i, j, rows, count), sums, j)
                    i += rows

    parallel_ranges(some_rows, w.rows, x.rows * w.rows * w.columns, W_ROWS)


def dot_with_zeros[dtype: DType, //](x: Matrix[dtype, _]) -> Scalar[Sum[dtype]]:
    """Returns what `add_products` makes of x, [1, k], and a row of zeros."""
    comptime step = PER_REGISTER[dtype]
    var sums = SIMD[Sum[dtype], WIDTH](0)
    for column in range(0, x.columns, step):
        var values = x.at(0, column).unsafe_load[width=step]()
        sums = add_products(sums, values, SIMD[dtype, step](0))
    return sums.reduce_add()


@always_inline
def dot_narrow[
    dtype: DType, //, x_rows: Int, w_rows: Int
](
    y: Matrix[mut=True, DType.float32, _],
    x: Matrix[dtype, _],
    w: Matrix[dtype, _],
    scales: Pointer[Float32, _],
    zeros: Pointer[Scalar[Sum[dtype]], _],
):
    """Writes y[i, j] = x[i] · w[j] for a few rows of x and of w.

    Parameters:
        dtype: How x and w are kept.
        x_rows: The number of rows of x.
        w_rows: The number of rows of w.

    Args:
        y: The sums, [x_rows, w_rows].
        x: The rounded activations, [x_rows, k].
        w: The weights, [w_rows, k].
        scales: Of the rows of x.
        zeros: What each row of x has with a row of zeros.
    """
    comptime step = PER_REGISTER[dtype]
    var sums = Array[SIMD[Sum[dtype], WIDTH], x_rows * w_rows](fill=0)
    for column in range(0, w.columns, step):
        comptime for j in range(w_rows):
            var place = w.at(j, column)
            prefetch[PrefetchOptions().for_read().to_data_cache()](
                place.unsafe_offset(PREFETCH_BYTES // size_of[Scalar[dtype]]())
            )
            var weights = place.unsafe_load[width=step]()
            comptime for i in range(x_rows):
                comptime s = i * w_rows + j
                var values = x.at(i, column).unsafe_load[width=step]()
                sums[s] = add_products(sums[s], values, weights)
    comptime for i in range(x_rows):
        comptime for j in range(w_rows):
            var total = sums[i * w_rows + j].reduce_add() - zeros[unsafe_offset=i]
            y.at(i, j)[] = total.cast[DType.float32]() * scales[unsafe_offset=i]
