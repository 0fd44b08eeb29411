"""
Step 06: Position embeddings

Tell the model where each token stands: row number i of a second table stands for
position i.

Tasks:
1. Import Embedding
2. Create the table
3. Make the positions 0, 1, 2, ...
4. Look up the positions

Run: pixi run s06
"""

# TODO: Import Embedding, beside Module
# Hint: from max.experimental.nn import Embedding, Module
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config


class GPT2PositionEmbeddings(Module[[Tensor], Tensor]):
    """The table that turns each position into a vector.

    Matches `wpe` of transformers' `GPT2Model`.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()

        # TODO: Create the table: a row for each position, n_embd wide
        # Hint: Embedding(number_of_rows, dim=width)
        self.wpe = None

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look up the rows 0, 1, 2, ... up to the length of the input.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length]. Only the
                length, the dtype and the device are used.

        Returns:
            Position embeddings, shape [seq_length, n_embd]: the same for every
            sequence in the batch.
        """
        # TODO: Make the positions: 0, 1, 2, ... up to the length of the input
        # Hint: _, seq_length = input_ids.shape
        # Hint: Tensor.arange(seq_length, dtype=..., device=...), both as in input_ids
        positions = None

        # TODO: Look up the row of each position and return the rows
        # Hint: self.wpe(...)
        return None
