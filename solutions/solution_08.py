"""Solution for Step 08: Residual connections and layer normalization."""

from collections.abc import Callable

from max.experimental.tensor import Tensor


def pre_norm_residual(
    x: Tensor,
    layer_norm: Callable[[Tensor], Tensor],
    sublayer: Callable[[Tensor], Tensor],
) -> Tensor:
    """Add to x what a sublayer makes of the normalized x.

    One half of transformers' `GPT2Block`. GPT-2 normalizes before the sublayer
    (Radford et al., 2019, section 2.3), the first transformer after it.

    Args:
        x: The residual stream, shape [batch, seq_length, n_embd].
        layer_norm: Normalizes the stream for the sublayer to read.
        sublayer: Attention or the feed-forward network.

    Returns:
        The residual stream afterwards, shape [batch, seq_length, n_embd].
    """
    return x + sublayer(layer_norm(x))
