"""Solution for Step 02: Causal masking."""

from max.driver import Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor
from max.graph import Dim, DimLike


def causal_mask(
    sequence_length: DimLike,
    num_tokens: int,
    *,
    dtype: DType,
    device: Device,
) -> Tensor:
    """Build the mask that keeps a token from attending to later tokens.

    Added to the attention scores before the softmax: 0 leaves a score as it
    is, minus infinity turns its weight into exactly 0.

    Args:
        sequence_length: The number of new tokens, one row of the mask each.
        num_tokens: The number of past tokens, which every new token may see.
        dtype: The dtype of the attention scores.
        device: The device of the attention scores.

    Returns:
        The mask, shape [sequence_length, num_tokens + sequence_length]. Row i
        is 0 up to and including column num_tokens + i, minus infinity after.
    """
    total_length = Dim(sequence_length) + num_tokens
    minus_infinity = Tensor(float("-inf"), dtype=dtype, device=device)
    mask = F.broadcast_to(minus_infinity, [sequence_length, total_length])
    return F.band_part(mask, num_lower=None, num_upper=num_tokens, exclude=True)
