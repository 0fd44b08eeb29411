"""Matrices in memory that belongs to somebody else, and parts of them."""


@fieldwise_init
struct Matrix[mut: Bool, //, dtype: DType, origin: Origin[mut=mut]](
    TrivialRegisterPassable
):
    """Rows of numbers; each begins `stride` numbers after the one before."""

    var data: Pointer[Scalar[Self.dtype], Self.origin]
    var rows: Int
    var columns: Int
    var stride: Int

    @always_inline
    def at(
        self, row: Int, column: Int = 0
    ) -> Pointer[Scalar[Self.dtype], Self.origin]:
        """Returns where a number is; those to its right follow it."""
        return self.data.unsafe_offset(row * self.stride + column)

    @always_inline
    def block(self, row: Int, column: Int, rows: Int, columns: Int) -> Self:
        """Returns the part of `rows` rows and `columns` columns that begins there."""
        return Self(self.at(row, column), rows, columns, self.stride)

    @always_inline
    def some_rows(self, first: Int, count: Int) -> Self:
        """Returns `count` rows, from row `first` on."""
        return self.block(first, 0, count, self.columns)
