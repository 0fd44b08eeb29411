"""GPT-2's operations for MAX: linear layers, and attention over a cache.

All of them run on the CPU. On other devices the Python side uses MAX's own.
"""

import extensibility
from extensibility import InputTensor, OutputTensor
from extensibility.managed_tensor_slice import (
    _MutableInputTensor as MutableInputTensor,
)
from max.gpu.host import DeviceContext
from std.math import ceildiv

from .attention import Cache, attend, store
from .finish import Finish
from .four_bits import GROUP, LINE, linear_four_bits
from .linear import linear
from .matrix import Matrix


# ANCHOR: gpt2_linear
@extensibility.register("gpt2_linear")
struct Gpt2Linear:
    """A linear layer: y = activation(x @ w^T * scale + bias).

    Shapes: y[..., n], x[..., k], w[n, k], scale[n], bias[n].
    """

    @staticmethod
    def execute[
        activation: StaticString, target: StaticString
    ](
        y: OutputTensor[dtype=DType.float32, ...],
        x: InputTensor[dtype=DType.float32, ...],
        w: InputTensor[rank=2, ...],
        scale: InputTensor[dtype=DType.float32, rank=1, ...],
        bias: InputTensor[dtype=DType.float32, rank=1, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_linear runs on the CPU only"
        var n = w.dim_size(0)
        var k = w.dim_size(1)
        var m = y.size() // max(1, n)
        check_size("x", x.size(), m * k)
        check_size("scale", scale.size(), n)
        check_size("bias", bias.size(), n)
        linear(
            Matrix(y.unsafe_ptr(), m, n, n),
            Matrix(x.unsafe_ptr(), m, k, k),
            Matrix(w.unsafe_ptr(), n, k, k),
            Finish[activation](scale.unsafe_ptr(), bias.unsafe_ptr()),
        )
# ANCHOR_END: gpt2_linear


@extensibility.register("gpt2_linear_four_bits")
struct Gpt2LinearFourBits:
    """The same with weights of 4 bits: columns of a row in groups with a scale each.

    Shapes: y[..., n], x[..., k], codes[n, lines * 64], group_scales[n, lines * 2],
    scale[n], bias[n], where a line has 128 columns.
    """

    @staticmethod
    def execute[
        activation: StaticString, target: StaticString
    ](
        y: OutputTensor[dtype=DType.float32, ...],
        x: InputTensor[dtype=DType.float32, ...],
        codes: InputTensor[dtype=DType.uint8, rank=2, ...],
        group_scales: InputTensor[dtype=DType.float32, rank=2, ...],
        scale: InputTensor[dtype=DType.float32, rank=1, ...],
        bias: InputTensor[dtype=DType.float32, rank=1, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_linear_four_bits runs on the CPU only"
        var n = codes.dim_size(0)
        var k = x.dim_size(x.rank - 1)
        var m = y.size() // max(1, n)
        var lines = ceildiv(k, 2 * GROUP)
        check_size("x", x.size(), m * k)
        check_size("codes", codes.size(), n * lines * LINE)
        check_size("group_scales", group_scales.size(), n * lines * 2)
        check_size("scale", scale.size(), n)
        check_size("bias", bias.size(), n)
        linear_four_bits(
            Matrix(y.unsafe_ptr(), m, n, n),
            Matrix(x.unsafe_ptr(), m, k, k),
            Matrix(codes.unsafe_ptr(), n, lines * LINE, lines * LINE),
            Matrix(group_scales.unsafe_ptr(), n, lines * 2, lines * 2),
            Finish[activation](scale.unsafe_ptr(), bias.unsafe_ptr()),
        )


@extensibility.register("gpt2_attention")
struct Gpt2Attention:
    """Stores the new tokens' keys and values, then attends over the cache.

    Shapes: out[batch, tokens, n_embd], qkv[batch, tokens, 3 * n_embd], keys and
    values[batch, heads, capacity, head_dim], start[] or [1],
    position_ids[batch, tokens].
    """

    @staticmethod
    def execute[
        target: StaticString
    ](
        output: OutputTensor[dtype=DType.float32, rank=3, ...],
        qkv: InputTensor[dtype=DType.float32, rank=3, ...],
        keys: MutableInputTensor[dtype=DType.float32, rank=4, ...],
        values: MutableInputTensor[dtype=DType.float32, rank=4, ...],
        start: InputTensor[dtype=DType.int64, ...],
        position_ids: InputTensor[dtype=DType.int64, rank=2, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_attention runs on the CPU only"
        var batch = qkv.dim_size(0)
        var tokens = qkv.dim_size(1)
        var heads = keys.dim_size(1)
        var capacity = keys.dim_size(2)
        var head_dim = keys.dim_size(3)
        check_size("qkv's last dimension", qkv.dim_size(2), 3 * heads * head_dim)
        check_size("keys", keys.size(), batch * heads * capacity * head_dim)
        check_size("values", values.size(), keys.size())
        check_size("position_ids", position_ids.size(), batch * tokens)
        check_size("output", output.size(), batch * tokens * heads * head_dim)
        var first = Int(start.unsafe_ptr()[])
        if first < 0 or first + tokens > capacity:
            raise Error(
                "the cache has room for ",
                capacity,
                " positions: ",
                tokens,
                " more from position ",
                first,
                " on do not fit",
            )
        var rows = batch * tokens
        var wide = Matrix(qkv.unsafe_ptr(), rows, qkv.dim_size(2), qkv.dim_size(2))
        var n_embd = heads * head_dim
        var key_cache = cache(keys)
        var value_cache = cache(values)
        store(key_cache, value_cache, wide, tokens, first)
        attend(
            Matrix(output.unsafe_ptr(), rows, n_embd, n_embd),
            wide,
            key_cache,
            value_cache,
            Matrix(position_ids.unsafe_ptr(), batch, tokens, tokens),
            first,
        )


def cache(tensor: MutableInputTensor[dtype=DType.float32, rank=4, ...]) -> Cache:
    """Returns the cache that the graph holds as `tensor`."""
    return Cache(
        tensor.unsafe_ptr().unsafe_origin_cast[MutUntrackedOrigin](),
        tensor.dim_size(1),
        tensor.dim_size(2),
        tensor.dim_size(3),
    )


def check_size(name: StaticString, size: Int, expected: Int) raises:
    """Raises an error if a tensor does not have the size that the others imply."""
    if size != expected:
        raise Error(name, " has size ", size, ", but must have ", expected)
