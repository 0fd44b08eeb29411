"""Solution for Step 11: Language model head."""

from max.experimental.nn import Linear, Module
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config
from solution_10 import MaxGPT2Model


class MaxGPT2LMHeadModel(Module[[Tensor], Tensor]):
    """GPT-2 with its language model head: from token IDs to logits.

    Matches `GPT2LMHeadModel` of transformers.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.transformer = MaxGPT2Model(config)
        self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)

    def forward(self, input_ids: Tensor) -> Tensor:
        """Score every token of the vocabulary as the next one, at every position.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length].

        Returns:
            Logits, shape [batch, seq_length, vocab_size].
        """
        hidden_states = self.transformer(input_ids)
        return self.lm_head(hidden_states)
