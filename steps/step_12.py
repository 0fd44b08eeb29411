"""
Step 12: Text generation

Make the model write: choose a next token from the logits, append it, and ask again.

Tasks:
1. Import DType and functional
2. Turn text into token IDs and back
3. Choose the next token: the most likely one, or a draw
4. Generate token after token

Run: pixi run s12
"""

from collections.abc import Callable, Iterator

import numpy as np
from max.driver import Device

# TODO: Import DType from max.dtype
# Hint: from max.dtype import ...
# TODO: Import functional (as F) from max.experimental
# Hint: from max.experimental import ...
from max.experimental.tensor import Tensor
from tokenizers import Tokenizer


def encode_text(text: str, tokenizer: Tokenizer, *, device: Device) -> Tensor:
    """Turn text into token IDs, as a batch of one sequence.

    Args:
        text: Any text.
        tokenizer: The tokenizer that the model was trained with.
        device: The device of the model.

    Returns:
        Token IDs, int64, shape [1, seq_length].
    """
    # TODO: Encode the text and return the IDs as a batch of one sequence
    # Hint: tokenizer.encode(text).ids, then Tensor([ids], dtype=..., device=...)
    return None


def decode_tokens(token_ids: Tensor, tokenizer: Tokenizer) -> str:
    """Turn token IDs back into text.

    Args:
        token_ids: Token IDs of one sequence, integers, shape [1, seq_length].
        tokenizer: The tokenizer that made them.

    Returns:
        The text, special tokens included.
    """
    # TODO: Take the IDs out of the tensor and decode them
    # Hint: token_ids.to_numpy().tolist() is a list of lists; decode the inner one
    return None


def generate_next_token(
    model: Callable[[Tensor], Tensor],
    input_ids: Tensor,
    *,
    temperature: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """Choose the token that follows each sequence.

    Args:
        model: Gives logits of shape [batch, seq_length, vocab_size].
        input_ids: Token IDs, integers, shape [batch, seq_length].
        temperature: 0 takes the most likely token (greedy). Above 0, the token
            is drawn from softmax(logits / temperature).
        rng: Where the draws come from; `None` makes a fresh generator.

    Returns:
        The next token IDs, int64, shape [batch, 1].
    """
    # TODO: Run the model and keep the logits of the last position
    # Hint: model(input_ids)[:, -1, :]
    logits = None

    # TODO: At temperature 0, return the most likely token
    # Hint: F.argmax(logits, axis=-1) has the shape [batch, 1]
    pass

    rng = rng or np.random.default_rng()

    # TODO: Otherwise compute the probabilities
    # Hint: F.softmax(logits / temperature).to_numpy()
    probabilities = None

    # TODO: Draw a token for each sequence and return them as [batch, 1]
    # Hint: rng.choice(len(row), p=row) for each row, then Tensor([[...], ...], ...)
    return None


def generate_tokens(
    model: Callable[[Tensor], Tensor],
    input_ids: Tensor,
    max_new_tokens: int,
    *,
    temperature: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Iterator[Tensor]:
    """Generate token after token, each fed back to choose the one after it.

    Args:
        model: Gives logits of shape [batch, seq_length, vocab_size].
        input_ids: The prompt's token IDs, int64, shape [batch, seq_length].
        max_new_tokens: How many tokens to generate for each sequence.
        temperature: As in `generate_next_token`.
        rng: As in `generate_next_token`.

    Yields:
        The new token IDs, int64, shape [batch, 1], as soon as they are chosen.
    """
    # TODO: max_new_tokens times: choose the next token, yield it, append it
    # Hint: call, yield, then F.concat([input_ids, next_token], axis=1)
    yield None
