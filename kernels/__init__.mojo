"""GPT-2's operations for MAX: linear layers, and attention over a cache.

All of them run on the CPU. On other devices the Python side uses MAX's own.
"""

import extensibility
from extensibility import InputTensor, OutputTensor
from extensibility.managed_tensor_slice import (
    _MutableInputTensor as MutableInputTensor,
)
from max.gpu.host import DeviceContext

from .attention import Cache, attend, store
from .finish import Finish, activate
from .linear import linear
from .vector import Values


# ANCHOR: gpt2_linear
@extensibility.register("gpt2_linear")
struct Gpt2Linear:
    """A linear layer: y[..., n] = activation(x[..., k] @ w[n, k]^T + bias[n])."""

    @staticmethod
    def execute[
        activation: StaticString, target: StaticString
    ](
        y: OutputTensor[dtype=DType.float32, ...],
        x: InputTensor[dtype=DType.float32, ...],
        w: InputTensor[rank=2, ...],
        bias: InputTensor[dtype=DType.float32, rank=1, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_linear runs on the CPU only"
        check_size("bias", bias.size(), w.dim_size(0))
        var b = bias.unsafe_ptr()

        def finish[width: Int](j: Int, sums: Values[width]) {imm} -> Values[width]:
            return activate[activation, width](sums + b.unsafe_load[width=width](j))

        run_linear(y, x, w, finish)
# ANCHOR_END: gpt2_linear


@extensibility.register("gpt2_linear_no_bias")
struct Gpt2LinearNoBias:
    """A linear layer without bias: y[..., n] = activation(x[..., k] @ w[n, k]^T)."""

    @staticmethod
    def execute[
        activation: StaticString, target: StaticString
    ](
        y: OutputTensor[dtype=DType.float32, ...],
        x: InputTensor[dtype=DType.float32, ...],
        w: InputTensor[rank=2, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_linear_no_bias runs on the CPU only"

        def finish[width: Int](j: Int, sums: Values[width]) {imm} -> Values[width]:
            return activate[activation, width](sums)

        run_linear(y, x, w, finish)


@extensibility.register("gpt2_linear_int8")
struct Gpt2LinearInt8:
    """A linear layer whose weights are w[n, k] * scale[n]."""

    @staticmethod
    def execute[
        activation: StaticString, target: StaticString
    ](
        y: OutputTensor[dtype=DType.float32, ...],
        x: InputTensor[dtype=DType.float32, ...],
        w: InputTensor[dtype=DType.int8, rank=2, ...],
        scale: InputTensor[dtype=DType.float32, rank=1, ...],
        bias: InputTensor[dtype=DType.float32, rank=1, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_linear_int8 runs on the CPU only"
        check_size("scale", scale.size(), w.dim_size(0))
        check_size("bias", bias.size(), w.dim_size(0))
        var s = scale.unsafe_ptr()
        var b = bias.unsafe_ptr()

        def finish[width: Int](j: Int, sums: Values[width]) {imm} -> Values[width]:
            return activate[activation, width](
                sums.fma(s.unsafe_load[width=width](j), b.unsafe_load[width=width](j))
            )

        run_linear(y, x, w, finish)


@extensibility.register("gpt2_linear_int8_no_bias")
struct Gpt2LinearInt8NoBias:
    """A linear layer without bias whose weights are w[n, k] * scale[n]."""

    @staticmethod
    def execute[
        activation: StaticString, target: StaticString
    ](
        y: OutputTensor[dtype=DType.float32, ...],
        x: InputTensor[dtype=DType.float32, ...],
        w: InputTensor[dtype=DType.int8, rank=2, ...],
        scale: InputTensor[dtype=DType.float32, rank=1, ...],
        ctx: DeviceContext,
    ) raises:
        comptime assert target == "cpu", "gpt2_linear_int8_no_bias runs on the CPU only"
        check_size("scale", scale.size(), w.dim_size(0))
        var s = scale.unsafe_ptr()

        def finish[width: Int](j: Int, sums: Values[width]) {imm} -> Values[width]:
            return activate[activation, width](sums * s.unsafe_load[width=width](j))

        run_linear(y, x, w, finish)


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
        store(cache(keys), cache(values), qkv.unsafe_ptr(), batch, tokens, first)
        attend(
            output.unsafe_ptr(),
            qkv.unsafe_ptr(),
            cache(keys),
            cache(values),
            position_ids.unsafe_ptr(),
            batch,
            tokens,
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


def run_linear[
    FinishType: Finish, //
](
    y: OutputTensor[dtype=DType.float32, ...],
    x: InputTensor[dtype=DType.float32, ...],
    w: InputTensor[rank=2, ...],
    finish: FinishType,
) raises:
    """Writes y[..., n] = finish(x[..., k] @ w[n, k]^T) for tensors of any rank."""
    var n = w.dim_size(0)
    var k = w.dim_size(1)
    var m = y.size() // max(1, n)
    check_size("x", x.size(), m * k)
    linear(y.unsafe_ptr(), x.unsafe_ptr(), w.unsafe_ptr(), finish, m, n, k)


def check_size(name: StaticString, size: Int, expected: Int) raises:
    """Raises an error if a tensor does not have the size that the others imply."""
    if size != expected:
        raise Error(name, " has size ", size, ", but must have ", expected)
