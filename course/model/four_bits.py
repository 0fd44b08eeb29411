"""Weights of 4 bits: step 17's model with other linear layers in its blocks.

The head stays at step 17's 8 bits: what it gets wrong goes straight into the logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
from max.driver import DLPackArray
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from max.graph import TensorType
from numpy.typing import NDArray

from course.model.config import GPT2Config

FOUR_BITS = "int4"
"""What the commands call it."""

GROUP = 64
"""Columns of a row that share a scale, as kernels/four_bits.mojo has it."""

MIDDLE = 8
"""The code of 0; codes go from 0 to 15."""

OF_A_BLOCK = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def lines(columns: int) -> int:
    """How many lines of two groups such a row fills."""
    return -(-columns // (2 * GROUP))


def quantize_groups(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Round a matrix to 16 values, each group of a row on a scale of its own.

    The largest number of a group, by size, becomes the code 0, which stands for -8: the
    scale has the other sign. So all 16 codes are of use, as in llama.cpp's Q4_0.

    Args:
        weight: Shape [rows, columns].

    Returns:
        The codes, two in a byte, shape [rows, lines * 64]; and the scales, shape
        [rows, lines * 2]. (code - 8) * scale is nearest to the weight.
    """
    rows, columns = weight.shape
    filled = np.zeros((rows, lines(columns) * 2 * GROUP), dtype=np.float32)
    filled[:, :columns] = weight
    groups = filled.reshape(rows, -1, GROUP)
    largest = np.take_along_axis(
        groups, np.abs(groups).argmax(axis=2, keepdims=True), axis=2
    )
    scale = largest / np.float32(-MIDDLE)
    # A group of zeros has no scale; any will do. One with NaN or an infinity has no
    # codes: whatever they are, its scale is none either.
    with np.errstate(invalid="ignore"):
        steps = groups / np.where(scale == 0, np.float32(1), scale)
        codes = np.clip(np.rint(steps) + MIDDLE, 0, 15).astype(np.uint8)
    lower, upper = codes[:, 0::2], codes[:, 1::2]
    return (lower | upper << 4).reshape(rows, -1), scale[:, :, 0]


def four_bit_weights(
    weights: Mapping[str, NDArray[np.float32]], step: ModuleType
) -> dict[str, DLPackArray]:
    """Keep the weights of the blocks' linear layers in 4 bits, and the head's in 8.

    Args:
        weights: The parameters of `MaxGPT2LMHeadModel` by name.
        step: Step 17.

    Returns:
        The parameters of `four_bit_gpt2` by name.
    """
    head = {"lm_head.weight": weights["lm_head.weight"]}
    kept: dict[str, DLPackArray] = {
        **weights,
        **step.quantize_weights(head, DType.int8),
    }
    for name, weight in weights.items():
        layer = name.removesuffix(".weight")
        if layer != name and layer.endswith(OF_A_BLOCK):
            codes, scales = quantize_groups(weight)
            kept[name] = codes
            kept[f"{layer}.group_scales"] = scales
            kept[f"{layer}.scale"] = np.ones(len(weight), dtype=np.float32)
    return kept


class FourBitLinear(Module[[Tensor], Tensor]):
    """A linear layer computed by the operation `gpt2_linear_four_bits` in `kernels/`.

    Args:
        in_dim: How many numbers it reads.
        out_dim: How many it writes.
        activation: What it does with the sums: "none" or "gelu_tanh".
    """

    def __init__(self, in_dim: int, out_dim: int, activation: str = "none") -> None:
        super().__init__()
        self.activation = activation
        self.weight = Tensor.zeros([out_dim, lines(in_dim) * GROUP], dtype=DType.uint8)
        self.group_scales = Tensor.zeros([out_dim, lines(in_dim) * 2])
        self.scale = Tensor.ones([out_dim])
        self.bias = Tensor.zeros([out_dim])

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
            "gpt2_linear_four_bits",
            device=x.device,
            values=[x, self.weight, self.group_scales, self.scale, self.bias],
            out_types=[out_type],
            parameters={"activation": self.activation},
        )
        return y


def four_bit_gpt2(config: GPT2Config, step: ModuleType) -> Any:
    """Make step 17's model, with the layers above in its blocks.

    Args:
        config: The model's configuration.
        step: Step 17.
    """
    return step.CachedGPT2(
        config,
        attention=partial(step.KernelAttention, linear=FourBitLinear),
        mlp=partial(step.KernelMLP, linear=FourBitLinear),
        head=partial(step.KernelLinear, dtype=DType.int8),
    )
