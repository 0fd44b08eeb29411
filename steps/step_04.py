"""
Step 04: Feed-forward network

Give every position a small network of its own: widen the vector, bend it with GELU,
bring it back to its width.

Tasks:
1. Import functional and Linear
2. Create the two linear layers
3. Widen, apply GELU, narrow

Run: pixi run s04
"""

# TODO: Import functional (as F) from max.experimental
# Hint: from max.experimental import ...
# TODO: Import Linear, beside Module
# Hint: from max.experimental.nn import Linear, Module
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config


class GPT2MLP(Module[[Tensor], Tensor]):
    """The feed-forward network of a block: widen, GELU, narrow.

    Matches `GPT2MLP` of transformers, activation `gelu_new`.

    Args:
        intermediate_size: The width inside, usually 4 * n_embd.
        config: The model's configuration.
    """

    def __init__(self, intermediate_size: int, config: GPT2Config) -> None:
        super().__init__()

        # TODO: Create the layer that widens
        # Hint: Linear(from_size, to_size)
        self.c_fc = None

        # TODO: Create the layer that narrows
        # Hint: The same, with the two sizes exchanged
        self.c_proj = None

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Transform every position by itself.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        # TODO: Widen the hidden states
        # Hint: self.c_fc(...)
        pass

        # TODO: Apply GELU, in the form that GPT-2 was trained with
        # Hint: F.gelu(..., approximate="tanh")
        pass

        # TODO: Narrow the hidden states and return them
        # Hint: self.c_proj(...)
        return None
