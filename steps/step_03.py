"""
Step 03: Layer normalization

Normalize each vector to mean 0 and variance 1, then let the model scale and shift it by
what it has learned.

Tasks:
1. Import functional
2. Create the learned scale and shift
3. Normalize the last axis

Run: pixi run s03
"""

# TODO: Import functional (as F) from max.experimental
# Hint: from max.experimental import ...
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from max.graph import DimLike


class LayerNorm(Module[[Tensor], Tensor]):
    """Layer normalization over the last axis, with a learned scale and shift.

    Ba et al., 2016, "Layer Normalization"; `torch.nn.LayerNorm`.

    Args:
        dim: The size of the last axis.
        eps: Added to the variance, inside the square root.
    """

    def __init__(self, dim: DimLike, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps

        # TODO: Create the scale, which starts as all ones
        # Hint: Tensor.ones([dim])
        self.weight = None

        # TODO: Create the shift, which starts as all zeros
        # Hint: Tensor.zeros([dim])
        self.bias = None

    def forward(self, x: Tensor) -> Tensor:
        """Normalize every vector of the last axis by itself.

        Args:
            x: Hidden states, shape [..., dim].

        Returns:
            (x - mean) / sqrt(variance + eps) * weight + bias, shape [..., dim].
        """
        # TODO: Normalize x over its last axis and return it
        # Hint: F.layer_norm(x, gamma=..., beta=..., epsilon=...)
        return None
