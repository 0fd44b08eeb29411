"""Solution for Step 17: A Mojo kernel."""

import dataclasses
from collections.abc import Mapping, Sequence

import ml_dtypes
import numpy as np
from max.driver import Buffer, DLPackArray
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.compilation import as_subgraph
from max.experimental.nn import Linear, Sequential
from max.experimental.tensor import Tensor
from max.graph import TensorType
from numpy.typing import NDArray
from solution_01 import GPT2Config
from solution_04 import GPT2MLP
from solution_15 import (
    CachedAttention,
    CachedBlock,
    CachedGPT2,
    LayerCache,
    Positions,
)

# How the weights of the linear layers may be kept. Sums are float32 always.
WEIGHT_DTYPES = (DType.float32, DType.bfloat16, DType.int8)

# The layers whose weights a decoding step reads from end to end.
LINEAR_WEIGHTS = (
    "c_attn.weight",
    "c_proj.weight",
    "c_fc.weight",
    "lm_head.weight",
)


class KernelLinear(Linear):
    """A linear layer computed by the operations in `kernels/`.

    Attributes:
        weight: float32, bfloat16 or int8, shape [out_dim, in_dim].
        bias: float32, shape [out_dim]; only where there is one.
        scale: float32, shape [out_dim]; only where the weight is int8.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        dtype: DType = DType.float32,
        bias: bool = True,
        activation: str = "none",
    ) -> None:
        """Create a layer.

        Args:
            in_dim: How many numbers it reads.
            out_dim: How many it writes.
            dtype: How its weight is kept, one of `WEIGHT_DTYPES`.
            bias: Whether it has a bias.
            activation: What it does with the sums: "none" or "gelu_tanh".
        """
        super().__init__(in_dim, out_dim, bias=bias)
        self.activation = activation
        self.operation = "gpt2_linear"
        self.operands = ["weight"]
        self.weight = Tensor.zeros([out_dim, in_dim], dtype=dtype)
        if dtype == DType.int8:
            self.operation += "_int8"
            self.operands.append("scale")
            self.scale = Tensor.ones([out_dim], dtype=DType.float32)
        if bias:
            self.operands.append("bias")
        else:
            self.operation += "_no_bias"

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every row.

        Args:
            x: float32, shape [..., in_dim].

        Returns:
            float32, shape [..., out_dim].
        """
        out_type = TensorType(
            DType.float32, [*x.shape[:-1], self.weight.shape[0]], device=x.device
        )
        [y] = F.custom(
            self.operation,
            device=x.device,
            values=[x, *(getattr(self, name) for name in self.operands)],
            out_types=[out_type],
            parameters={"activation": self.activation},
        )
        return y


class KernelMLP(GPT2MLP):
    """The feed-forward network; its first layer applies GELU to its own sums."""

    def __init__(
        self, intermediate_size: int, config: GPT2Config, dtype: DType
    ) -> None:
        """Create the two linear layers.

        Args:
            intermediate_size: The width inside.
            config: The model's configuration.
            dtype: How the weights are kept.
        """
        super().__init__(intermediate_size, config)
        self.c_fc = KernelLinear(
            config.n_embd, intermediate_size, dtype=dtype, activation="gelu_tanh"
        )
        self.c_proj = KernelLinear(intermediate_size, config.n_embd, dtype=dtype)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Transform every position by itself.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        return self.c_proj(self.c_fc(hidden_states))


class KernelAttention(CachedAttention):
    """Attention over the cache in one operation, which also stores keys and values."""

    def __init__(self, config: GPT2Config, dtype: DType) -> None:
        """Create the two projections.

        Args:
            config: The model's configuration.
            dtype: How the weights are kept.
        """
        super().__init__(config)
        self.c_attn = KernelLinear(config.n_embd, 3 * config.n_embd, dtype=dtype)
        self.c_proj = KernelLinear(config.n_embd, config.n_embd, dtype=dtype)

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, cache: LayerCache, positions: Positions
    ) -> Tensor:
        """Attend over the cache, after adding the new keys and values to it.

        Args:
            hidden_states: Of the new tokens, shape [batch, seq_length, n_embd].
            cache: What this layer keeps; written in place.
            positions: Where the new tokens stand.

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        qkv = self.c_attn(hidden_states)
        [attended] = F.inplace_custom(
            "gpt2_attention",
            device=qkv.device,
            values=[
                qkv.__tensorvalue__(),
                # A buffer, not a tensor: the operation writes into it.
                cache.keys.__buffervalue__(),
                cache.values.__buffervalue__(),
                positions.start.__tensorvalue__(),
                positions.position_ids.__tensorvalue__(),
            ],
            out_types=[
                TensorType(DType.float32, hidden_states.shape, device=qkv.device)
            ],
        )
        return self.c_proj(attended)


class KernelBlock(CachedBlock):
    """A cached transformer block on the operations in `kernels/`."""

    def __init__(self, config: GPT2Config, dtype: DType) -> None:
        """Create the block of step 15, with other sublayers.

        Args:
            config: The model's configuration.
            dtype: How the weights are kept.
        """
        super().__init__(config)
        inner_dim = config.n_inner if config.n_inner is not None else 4 * config.n_embd
        self.attn = KernelAttention(config, dtype)
        self.mlp = KernelMLP(inner_dim, config, dtype)


class KernelGPT2(CachedGPT2):
    """GPT-2 with a cache, on the operations in `kernels/`.

    Its parameters are those of `MaxGPT2LMHeadModel`, passed through
    `quantize_weights`.
    """

    def __init__(self, config: GPT2Config, dtype: DType = DType.float32) -> None:
        """Create the model of step 15, with other blocks and another head.

        Args:
            config: The model's configuration.
            dtype: How the weights of the linear layers are kept, one of
                `WEIGHT_DTYPES`.
        """
        super().__init__(dataclasses.replace(config, n_layer=0))
        self.transformer.h = Sequential(
            *(KernelBlock(config, dtype) for _ in range(config.n_layer))
        )
        self.lm_head = KernelLinear(
            config.n_embd, config.vocab_size, dtype=dtype, bias=False
        )

    def run_blocks(
        self, hidden_states: Tensor, positions: Positions, caches: Sequence[LayerCache]
    ) -> Tensor:
        """Run the new tokens through all blocks, which are traced as one.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].
            positions: Where the new tokens stand.
            caches: One for each layer; written in place.

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        for block, cache in zip(self.transformer.h, caches, strict=True):
            # One graph that is called for each block, with the block's own weights:
            # MAX looks at every custom operation of a graph for a long time.
            run_block = as_subgraph(block, name="block")
            hidden_states = run_block(hidden_states, cache, positions)  # type: ignore[call-arg]
        return hidden_states


def quantize_rows(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Round a matrix to 8-bit whole numbers, each row on a scale of its own.

    Args:
        weight: Shape [rows, columns].

    Returns:
        The rounded matrix, from -127 to 127, and the scale of each row, shape [rows]:
        their product is nearest to the weight.
    """
    scale = np.abs(weight).max(axis=1) / np.float32(127)
    # A row of zeros has no scale; any will do.
    scale[scale == 0] = 1
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


def quantize_weights(
    weights: Mapping[str, NDArray[np.float32]], dtype: DType
) -> dict[str, DLPackArray]:
    """Keep the weights of the linear layers in fewer bits.

    Args:
        weights: The parameters of `MaxGPT2LMHeadModel` by name.
        dtype: One of `WEIGHT_DTYPES`.

    Returns:
        The parameters of a `KernelGPT2` of that dtype by name.
    """
    quantized: dict[str, DLPackArray] = dict(weights)
    for name in weights:
        if not name.endswith(LINEAR_WEIGHTS):
            continue
        if dtype == DType.bfloat16:
            bits = weights[name].astype(ml_dtypes.bfloat16).view(np.uint16)
            # NumPy cannot hand over bfloat16, only its bits.
            quantized[name] = Buffer.from_numpy(bits).view(DType.bfloat16)
        if dtype == DType.int8:
            scale_name = name.removesuffix("weight") + "scale"
            quantized[name], quantized[scale_name] = quantize_rows(weights[name])
    return quantized
