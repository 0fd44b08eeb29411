"""
Step 11: Language model head

Turn hidden states into logits: a score for every token of the vocabulary, at every
position.

Tasks:
1. Import Linear
2. Create the body and the head
3. Implement forward: body, then head

Run: pixi run s11
"""

# TODO: Import Linear, beside Module
# Hint: from max.experimental.nn import Linear, Module
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config
from step_10 import MaxGPT2Model


class MaxGPT2LMHeadModel(Module[[Tensor], Tensor]):
    """GPT-2 with its language model head: from token IDs to logits.

    Matches `GPT2LMHeadModel` of transformers.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()

        # TODO: Create the body
        # Hint: MaxGPT2Model(config)
        self.transformer = None

        # TODO: Create the head, without a bias
        # Hint: Linear(from_size, to_size, bias=False)
        self.lm_head = None

    def forward(self, input_ids: Tensor) -> Tensor:
        """Score every token of the vocabulary as the next one, at every position.

        Args:
            input_ids: Token IDs, integers, shape [batch, seq_length].

        Returns:
            Logits, shape [batch, seq_length, vocab_size].
        """
        # TODO: Compute the hidden states
        # Hint: self.transformer(...)
        hidden_states = None

        # TODO: Turn them into logits and return these
        # Hint: self.lm_head(...)
        return None
