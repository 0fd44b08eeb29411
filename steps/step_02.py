"""
Step 02: Causal masking

Build the mask that hides the future: added to attention scores, it lets every token see
itself and the tokens before it, and nothing after.

Tasks:
1. Import functional
2. Compute how many columns the mask has
3. Make a matrix full of minus infinity
4. Set the entries that a token may see to 0

Run: pixi run s02
"""

from max.driver import Device
from max.dtype import DType

# TODO: Import functional (as F) from max.experimental
# Hint: from max.experimental import ...
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
    # TODO: Compute the number of columns: past tokens and new ones
    # Hint: Dim(sequence_length) + num_tokens works for numbers and for symbolic sizes
    total_length = None

    # TODO: Make a [sequence_length, total_length] tensor of minus infinity
    # Hint: Tensor(float("-inf"), dtype=dtype, device=device), then F.broadcast_to
    mask = None

    # TODO: Set everything up to the diagonal to 0 and return the mask
    # Hint: F.band_part(mask, num_lower=None, num_upper=..., exclude=True)
    return None
