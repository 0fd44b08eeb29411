"""
Step 19: Speculation

Write several tokens in one pass: look up what may follow, have the model check it, and
keep what agrees. The text stays as it was, token for token.

Tasks:
1. Propose what followed the last tokens, earlier in the text
2. Give logits at several positions
3. Read several tokens in one pass, and take some of them back
4. Choose, as long as the choice is what was proposed
5. Pause after proposals that were wrong
6. Propose, check, keep, and roll back

Run: pixi run s19
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np
from max.driver import Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from max.graph import TensorType
from numpy.typing import NDArray
from step_01 import GPT2Config
from step_15 import (
    Cache,
    CachedGPT2,
    LayerCache,
    Positions,
    attention_mask,
    empty_caches,
    input_types,
    padded_positions,
)
from step_16 import Sampling, choose_token


def find_proposal(
    tokens: Sequence[int], max_ngram: int, num_proposals: int
) -> list[int]:
    """Find the last tokens earlier in the text; propose what followed them there.

    Saxena, 2023 (prompt lookup decoding); `PromptLookupCandidateGenerator`.

    Args:
        tokens: The text so far.
        max_ngram: How many of its last tokens are looked for. If they stand nowhere
            else, one fewer is looked for, and so on, down to the last token alone.
        num_proposals: How many tokens are proposed at most.

    Returns:
        What follows the first place where they stand; empty if there is none.
    """
    for size in range(max_ngram, 0, -1):
        # TODO: Take the last size tokens, and the places where they may stand earlier
        # Hint: tokens[-size:]
        # Hint: range(len(tokens) - size)
        ngram, starts = None, ()
        for start in starts:
            end = start + size

            # TODO: At the first place where they stand, return what follows
            # Hint: if tokens[start:end] == ngram:
            # Hint: return tokens[end : end + ...]
            pass
    return []


class LookupGPT2(Module[..., Tensor]):
    """A cached GPT-2 that gives logits at several of the new positions.

    Args:
        model: Whose parts and parameters it has.
    """

    def __init__(self, model: CachedGPT2) -> None:
        super().__init__()
        self.model = model
        # Its parameters are named as if they were this module's own.
        self.model.name_transparent = True

    def forward(
        self,
        input_ids: Tensor,
        positions: Positions,
        caches: Sequence[Cache],
        logits_to_keep: Tensor,
    ) -> Tensor:
        """Read the new tokens; score what follows some of them.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand.
            caches: One for each layer.
            logits_to_keep: Which of the new tokens, counted from 0, int64, shape
                [kept].

        Returns:
            Logits of what follows each of these, shape [batch, kept, vocab_size].
        """
        body = self.model.transformer
        hidden_states = body.wte(input_ids) + body.wpe(positions.position_ids)
        for block, cache in zip(body.h, caches, strict=True):
            hidden_states = block(hidden_states, cache, positions)

        # TODO: Keep the hidden states of the wanted positions, normalize and score them
        # Hint: F.gather(hidden_states, logits_to_keep, axis=1)
        # Hint: self.model.lm_head(body.ln_f(...))
        return None


def lookup_input_types(config: GPT2Config, device: Device) -> tuple[Any, ...]:
    """Describe the arguments of `LookupGPT2.forward`, for `compile`.

    Args:
        config: The model's configuration.
        device: Where the model computes.

    Returns:
        Those of step 15, and the places of the logits.
    """
    logits_to_keep = TensorType(DType.int64, ["kept"], device=device)
    return *input_types(config, device), logits_to_keep


class LookupDecoder:
    """A cached model in the middle of one text, which can take tokens back.

    Args:
        model: A `LookupGPT2`, or what `compile` makes of it.
        config: The model's configuration.
        capacity: The longest text, in tokens, prompt included.
        device: Where the model computes.

    Attributes:
        length: How many tokens are in the cache.
    """

    def __init__(
        self,
        model: Callable[..., Tensor],
        config: GPT2Config,
        *,
        capacity: int,
        device: Device,
    ) -> None:
        self.model = model
        self.capacity = capacity
        self.device = device
        self.length = 0
        self.caches = empty_caches(
            LayerCache, config, batch=1, capacity=capacity, device=device
        )

    def read(self, token_ids: Sequence[int], keep: int) -> NDArray[np.float32]:
        """Go on by some tokens, in one pass.

        Args:
            token_ids: What follows the tokens in the cache.
            keep: How many logits are wanted: those after the last `keep` tokens.

        Returns:
            Logits of what follows each of these, shape [keep, vocab_size].

        Raises:
            ValueError: There are no tokens, or they do not fit into the cache.
        """
        start, end = self.length, self.length + len(token_ids)
        if not start < end <= self.capacity:
            raise ValueError(
                f"{len(token_ids)} tokens after {start}: the cache is for "
                f"{self.capacity}."
            )

        # TODO: Say where in the text the new tokens stand, and which of them to keep
        # Hint: np.arange(start, end)
        # Hint: np.arange(len(token_ids) - keep, len(token_ids))
        columns = logits_to_keep = None
        no_padding = np.zeros(1, dtype=np.int64)
        positions = Positions(
            self._tensor(padded_positions(columns, no_padding)),
            Tensor.from_dlpack(np.array(start)),
            self._tensor(attention_mask(columns, no_padding)),
        )
        input_ids = np.array([token_ids], dtype=np.int64)
        logits = self.model(
            self._tensor(input_ids),
            positions,
            self.caches,
            self._tensor(logits_to_keep),
        )
        self.length = end
        [kept] = logits.to_numpy()
        return kept

    def roll_back(self, length: int) -> None:
        """Forget all tokens but the first ones.

        The buffers need not be touched: what they hold behind the first tokens is
        written over before anybody looks at it.

        Args:
            length: How many tokens are kept.
        """
        # TODO: Have only that many tokens in the cache
        # Hint: self.length is how many tokens are in the cache.
        pass

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return Tensor.from_dlpack(array).to(self.device)


def choose_while_agreed(
    logits: NDArray[np.float32],
    proposal: Sequence[int],
    tokens: Sequence[int],
    sampling: Sampling,
    rng: np.random.Generator,
    end_of_text: Collection[int] = (),
) -> list[int]:
    """Choose token after token, as long as each is the one that was proposed.

    Args:
        logits: Of what follows the text, and of what follows each proposed token,
            shape [proposed + 1, vocab_size].
        proposal: What was proposed.
        tokens: The text so far.
        sampling: How to choose.
        rng: Where the draws come from.
        end_of_text: The tokens that end a text: none is chosen after one of them.

    Returns:
        The proposed tokens that were chosen as well, and one token more: the first
        that was chosen instead, or that follows them all.
    """
    chosen: list[int] = []

    # TODO: Choose from each row, up to what was not proposed or ends the text
    # Hint: for row, proposed in zip(logits, [*proposal, None]):
    # Hint: chosen.append(choose_token(row, [*tokens, *chosen], sampling, rng))
    # Hint: break if chosen[-1] != proposed or chosen[-1] in end_of_text
    pass
    return chosen


class Pauses:
    """When to propose nothing: for a while, after proposals that were wrong.

    Args:
        longest: How many passes a pause lasts at most.

    Attributes:
        length: How many passes the last pause was to last.
        left: How many are left of it.
    """

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.length = 0
        self.left = 0

    def is_over(self) -> bool:
        """Whether this pass may propose something; if not, it is one of the pause."""
        if self.left == 0:
            return True
        self.left -= 1
        return False

    def note(self, accepted: int) -> None:
        """Begin the next pause, after a proposal.

        The first lasts 1 pass, each that follows twice as long and 1 more. Whatever is
        accepted of a proposal ends them.

        Args:
            accepted: How many of the proposed tokens were right.
        """
        # TODO: 0 passes if something was accepted; else 1, 3, 7, …, at most the longest
        # Hint: min(2 * self.length + 1, self.longest); then self.left = self.length
        pass


def generate_with_lookup(
    decoder: LookupDecoder,
    prompt: Sequence[int],
    max_new_tokens: int,
    sampling: Sampling,
    rng: np.random.Generator,
    *,
    num_proposals: int,
    max_ngram: int = 2,
    longest_pause: int = 15,
    end_of_text: Collection[int] = (),
) -> Iterator[list[int]]:
    """Go on with a text, by one or more tokens a pass; the text is that of step 16.

    Args:
        decoder: The model with its cache.
        prompt: Token IDs.
        max_new_tokens: How many tokens to generate.
        sampling: How to choose them.
        rng: Where the draws come from.
        num_proposals: How many tokens are proposed at most.
        max_ngram: How many of the last tokens are looked for.
        longest_pause: For how many passes nothing is proposed at most; 0 for none.
        end_of_text: The tokens that end a text.

    Yields:
        The tokens of each pass, at least one; the last may be one that ends the text.
    """
    tokens, end = list(prompt), len(prompt) + max_new_tokens
    pauses = Pauses(longest_pause)
    decoder.roll_back(0)
    while len(tokens) < end:
        # TODO: Say how many may be proposed: a pass gives one more than it accepts
        # Hint: min(num_proposals, ...): end is how long the text will be
        room = 0
        proposal = find_proposal(tokens, max_ngram, room) if pauses.is_over() else []

        # TODO: Read what is not in the cache yet, and the proposal, in one pass
        # Hint: unread = tokens[decoder.length :]
        # Hint: decoder.read([*unread, *proposal], ...)
        logits = []
        chosen = choose_while_agreed(
            logits, proposal, tokens, sampling, rng, end_of_text
        )

        # TODO: Add what was chosen; roll the cache back to what was rightly read
        # Hint: tokens += chosen
        # Hint: decoder.roll_back(...): one less than the text has
        pass
        if proposal:
            pauses.note(len(chosen) - 1)
        yield chosen
        if chosen[-1] in end_of_text:
            return
