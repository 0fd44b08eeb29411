"""Solution for Step 06: Position embeddings."""

from max.experimental.nn import Embedding, Module
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config


class GPT2PositionEmbeddings(Module[[Tensor], Tensor]):
    """The table that turns each position into a vector.

    Matches `wpe` of transformers' `GPT2Model`.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.wpe = Embedding(config.n_positions, dim=config.n_embd)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Look up the rows 0, 1, 2, ... up to the length of the input.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length]. Only the
                length, the dtype and the device are used.

        Returns:
            Position embeddings, shape [seq_length, n_embd]: the same for every
            sequence in the batch.
        """
        _, seq_length = input_ids.shape
        positions = Tensor.arange(
            seq_length, dtype=input_ids.dtype, device=input_ids.device
        )
        return self.wpe(positions)
