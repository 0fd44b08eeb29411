"""The embeddings of steps 05 and 06 in the model: step 10 makes tables of its own."""

from __future__ import annotations

from typing import Any

from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor

from course.model.modules import solution


class Body(Module[[Tensor], Tensor]):
    """The body of step 10 behind other embeddings.

    Args:
        tokens: Step 05's module.
        positions: Step 06's module.
        body: Whose blocks and final layer norm follow.
    """

    def __init__(
        self,
        tokens: Module[[Tensor], Tensor],
        positions: Module[[Tensor], Tensor],
        body: Any,
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.positions = positions
        self.body = body

    def forward(self, input_ids: Tensor) -> Tensor:
        """Turn token IDs into hidden states, shape [batch, seq_length, n_embd]."""
        x = self.tokens(input_ids) + self.positions(input_ids)
        return self.body.ln_f(self.body.h(x))


def use_embeddings(model: Any, config: Any) -> None:
    """Have a language model read by the embeddings of steps 05 and 06.

    Args:
        model: A `MaxGPT2LMHeadModel` with its weights.
        config: Its configuration.
    """
    body = model.transformer
    with F.lazy():
        tokens = solution(5).GPT2Embeddings(config)
        positions = solution(6).GPT2PositionEmbeddings(config)
    tokens.load_state_dict({"wte.weight": body.wte.weight})
    positions.load_state_dict({"wpe.weight": body.wpe.weight})
    model.transformer = Body(tokens, positions, body)
