"""Solution for Step 12: Text generation."""

from collections.abc import Callable, Iterator

import numpy as np
from max.driver import Device
from max.dtype import DType
from max.experimental import functional as F
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
    token_ids = tokenizer.encode(text).ids
    return Tensor([token_ids], dtype=DType.int64, device=device)


def decode_tokens(token_ids: Tensor, tokenizer: Tokenizer) -> str:
    """Turn token IDs back into text.

    Args:
        token_ids: Token IDs of one sequence, integers, shape [1, seq_length].
        tokenizer: The tokenizer that made them.

    Returns:
        The text, special tokens included.
    """
    [ids] = token_ids.to_numpy().tolist()
    return tokenizer.decode(ids, skip_special_tokens=False)


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
    logits = model(input_ids)[:, -1, :]
    if temperature == 0.0:
        return F.argmax(logits, axis=-1)

    rng = rng or np.random.default_rng()
    probabilities = F.softmax(logits / temperature).to_numpy()
    draws = [[rng.choice(len(row), p=row)] for row in probabilities]
    return Tensor(draws, dtype=DType.int64, device=input_ids.device)


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
    for _ in range(max_new_tokens):
        next_token = generate_next_token(
            model, input_ids, temperature=temperature, rng=rng
        )
        yield next_token
        input_ids = F.concat([input_ids, next_token], axis=1)
