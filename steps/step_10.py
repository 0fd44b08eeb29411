"""
Step 10: Stacking transformer blocks

Stack the blocks between the embeddings and a final layer norm: the body of GPT-2.

Tasks:
1. Import Embedding and Sequential
2. Create token and position embeddings
3. Stack n_layer transformer blocks
4. Create the final layer normalization
5. Implement forward: embeddings, blocks, layer norm

Run: pixi run s10
"""

# TODO: Import Embedding and Sequential, beside Module
# Hint: from max.experimental.nn import Embedding, Module, Sequential
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config
from step_03 import LayerNorm
from step_09 import GPT2Block


class MaxGPT2Model(Module[[Tensor], Tensor]):
    """The body of GPT-2: from token IDs to hidden states.

    Token embeddings and position embeddings, a stack of blocks, a final layer norm.
    Matches `GPT2Model` of transformers.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()

        # TODO: Create the token embeddings
        # Hint: Embedding(config.vocab_size, dim=...)
        self.wte = None

        # TODO: Create the position embeddings
        # Hint: Embedding(config.n_positions, dim=...)
        self.wpe = None

        # TODO: Stack the blocks, each with weights of its own
        # Hint: Sequential(*(GPT2Block(config) for _ in range(...)))
        self.h = None

        # TODO: Create the final layer norm
        # Hint: LayerNorm(..., eps=config.layer_norm_epsilon)
        self.ln_f = None

    def forward(self, input_ids: Tensor) -> Tensor:
        """Run the whole stack.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length].

        Returns:
            Hidden states, shape [batch, seq_length, n_embd].
        """
        # TODO: Make the positions: 0, 1, 2, ... up to the length of the input
        # Hint: _, seq_length = input_ids.shape
        # Hint: Tensor.arange(seq_length, dtype=..., device=...), both as in input_ids
        positions = None

        # TODO: Add token embeddings and position embeddings
        # Hint: self.wte(...) + self.wpe(...)
        x = None

        # TODO: Apply the blocks
        # Hint: self.h(x)
        pass

        # TODO: Apply the final layer norm and return the result
        # Hint: self.ln_f(x)
        return None
