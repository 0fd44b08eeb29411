"""Solution for Step 10: Stacking transformer blocks."""

from max.experimental.nn import Embedding, Module, Sequential
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config
from solution_03 import LayerNorm
from solution_09 import GPT2Block


class MaxGPT2Model(Module[[Tensor], Tensor]):
    """The body of GPT-2: from token IDs to hidden states.

    Token embeddings and position embeddings, a stack of blocks, a final layer norm.
    Matches `GPT2Model` of transformers.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        # A row for each token of the vocabulary, and a row for each position.
        self.wte = Embedding(config.vocab_size, dim=config.n_embd)
        self.wpe = Embedding(config.n_positions, dim=config.n_embd)
        # Each turn makes another block, with weights of its own.
        self.h = Sequential(*(GPT2Block(config) for _ in range(config.n_layer)))
        self.ln_f = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Run the whole stack.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length].

        Returns:
            Hidden states, shape [batch, seq_length, n_embd].
        """
        _, seq_length = input_ids.shape
        # Indices, as the IDs are: whole numbers, on the device of the tables.
        positions = Tensor.arange(
            seq_length, dtype=input_ids.dtype, device=input_ids.device
        )
        x = self.wte(input_ids) + self.wpe(positions)
        x = self.h(x)
        return self.ln_f(x)
