"""Solution for Step 09: Transformer block."""

from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config
from solution_03 import LayerNorm
from solution_04 import GPT2MLP
from solution_07 import GPT2MultiHeadAttention
from solution_08 import pre_norm_residual


class GPT2Block(Module[[Tensor], Tensor]):
    """A transformer block: attention, then the feed-forward network.

    Matches `GPT2Block` of transformers.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        inner_dim = config.n_inner if config.n_inner is not None else 4 * config.n_embd
        self.ln_1 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = GPT2MultiHeadAttention(config)
        self.ln_2 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = GPT2MLP(inner_dim, config)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Refine the residual stream twice.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        hidden_states = pre_norm_residual(hidden_states, self.ln_1, self.attn)
        return pre_norm_residual(hidden_states, self.ln_2, self.mlp)
