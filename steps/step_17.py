"""
Step 17: A Mojo kernel

Compute linear layers and attention with kernels in Mojo, and keep the weights in fewer
bits.

Tasks:
1. Choose the operation and its operands
2. Call the linear operation
3. Let the first layer of the feed-forward network apply GELU
4. Call the attention operation, which writes into the cache
5. Quantize the weights, each row on a scale of its own

Run: pixi run s17
"""

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
from step_01 import GPT2Config
from step_04 import GPT2MLP
from step_15 import (
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

        # TODO: For int8 weights, add to the name, and create the scale, an operand
        # Hint: self.operation += "_int8", self.operands.append(...),
        # Hint: self.scale = Tensor.ones([...], dtype=DType.float32)
        pass

        # TODO: Add the bias to the operands, or to the name that there is none
        # Hint: self.operands.append("bias"), or self.operation += "_no_bias"
        pass

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every row.

        Args:
            x: float32, shape [..., in_dim].

        Returns:
            float32, shape [..., out_dim].
        """
        # TODO: Describe the result: its dtype, shape and device
        # Hint: TensorType(dtype, [*x.shape[:-1], self.weight.shape[...]], device=...)
        out_type = None

        # TODO: Call the operation
        # Hint: F.custom(name, device=..., values=[...], out_types=[...],
        # Hint:          parameters={...})
        # Hint: It returns a list of one; the parameter is called "activation".
        y = None
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

        # TODO: Create the first layer, which applies GELU to its own sums
        # Hint: KernelLinear(..., ..., dtype=dtype, activation="gelu_tanh")
        self.c_fc = None
        self.c_proj = KernelLinear(intermediate_size, config.n_embd, dtype=dtype)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Transform every position by itself.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        # TODO: Apply the two layers
        # Hint: self.c_proj(self.c_fc(...))
        return None


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

        # TODO: Call the operation gpt2_attention
        # Hint: F.inplace_custom(name, device=..., values=[...], out_types=[...])
        # Hint: tensor.__tensorvalue__() is read, tensor.__buffervalue__() is written
        # Hint: The result is a list of one, as large as hidden_states.
        attended = None
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
    # TODO: Compute the scale of each row: its largest number becomes 127
    # Hint: np.abs(weight).max(axis=1), divided by np.float32(127)
    scale = None
    # A row of zeros has no scale; any will do.
    scale[scale == 0] = 1

    # TODO: Divide each row by its scale, round, and return both
    # Hint: np.rint(weight / scale[:, None]).astype(np.int8)
    return None


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
            # TODO: In bfloat16, change the dtype, and look at its bits as uint16
            # Hint: weights[name].astype(ml_dtypes.bfloat16), then .view(np.uint16)
            bits = None
            # NumPy cannot hand over bfloat16, only its bits.
            quantized[name] = Buffer.from_numpy(bits).view(DType.bfloat16)

        # TODO: In int8, keep the rounded weight, and its scale under a name beside it
        # Hint: name.removesuffix("weight") + "scale", and quantize_rows
        pass
    return quantized
