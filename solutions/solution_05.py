"""Solution for Step 05: Token embeddings."""

from max.experimental.nn import Embedding, Module
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config


class GPT2Embeddings(Module[[Tensor], Tensor]):
    """The table that turns each token ID into a vector.

    Matches `wte` of transformers' `GPT2Model`.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.wte = Embedding(config.vocab_size, dim=config.n_embd)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look up the row of each token.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length].

        Returns:
            Token embeddings, shape [batch, seq_length, n_embd].
        """
        return self.wte(input_ids)
