"""Solution for Step 01: Model configuration."""

from dataclasses import dataclass


@dataclass
class GPT2Config:
    """The numbers that shape a GPT-2, named as in `transformers.GPT2Config`.

    The defaults are those of GPT-2 small, the model with 124M parameters.

    Attributes:
        vocab_size: How many different tokens there are.
        n_positions: The longest sequence, in tokens.
        n_embd: The width of the model: how many numbers stand for one token.
        n_layer: How many transformer blocks are stacked.
        n_head: How many attention heads share the width in each block.
        n_inner: The width inside the feed-forward network; `None` means
            4 * n_embd.
        layer_norm_epsilon: Added to the variance in layer normalization.
    """

    vocab_size: int = 50257
    n_positions: int = 1024
    n_embd: int = 768
    n_layer: int = 12
    n_head: int = 12
    n_inner: int | None = None
    layer_norm_epsilon: float = 1e-5
