"""What turns the sums of a linear layer into results: scale, bias, activation."""

from std.math import tanh

from .matrix import Matrix
from .vector import Values, WIDTH


@fieldwise_init
struct Finish[
    activation: StaticString,
    scale_origin: Origin[mut=False],
    bias_origin: Origin[mut=False],
](TrivialRegisterPassable):
    """Turns a sum into activation(sum * scale + bias), with those of its column."""

    var scale: Pointer[Float32, Self.scale_origin]
    var bias: Pointer[Float32, Self.bias_origin]

    @always_inline
    def write(
        self,
        y: Matrix[mut=True, DType.float32, _],
        sums: Matrix[DType.float32, _],
        column: Int,
    ):
        """Writes the results of `sums`, the first of which belongs to `column`."""
        for row in range(sums.rows):
            var j = 0
            while j + WIDTH <= sums.columns:
                self.write_some[WIDTH](y.at(row, j), sums.at(row, j), column + j)
                j += WIDTH
            while j < sums.columns:
                self.write_some[1](y.at(row, j), sums.at(row, j), column + j)
                j += 1

    @always_inline
    def write_some[
        width: Int
    ](
        self,
        y: Pointer[mut=True, Float32, _],
        sums: Pointer[Float32, _],
        column: Int,
    ):
        """Writes the results of `width` sums that are in memory."""
        self.write_values(y, sums.unsafe_load[width=width](), column)

    @always_inline
    def write_values[
        width: Int, //
    ](self, y: Pointer[mut=True, Float32, _], sums: Values[width], column: Int):
        """Writes the results of `width` sums."""
        var scale = self.scale.unsafe_load[width=width](column)
        var bias = self.bias.unsafe_load[width=width](column)
        y.unsafe_store(activate[Self.activation, width](sums.fma(scale, bias)))


@always_inline
def activate[name: StaticString, width: Int](x: Values[width]) -> Values[width]:
    """Applies the activation called `name`: "none" or "gelu_tanh"."""
    comptime if name == "none":
        return x
    elif name == "gelu_tanh":
        return gelu_tanh(x)
    else:
        comptime assert False, "the activation must be none or gelu_tanh"


@always_inline
def gelu_tanh[width: Int, //](x: Values[width]) -> Values[width]:
    """GPT-2's GELU: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x^3)))."""
    comptime sqrt_2_over_pi = 0.7978845608028654
    return 0.5 * x * (1 + tanh(sqrt_2_over_pi * (x + 0.044715 * x * x * x)))
