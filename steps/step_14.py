"""
Step 14: Compilation

Compile the whole model into one graph, for every batch and length, that gives only the
logits of the last position.

Tasks:
1. Import TensorType
2. Score only the last position
3. Describe the input: any batch, any length
4. Compile the model

Run: pixi run s14
"""

from collections.abc import Callable

from max.dtype import DType
from max.experimental.nn import Module
from max.experimental.tensor import Tensor

# TODO: Import TensorType from max.graph
# Hint: from max.graph import ...
from step_11 import MaxGPT2LMHeadModel


class NextTokenLogits(Module[[Tensor], Tensor]):
    """A language model of which only the last position's logits are wanted."""

    def __init__(self, language_model: MaxGPT2LMHeadModel) -> None:
        super().__init__()
        self.language_model = language_model

    def forward(self, input_ids: Tensor) -> Tensor:
        """Score every token of the vocabulary as the next one.

        Args:
            input_ids: Token IDs, int64, shape [batch, seq_length].

        Returns:
            Logits, shape [batch, 1, vocab_size].
        """
        # TODO: Compute the hidden states, with the body of the language model
        # Hint: self.language_model.transformer(...)
        hidden_states = None
        # The head is by far the widest layer: it sees one position, not all.
        # TODO: Give the last position to the head, and return its logits
        # Hint: self.language_model.lm_head(hidden_states[:, -1:, :])
        return None


def compile_model(
    language_model: MaxGPT2LMHeadModel,
) -> Callable[[Tensor], Tensor]:
    """Compile a model once, for every batch size and length.

    Args:
        language_model: The model of step 11, with its weights, on its device.

    Returns:
        From token IDs, int64, shape [batch, seq_length], to logits, shape
        [batch, 1, vocab_size].
    """
    model = NextTokenLogits(language_model)

    # TODO: Describe the token IDs: int64, two sizes that are not known yet
    # Hint: TensorType(DType.int64, ["batch", ...], device=language_model.device)
    input_type = None

    # TODO: Compile the model for such an input, and return what comes out
    # Hint: model.compile(...)
    return None
