"""Solution for Step 16: Sampling."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from solution_15 import Decoder
from tokenizers import Tokenizer
from tokenizers.decoders import DecodeStream


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, named as in transformers' `GenerationConfig`.

    Attributes:
        temperature: 0 takes the most likely token (greedy); above, logits are
            divided by it.
        top_k: Only the k most likely tokens can be drawn; 0 for all.
        top_p: Only the most likely tokens that together have this probability.
        min_p: Only tokens at least this likely, compared with the most likely one.
        repetition_penalty: Above 1 makes tokens less likely that are already in
            the text.

    Raises:
        ValueError: A value makes no sense.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        sensible = {
            "temperature": 0 <= self.temperature < np.inf,
            "top_k": self.top_k >= 0,
            "top_p": 0 < self.top_p <= 1,
            "min_p": 0 <= self.min_p <= 1,
            "repetition_penalty": 0 < self.repetition_penalty < np.inf,
        }
        for name, fine in sensible.items():
            if not fine:
                raise ValueError(f"{name} cannot be {getattr(self, name)}.")


def penalize_repetition(
    logits: NDArray[np.float32], token_ids: Sequence[int], penalty: float
) -> NDArray[np.float32]:
    """Make tokens less likely that are already in the text.

    Keskar et al., 2019, section 4.1; `RepetitionPenaltyLogitsProcessor`.

    Args:
        logits: Shape [vocab_size].
        token_ids: The text so far.
        penalty: What a positive logit is divided by, and a negative one multiplied.

    Returns:
        Shape [vocab_size].
    """
    if penalty == 1:
        return logits
    seen = np.unique(token_ids)
    penalized = logits.copy()
    penalized[seen] = np.where(
        logits[seen] < 0, logits[seen] * penalty, logits[seen] / penalty
    )
    return penalized


def keep_top_k(logits: NDArray[np.float32], top_k: int) -> NDArray[np.float32]:
    """Rule out all but the k most likely tokens, and those as likely as the last.

    Fan et al., 2018, section 5.4; `TopKLogitsWarper`.

    Args:
        logits: Shape [vocab_size].
        top_k: How many to keep; 0, or more than there are, for all.

    Returns:
        The logits, minus infinity where ruled out, shape [vocab_size].
    """
    if not 0 < top_k < logits.size:
        return logits
    border = np.partition(logits, -top_k)[-top_k]
    return np.where(logits < border, -np.inf, logits)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn logits into probabilities.

    Args:
        logits: Shape [vocab_size]; minus infinity gives 0.

    Returns:
        Shape [vocab_size]; the sum is 1.
    """
    exponentials = np.exp(logits - logits.max())
    return exponentials / exponentials.sum()


def keep_top_p(logits: NDArray[np.float32], top_p: float) -> NDArray[np.float32]:
    """Rule out the unlikely tokens that together have at most probability 1 - top_p.

    Holtzman et al., 2020, section 3.1 (nucleus sampling); `TopPLogitsWarper`.

    Args:
        logits: Shape [vocab_size].
        top_p: The share of the probability to keep, above 0; 1 for all.

    Returns:
        The logits, minus infinity where ruled out, shape [vocab_size].
    """
    if top_p == 1:
        return logits
    ascending = np.argsort(logits, kind="stable")
    cumulative = softmax(logits)[ascending].cumsum(dtype=np.float64)
    unlikely = cumulative.astype(np.float32) <= np.float32(1 - top_p)
    kept = logits.copy()
    # The last one is the most likely token: it always stays.
    kept[ascending[:-1][unlikely[:-1]]] = -np.inf
    return kept


def keep_min_p(logits: NDArray[np.float32], min_p: float) -> NDArray[np.float32]:
    """Rule out tokens that are too unlikely beside the most likely one.

    Nguyen et al., 2024, section 3; `MinPLogitsWarper`.

    Args:
        logits: Shape [vocab_size].
        min_p: The least share of the highest probability; 0 for all.

    Returns:
        The logits, minus infinity where ruled out, shape [vocab_size].
    """
    probabilities = softmax(logits)
    return np.where(probabilities < min_p * probabilities.max(), -np.inf, logits)


def next_token_probabilities(
    logits: NDArray[np.float32], token_ids: Sequence[int], sampling: Sampling
) -> NDArray[np.float32]:
    """Tell how likely each token is to be drawn.

    The order is that of transformers' `generate`.

    Args:
        logits: Shape [vocab_size].
        token_ids: The text so far.
        sampling: How to choose; its temperature is not 0.

    Returns:
        Shape [vocab_size]; the sum is 1.
    """
    logits = penalize_repetition(logits, token_ids, sampling.repetition_penalty)
    logits = logits / np.float32(sampling.temperature)
    logits = keep_top_k(logits, sampling.top_k)
    logits = keep_top_p(logits, sampling.top_p)
    logits = keep_min_p(logits, sampling.min_p)
    return softmax(logits)


def choose_token(
    logits: NDArray[np.float32],
    token_ids: Sequence[int],
    sampling: Sampling,
    rng: np.random.Generator,
) -> int:
    """Choose the token that goes on with a text.

    Args:
        logits: Shape [vocab_size].
        token_ids: The text so far.
        sampling: How to choose.
        rng: Where the draws come from.

    Returns:
        A token ID.

    Raises:
        ValueError: A logit is NaN: the weights or the model are broken.
    """
    # The largest number is NaN if any is.
    if np.isnan(logits.max()):
        raise ValueError("The model's logits are NaN: its weights are broken.")
    if sampling.temperature == 0:
        logits = penalize_repetition(logits, token_ids, sampling.repetition_penalty)
        return int(logits.argmax())
    probabilities = next_token_probabilities(logits, token_ids, sampling)
    return int(rng.choice(probabilities.size, p=probabilities))


def generate_tokens(
    decoder: Decoder,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    sampling: Sampling,
    rng: np.random.Generator,
) -> Iterator[list[int]]:
    """Go on with a batch of texts, one token at a time.

    Args:
        decoder: The model with its cache.
        prompts: Token IDs; the lengths may differ.
        max_new_tokens: How many tokens to generate for each text.
        sampling: How to choose them.
        rng: Where the draws come from.

    Yields:
        The next token of each text, as soon as it is chosen.
    """
    texts = [list(prompt) for prompt in prompts]
    for count in range(max_new_tokens):
        if count == 0:
            logits = decoder.prefill(prompts)
        else:
            logits = decoder.decode([text[-1] for text in texts])
        for text, row in zip(texts, logits, strict=True):
            text.append(choose_token(row, text, sampling, rng))
        yield [text[-1] for text in texts]


class TextStream:
    """Text from tokens, in pieces that can be shown at once.

    A piece ends with a whole character, though a token may end inside one, and never
    with what may turn out to be the beginning of a stop sequence.

    Args:
        tokenizer: The tokenizer that the model was trained with.
        stop: The sequences that end the text; none of them is empty.
        prompt: The token IDs before the text: some tokenizers write a token
            differently at the beginning of a text.

    Attributes:
        stopped: Whether a stop sequence was found; the text ends before it.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        stop: Sequence[str] = (),
        prompt: Sequence[int] = (),
    ) -> None:
        self.tokenizer = tokenizer
        self.stop = stop
        self.stopped = False
        self._stream = DecodeStream(ids=prompt, skip_special_tokens=True)
        self._held = ""

    def add(self, token_id: int) -> str:
        """Take the next token.

        Args:
            token_id: The token's ID.

        Returns:
            The text that is certain now and has not been returned yet.
        """
        # None until the bytes of the tokens make whole characters.
        self._held += self._stream.step(self.tokenizer, token_id) or ""
        found = [at for stop in self.stop if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = self._held[: min(found)]
            return self.finish()
        keep = max((self._overlap(stop) for stop in self.stop), default=0)
        certain = self._held[: len(self._held) - keep]
        self._held = self._held[len(certain) :]
        return certain

    def finish(self) -> str:
        """End the text.

        Returns:
            What was held back, but for the bytes of a character that is not complete.
        """
        held, self._held = self._held, ""
        return held

    def _overlap(self, stop: str) -> int:
        """How much of the end of what is held may be the beginning of a stop."""
        lengths = range(min(len(stop) - 1, len(self._held)), 0, -1)
        return next((n for n in lengths if self._held.endswith(stop[:n])), 0)
