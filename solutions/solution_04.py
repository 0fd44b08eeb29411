"""Solution for Step 04: Feed-forward network."""

from max.experimental import functional as F
from max.experimental.nn import Linear, Module
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config


class GPT2MLP(Module[[Tensor], Tensor]):
    """The feed-forward network of a block: widen, GELU, narrow.

    Matches `GPT2MLP` of transformers, activation `gelu_new`.

    Args:
        intermediate_size: The width inside, usually 4 * n_embd.
        config: The model's configuration.
    """

    def __init__(self, intermediate_size: int, config: GPT2Config) -> None:
        super().__init__()
        self.c_fc = Linear(config.n_embd, intermediate_size)
        self.c_proj = Linear(intermediate_size, config.n_embd)

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Transform every position by itself.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        hidden_states = self.c_fc(hidden_states)
        hidden_states = F.gelu(hidden_states, approximate="tanh")
        return self.c_proj(hidden_states)
