"""What turns the sums of a linear layer into results: scale, bias, activation."""

from std.math import tanh

from .vector import Values, WIDTH

comptime Finish = def[width: Int](Int, Values[width]) -> Values[width]
"""Turns the sums of consecutive columns, the first of which is given, into results."""


@always_inline
def finish_row[
    FinishType: Finish, //
](
    y: Pointer[mut=True, Float32, _],
    sums: Pointer[Float32, _],
    finish: FinishType,
    first: Int,
    count: Int,
):
    """Writes y[first + j] = finish(first + j, sums[j]) for `count` sums."""
    var j = 0
    while j + WIDTH <= count:
        var done = finish[WIDTH](first + j, sums.unsafe_load[width=WIDTH](j))
        y.unsafe_store(first + j, done)
        j += WIDTH
    while j < count:
        y.unsafe_store(first + j, finish[1](first + j, sums.unsafe_load[width=1](j)))
        j += 1


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
