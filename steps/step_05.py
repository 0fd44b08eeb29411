"""
Step 05: Token embeddings

Turn token IDs into vectors: row number i of a table stands for token i.

Tasks:
1. Import Embedding
2. Create the table
3. Look up the tokens

Run: pixi run s05
"""

# TODO: Import Embedding, beside Module
# Hint: from max.experimental.nn import Embedding, Module
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config


class GPT2Embeddings(Module[[Tensor], Tensor]):
    """The table that turns each token ID into a vector.

    Matches `wte` of transformers' `GPT2Model`.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()

        # TODO: Create the table: a row for each token, n_embd wide
        # Hint: Embedding(number_of_rows, dim=width)
        self.wte = None

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look up the row of each token.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length].

        Returns:
            Token embeddings, shape [batch, seq_length, n_embd].
        """
        # TODO: Look up the row of each token and return the rows
        # Hint: self.wte(...)
        return None
