"""A model of step 15 with another ending: it scores what follows every new token."""

from __future__ import annotations

from typing import Any

from max.experimental.nn import Module
from max.experimental.tensor import Tensor


class EveryPosition(Module[..., Tensor]):
    """What a `CachedGPT2` is made of, with the head behind all positions.

    A text that is judged, and not gone on with, needs the logits of all its tokens.

    Args:
        model: A `CachedGPT2`; parameters are named as there.
    """

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model
        self.model.name_transparent = True

    def forward(self, input_ids: Tensor, positions: Any, caches: Any) -> Tensor:
        """Read the new tokens.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand; see step 15.
            caches: One for each layer.

        Returns:
            Logits of what follows each of them, shape [batch, seq_length, vocab_size].
        """
        body = self.model.transformer
        hidden_states = body.wte(input_ids) + body.wpe(positions.position_ids)
        for block, cache in zip(body.h, caches, strict=True):
            hidden_states = block(hidden_states, cache, positions)
        return self.model.lm_head(body.ln_f(hidden_states))
