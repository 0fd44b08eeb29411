"""Solution for Step 17: A Mojo kernel."""

from collections.abc import Callable, Mapping
from functools import partial

import ml_dtypes
import numpy as np
from max.driver import Buffer, DLPackArray
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from max.graph import TensorType
from numpy.typing import NDArray
from solution_01 import GPT2Config
from solution_15 import CachedGPT2, LayerCache, Positions

# How the weights of the linear layers may be kept. What they meet is made as narrow;
# layers take and return float32.
WEIGHT_DTYPES = (DType.float32, DType.bfloat16, DType.int8)

# The layers whose weights a decoding step reads from end to end.
LINEAR_WEIGHTS = (
    "c_attn.weight",
    "c_proj.weight",
    "c_fc.weight",
    "lm_head.weight",
)


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
        The parameters of `kernel_gpt2(config, dtype)` by name: each linear layer has a
        weight of that dtype, a scale and a bias.
    """
    quantized: dict[str, DLPackArray] = dict(weights)
    for name, weight in weights.items():
        if not name.endswith(LINEAR_WEIGHTS):
            continue
        scale = np.ones(len(weight), dtype=np.float32)
        if dtype == DType.bfloat16:
            bits = weight.astype(ml_dtypes.bfloat16).view(np.uint16)
            # NumPy cannot hand over bfloat16, only its bits.
            quantized[name] = Buffer.from_numpy(bits).view(DType.bfloat16)
        if dtype == DType.int8:
            quantized[name], scale = quantize_rows(weight)
        layer = name.removesuffix("weight")
        quantized[layer + "scale"] = scale
        # The head has none.
        quantized.setdefault(layer + "bias", np.zeros(len(weight), dtype=np.float32))
    return quantized


class KernelLinear(Module[[Tensor], Tensor]):
    """A linear layer computed by the operation `gpt2_linear` in `kernels/`.

    Args:
        in_dim: How many numbers it reads.
        out_dim: How many it writes.
        dtype: How its weight is kept, one of `WEIGHT_DTYPES`.
        activation: What it does with the sums: "none" or "gelu_tanh".

    Attributes:
        weight: Of that dtype, shape [out_dim, in_dim].
        scale: Of each row of the weight, float32, shape [out_dim]: 1 unless the dtype
            is int8.
        bias: float32, shape [out_dim]: 0 for a layer without.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        dtype: DType,
        activation: str = "none",
    ) -> None:
        super().__init__()
        self.activation = activation
        self.weight = Tensor.zeros([out_dim, in_dim], dtype=dtype)
        self.scale = Tensor.ones([out_dim], dtype=DType.float32)
        self.bias = Tensor.zeros([out_dim], dtype=DType.float32)

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
            "gpt2_linear",
            device=x.device,
            values=[x, self.weight, self.scale, self.bias],
            out_types=[out_type],
            parameters={"activation": self.activation},
        )
        return y


class KernelMLP(Module[[Tensor], Tensor]):
    """The feed-forward network; its first layer applies GELU to its own sums.

    Args:
        intermediate_size: The width inside.
        config: The model's configuration.
        linear: Makes a linear layer, as `KernelLinear` does.
    """

    def __init__(
        self,
        intermediate_size: int,
        config: GPT2Config,
        linear: Callable[..., Module[[Tensor], Tensor]],
    ) -> None:
        super().__init__()
        self.c_fc = linear(config.n_embd, intermediate_size, activation="gelu_tanh")
        self.c_proj = linear(intermediate_size, config.n_embd)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Transform every position by itself.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        return self.c_proj(self.c_fc(hidden_states))


class KernelAttention(Module[..., Tensor]):
    """Attention over the cache in one operation, which also stores keys and values.

    Args:
        config: The model's configuration.
        linear: Makes a linear layer, as `KernelLinear` does.
    """

    def __init__(
        self, config: GPT2Config, linear: Callable[..., Module[[Tensor], Tensor]]
    ) -> None:
        super().__init__()
        self.c_attn = linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = linear(config.n_embd, config.n_embd)

    def forward(
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


def kernel_gpt2(config: GPT2Config, dtype: DType = DType.float32) -> CachedGPT2:
    """Make the model of step 15 from the parts above.

    Args:
        config: The model's configuration.
        dtype: How the weights of the linear layers are kept, one of `WEIGHT_DTYPES`.

    Returns:
        A model whose parameters are those of `MaxGPT2LMHeadModel`, passed through
        `quantize_weights`.
    """
    linear = partial(KernelLinear, dtype=dtype)
    return CachedGPT2(
        config,
        attention=partial(KernelAttention, linear=linear),
        mlp=partial(KernelMLP, linear=linear),
        head=linear,
    )
