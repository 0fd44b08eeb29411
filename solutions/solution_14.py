"""Solution for Step 14: Compilation."""

from collections.abc import Callable

from max.dtype import DType
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from max.graph import TensorType
from solution_11 import MaxGPT2LMHeadModel


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
        hidden_states = self.language_model.transformer(input_ids)
        # The head is by far the widest layer: it sees one position, not all.
        return self.language_model.lm_head(hidden_states[:, -1:, :])


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
    input_type = TensorType(
        DType.int64, ["batch", "seq_length"], device=language_model.device
    )
    return model.compile(input_type)
