"""Solution for Step 03: Layer normalization."""

from max.experimental import functional as F
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
        self.weight = Tensor.ones([dim])
        self.bias = Tensor.zeros([dim])

    def forward(self, x: Tensor) -> Tensor:
        """Normalize every vector of the last axis by itself.

        Args:
            x: Hidden states, shape [..., dim].

        Returns:
            (x - mean) / sqrt(variance + eps) * weight + bias, shape [..., dim].
        """
        return F.layer_norm(x, gamma=self.weight, beta=self.bias, epsilon=self.eps)
