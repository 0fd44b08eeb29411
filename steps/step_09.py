"""
Step 09: Transformer block

Assemble a transformer block: attention moves information between positions, the feed-
forward network works on each position.

Tasks:
1. Choose the width inside the feed-forward network
2. Create the sublayers and the layer norm before each
3. Apply the two residual steps

Run: pixi run s09
"""

from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config
from step_03 import LayerNorm
from step_04 import GPT2MLP
from step_07 import GPT2MultiHeadAttention
from step_08 import pre_norm_residual


class GPT2Block(Module[[Tensor], Tensor]):
    """A transformer block: attention, then the feed-forward network.

    Matches `GPT2Block` of transformers.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()

        # TODO: Take the width inside from config: n_inner, or 4 * n_embd if it is None
        # Hint: ... if config.n_inner is not None else ...
        inner_dim = None

        # TODO: Create the layer norm before attention
        # Hint: LayerNorm(..., eps=config.layer_norm_epsilon)
        self.ln_1 = None

        # TODO: Create the attention
        # Hint: GPT2MultiHeadAttention(config)
        self.attn = None

        # TODO: Create the layer norm before the feed-forward network
        # Hint: LayerNorm(..., eps=config.layer_norm_epsilon)
        self.ln_2 = None

        # TODO: Create the feed-forward network
        # Hint: GPT2MLP(inner_dim, config)
        self.mlp = None

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Refine the residual stream twice.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        # TODO: Apply the residual step with ln_1 and attn
        # Hint: pre_norm_residual(hidden_states, ..., ...)
        pass

        # TODO: Apply the residual step with ln_2 and mlp, and return the result
        # Hint: pre_norm_residual(hidden_states, ..., ...)
        return None
