"""Uses the fast instructions that the kernels are compiled with, and says which.

Prints a line for each dtype: "int8: dot products, tiles". Ends with an error if a sum is
wrong; where an instruction is not there after all, the processor ends it.
"""

from std.sys import llvm_intrinsic, size_of

from kernels.few_narrow import Sum, dot_narrow, dot_with_zeros, has_dot_products
from kernels.matrix import Matrix
from kernels.tiles import (
    TILE,
    TILE_BYTES,
    allow_tiles,
    configure,
    has_tiles,
    load_tile,
    multiply_tiles,
)


def some_numbers[dtype: DType](count: Int, factor: Int) -> List[Scalar[dtype]]:
    """Returns whole numbers from -11 to 11."""
    var numbers = List[Scalar[dtype]](length=count, fill=0)
    for i in range(count):
        numbers[i] = Scalar[dtype](i * factor % 23 - 11)
    return numbers^


def trial[dtype: DType]() raises:
    """Multiplies a row of x by a tile of w, by each kind of instruction."""
    comptime columns = TILE_BYTES // size_of[Scalar[dtype]]()
    var x_numbers = some_numbers[dtype](columns, 7)
    var w_numbers = some_numbers[dtype](TILE * columns, 5)
    var x = Matrix(x_numbers.unsafe_ptr(), 1, columns, columns)
    var w = Matrix(w_numbers.unsafe_ptr(), TILE, columns, columns)
    comptime if has_dot_products[dtype]():
        compare(dot_products(x, w), x, w)
    comptime if has_tiles[dtype]():
        if allow_tiles():
            compare(tile(x, w), x, w)
    print(dtype, ": ", used[dtype, dtype](), sep="")


def used[few_rows: DType, many_rows: DType]() -> String:
    """Returns what multiplies a few rows of x and many that become so narrow."""
    var names = String()
    comptime if has_dot_products[few_rows]():
        names += "dot products"
    comptime if has_tiles[many_rows]():
        if allow_tiles():
            names += ", tiles" if names else "tiles"
    return names


def dot_products[
    dtype: DType, //
](x: Matrix[dtype, _], w: Matrix[dtype, _]) -> List[Float32]:
    """Returns x @ w^T by instructions for dot products."""
    var sums = List[Float32](length=w.rows, fill=0)
    var y = Matrix(sums.unsafe_ptr(), 1, w.rows, w.rows)
    var scales = List[Float32](length=1, fill=1)
    var zeros = List[Scalar[Sum[dtype]]](length=1, fill=dot_with_zeros(x))
    for j in range(w.rows):
        dot_narrow[1, 1](
            y.block(0, j, 1, 1),
            x,
            w.some_rows(j, 1),
            scales.unsafe_ptr(),
            zeros.unsafe_ptr(),
        )
    return sums^


def tile[
    dtype: DType, //
](x: Matrix[dtype, _], w: Matrix[dtype, _]) -> List[Float32]:
    """Returns x @ w^T by an instruction for tiles, of which all rows of x are x."""
    comptime group = 4 // size_of[Scalar[dtype]]()
    var rows = List[Scalar[dtype]](length=TILE * x.columns, fill=0)
    for column in range(x.columns):
        for row in range(TILE):
            var place = column // group * TILE * group + row * group + column % group
            rows[place] = x.at(0, column)[]
    var products = List[Scalar[Sum[dtype]]](length=TILE * TILE, fill=0)
    configure()
    llvm_intrinsic["llvm.x86.tilezero", NoneType](Int8(0))
    load_tile[1](w.data, TILE_BYTES)
    load_tile[2](rows.unsafe_ptr(), TILE_BYTES)
    multiply_tiles[dtype, 0, 1, 2]()
    llvm_intrinsic["llvm.x86.tilestored64", NoneType](
        Int8(0), products.unsafe_ptr(), TILE_BYTES
    )
    llvm_intrinsic["llvm.x86.tilerelease", NoneType]()
    var sums = List[Float32](length=w.rows, fill=0)
    for j in range(w.rows):
        sums[j] = products[j * TILE].cast[DType.float32]()
    return sums^


def compare(sums: List[Float32], x: Matrix[_, _], w: Matrix[_, _]) raises:
    """Raises an error unless the sums, of whole numbers, are x @ w^T."""
    for j in range(w.rows):
        var sum = Float32(0)
        for column in range(w.columns):
            sum += (
                x.at(0, column)[].cast[DType.float32]()
                * w.at(j, column)[].cast[DType.float32]()
            )
        if sums[j] != sum:
            raise Error("a sum of ", w.dtype, " is wrong")


def main() raises:
    """Tries the dtypes that have such instructions."""
    trial[DType.int8]()
    trial[DType.bfloat16]()
    # Weights of 4 bits have no instructions of their own.
    print("int4: ", used[DType.int8, DType.bfloat16](), sep="")
