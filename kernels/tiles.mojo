"""Matrix times matrix in AMX tiles: 16 rows of 64 bytes, multiplied by one instruction.

A tile holds 16 rows of w as they lie in memory, and another one 16 rows of x, laid out so
that what is multiplied meets. x becomes as narrow as w: in bfloat16 it is rounded, in
int8 each row gets a scale of its own. Products are exact, and sums int32 or float32.
"""

from std.ffi import external_call
from std.math import ceildiv
from std.sys import CompilationTarget, llvm_intrinsic, size_of

from .allowed import TILES
from .fetch import fetch_share, fetch_to_write
from .finish import Finish
from .matrix import Matrix
from .narrow import narrowed, scale_for
from .parallel import parallel_ranges
from .vector import Values, Vector, WIDTH, transpose

comptime TILE = 16
"""Rows of a tile, and rows of the other tile that its rows are multiplied by."""

comptime TILE_BYTES = 64
"""Bytes in a row of a tile."""


def has_tiles[dtype: DType]() -> Bool:
    """Whether this processor multiplies such numbers in tiles."""
    return (
        TILES
        and CompilationTarget.has_intel_amx()
        and (dtype == DType.int8 or dtype == DType.bfloat16)
    )


def fits_tiles(w: Matrix[_, _]) -> Bool:
    """Whether w is at least one tile high, and so many whole tiles wide."""
    comptime columns = TILE_BYTES // size_of[Scalar[w.dtype]]()
    return w.rows >= TILE and w.columns > 0 and w.columns % columns == 0


def allow_tiles() -> Bool:
    """Asks Linux for the permission to use tiles, once is enough for a process."""
    comptime ARCH_PRCTL = 158
    comptime ARCH_REQ_XCOMP_PERM = 0x1023
    comptime XFEATURE_XTILEDATA = 18
    return (
        external_call["syscall", Int](
            ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
        )
        == 0
    )


@fieldwise_init
struct TiledRows[dtype: DType](Movable):
    """Rows of x as tiles want them, 16 rows together.

    Four bytes of a row stand beside those of the other 15: [blocks, k / group, 16, group].
    """

    var data: List[Scalar[Self.dtype]]
    var scales: List[Float32]
    var columns: Int

    @staticmethod
    def of(x: Matrix[DType.float32, _]) -> Self:
        """Returns rows of float32, as narrow as the weights."""
        var blocks = ceildiv(x.rows, TILE)
        var result = Self(
            List[Scalar[Self.dtype]](unsafe_uninit_length=blocks * TILE * x.columns),
            List[Float32](unsafe_uninit_length=blocks * TILE),
            x.columns,
        )
        var scales = result.scales.unsafe_ptr()
        var data = result.data.unsafe_ptr()

        def pack_rows(first: Int, last: Int) {imm}:
            for i in range(first, last):
                var block, row = divmod(i, TILE)
                scales[unsafe_offset=i] = pack_row[Self.dtype](
                    data.unsafe_offset(block * TILE * x.columns), x.at(i), x.columns, row
                )

        parallel_ranges(pack_rows, x.rows, 2 * x.rows * x.columns)
        return result^

    @always_inline
    def block(self, index: Int) -> Pointer[Scalar[Self.dtype], origin_of(self.data)]:
        """Returns where 16 rows begin."""
        return self.data.unsafe_ptr().unsafe_offset(index * TILE * self.columns)


@always_inline
def pack_row[
    dtype: DType
](
    block: Pointer[mut=True, Scalar[dtype], _],
    x: Pointer[Float32, _],
    k: Int,
    row: Int,
) -> Float32:
    """Writes a row of x into its place among the 16, and returns its scale."""
    comptime group = 4 // size_of[Scalar[dtype]]()
    var scale = scale_for[dtype](x, k)
    var place = block.unsafe_offset(row * group)
    for column in range(0, k, WIDTH):
        var narrow = narrowed[dtype](x.unsafe_load[width=WIDTH](column), scale)
        comptime for c in range(0, WIDTH, group):
            place.unsafe_store((column + c) * TILE, narrow.slice[group, offset=c]())
    return scale


@always_inline
def configure():
    """Gives all eight tiles of this thread 16 rows of 64 bytes."""
    var configuration = Array[UInt8, 64](fill=0)
    configuration[0] = 1
    comptime for tile in range(8):
        configuration[16 + 2 * tile] = TILE_BYTES
        configuration[48 + tile] = TILE
    llvm_intrinsic["llvm.x86.ldtilecfg", NoneType](configuration.unsafe_ptr())


@always_inline
def load_tile[tile: Int](data: Pointer[_, _], stride: Int):
    """Loads 16 rows of 64 bytes, which begin `stride` bytes after one another."""
    llvm_intrinsic["llvm.x86.tileloadd64", NoneType](Int8(tile), data, stride)


@always_inline
def multiply_tiles[dtype: DType, sums: Int, w: Int, x: Int]():
    """Adds to a tile of sums the products of 16 rows of w with 16 rows of x."""
    comptime if dtype == DType.int8:
        llvm_intrinsic["llvm.x86.tdpbssd", NoneType](Int8(sums), Int8(w), Int8(x))
    else:
        llvm_intrinsic["llvm.x86.tdpbf16ps", NoneType](Int8(sums), Int8(w), Int8(x))


def linear_in_tiles[
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
        w: The weights, [n, k], which `fits_tiles`.
        finish: Applies scale, bias and activation.
    """
    var tiled = TiledRows[dtype].of(x)
    var blocks = ceildiv(x.rows, TILE)

    def some_rows(first: Int, last: Int) {imm}:
        configure()
        for j in range(first, last, 2 * TILE):
            var block = 0
            comptime for together in [2, 1]:
                while block + together <= blocks:
                    fetch_to_write(
                        y.block(block * TILE, j, together * TILE, 2 * TILE)
                    )
                    fetch_share(
                        w.some_rows(j + 2 * TILE, 2 * TILE), block, together, blocks
                    )
                    multiply_and_finish[together](y, tiled, w, finish, block, j, last)
                    block += together
        llvm_intrinsic["llvm.x86.tilerelease", NoneType]()

    parallel_ranges(some_rows, w.rows, x.rows * w.rows * w.columns, 2 * TILE)


@always_inline
def multiply_and_finish[
    dtype: DType, //, together: Int
](
    y: Matrix[mut=True, DType.float32, _],
    x: TiledRows[dtype],
    w: Matrix[dtype, _],
    finish: Finish,
    block: Int,
    row: Int,
    last: Int,
):
    """Computes 32 columns of y, in 16 or 32 of its rows.

    Where fewer rows of w are left, the tiles reach back over rows that are done.
    """
    comptime bytes = size_of[Scalar[dtype]]()
    comptime columns = TILE_BYTES // bytes
    comptime Sum = DType.int32 if dtype == DType.int8 else DType.float32
    var stride = w.stride * bytes
    var first = min(row, w.rows - TILE)
    var second = min(row + TILE, w.rows - TILE)

    comptime for tile in range(4):
        llvm_intrinsic["llvm.x86.tilezero", NoneType](Int8(tile))
    for c in range(0, w.columns, columns):
        load_tile[4](w.at(first, c), stride)
        load_tile[5](w.at(second, c), stride)
        comptime for i in range(together):
            load_tile[6 + i](
                x.block(block + i).unsafe_offset(c * TILE), TILE_BYTES
            )
            multiply_tiles[dtype, 2 * i, 4, 6 + i]()
            multiply_tiles[dtype, 2 * i + 1, 5, 6 + i]()

    var sums = Array[Scalar[Sum], TILE * TILE](fill=0)
    comptime for i in range(together):
        comptime for half in range(2):
            llvm_intrinsic["llvm.x86.tilestored64", NoneType](
                Int8(2 * i + half), sums.unsafe_ptr(), TILE_BYTES
            )
            finish_tile(
                y, sums, x.scales.unsafe_ptr(), finish, (block + i) * TILE,
                first if half == 0 else second,
            )


@always_inline
def finish_tile[
    dtype: DType, //
](
    y: Matrix[mut=True, DType.float32, _],
    sums: Array[Scalar[dtype], TILE * TILE],
    scales: Pointer[Float32, _],
    finish: Finish,
    row: Int,
    column: Int,
):
    """Turns a tile of sums, [columns of y, rows of y], into 16 rows of results."""
    var square = Array[Vector, WIDTH](fill=0)
    comptime for j in range(TILE):
        square[j] = (
            sums.unsafe_ptr()
            .unsafe_load[width=WIDTH](j * TILE)
            .cast[DType.float32]()
        )
    square = transpose(square)
    comptime for i in range(TILE):
        if row + i < y.rows:
            square[i] *= scales[unsafe_offset=row + i]
            finish.write_values(y.at(row + i, column), square[i], column)
