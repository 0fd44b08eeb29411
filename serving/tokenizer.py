"""The model's tokenizer, with the one check that MAX leaves out."""

from collections.abc import Sequence

import numpy as np
from max.pipelines.context.exceptions import InputError
from max.pipelines.lib import TextTokenizer
from numpy.typing import NDArray


class CheckedTokenizer(TextTokenizer):
    """Refuses prompts that would end the server.

    A prompt may be a list of token IDs. An ID that is not in the vocabulary would be
    looked up in the embeddings all the same, and MAX ends the whole server then.
    """

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
            InputError: There are none, or some are not in the vocabulary. The client
                is told so, with status 400.
        """
        token_ids = await super().encode(prompt, add_special_tokens)
        if token_ids.size == 0:
            raise InputError("The prompt is empty: there is nothing to go on from.")
        if token_ids.min() < 0 or token_ids.max() >= self.tokenizer_vocab_size:
            raise InputError(
                f"Token IDs go from 0 to {self.tokenizer_vocab_size - 1}, those of the "
                f"prompt from {token_ids.min()} to {token_ids.max()}."
            )
        return token_ids
