"""The model's tokenizer, as far as the model knows its tokens."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from max.pipelines.context.exceptions import InputError
from max.pipelines.lib import PipelineConfig, TextTokenizer
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast


class WholeTable(PreTrainedTokenizerFast):
    """A tokenizer that counts the IDs of the model, of which it may know fewer.

    MAX takes the length of a tokenizer for the number of IDs that may be chosen. But
    many a table of embeddings is longer, padded for the hardware's sake.

    Attributes:
        rows: How many rows the model's table of embeddings has.
    """

    rows = 0

    def __len__(self) -> int:
        """How many IDs there are."""
        return max(super().__len__(), self.rows)


class CheckedTokenizer(TextTokenizer):
    """Refuses prompts that would end the server.

    A prompt may be a list of token IDs, and a tokenizer may have more tokens than the
    model. An ID that is not in its table of embeddings would be looked up all the
    same, and MAX ends the whole server then.
    """

    def __init__(
        self, model_path: str, pipeline_config: PipelineConfig, **options: Any
    ) -> None:
        super().__init__(model_path, pipeline_config, **options)
        self.rows = pipeline_config.model.huggingface_config.vocab_size
        self.delegate = WholeTable(tokenizer_object=self.delegate.backend_tokenizer)
        self.delegate.rows = self.rows

    @property
    def tokenizer_vocab_size(self) -> int:
        """How many token IDs the model knows."""
        return self.rows

    async def encode(
        self, prompt: str | Sequence[int], add_special_tokens: bool = True
    ) -> NDArray[np.integer]:
        """Turn a prompt into token IDs.

        Args:
            prompt: Text, or token IDs.
            add_special_tokens: Whether the tokenizer may add its own.

        Returns:
            Token IDs, shape [tokens].

        Raises:
            InputError: There are none, or the model does not know some, or the
                tokenizer cannot read the prompt. The client is told so, with status
                400.
        """
        try:
            token_ids = await super().encode(prompt, add_special_tokens)
        except InputError:
            raise
        except Exception as error:  # tokenizers raises plain Exception
            raise InputError(
                f"The model's tokenizer cannot read the prompt: {error}."
            ) from error
        if token_ids.size == 0:
            raise InputError("The prompt is empty: there is nothing to go on from.")
        if token_ids.min() < 0 or token_ids.max() >= self.rows:
            raise InputError(
                f"Token IDs go from 0 to {self.rows - 1}, those of the prompt from "
                f"{token_ids.min()} to {token_ids.max()}."
            )
        return token_ids
