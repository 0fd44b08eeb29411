"""Log probabilities as the OpenAI API gives them.

MAX 26.7 gives numbers without the tokens that they belong to, for tokens behind a stop
sequence too, and two empty lists where nobody has asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from max.pipelines.lib import TextTokenizer
from max.serve.pipelines.incremental_detokenizer import create_buffered_detokenizer
from max.serve.pipelines.llm import TokenGeneratorOutput
from openai.types.completion_choice import Logprobs


@dataclass(frozen=True)
class Token:
    """A token of a text.

    Attributes:
        name: What it stands for by itself.
        logprob: Its log probability.
        likeliest: The likeliest tokens in its place, and itself.
        offset: Where in the text it begins.
    """

    name: str
    logprob: float
    likeliest: dict[str, float]
    offset: int


@dataclass(frozen=True)
class Piece(TokenGeneratorOutput):
    """A piece of a text, as MAX's server takes it, with its tokens.

    Attributes:
        tokens: They, or None where nobody has asked.
    """

    tokens: list[Token] | None = None

    @classmethod
    def of(cls, chunk: TokenGeneratorOutput, **changes: Any) -> Piece:
        """Make one of what MAX's pipeline gives."""
        same = {field.name: getattr(chunk, field.name) for field in fields(chunk)}
        return cls(**{**same, **changes})


class TokenReader:
    """Reads the tokens of a text, one by one."""

    def __init__(
        self, tokenizer: TextTokenizer, prompt: Sequence[int], likeliest: int
    ) -> None:
        """Begin behind the prompt.

        Args:
            tokenizer: Of the model.
            prompt: Token IDs.
            likeliest: How many of the likeliest tokens are asked for in each place.
        """
        self._tokenizer = tokenizer
        self._likeliest = likeliest
        self._text = create_buffered_detokenizer(tokenizer, prompt)
        self._offset = 0
        self._shown = 0
        self._waiting: list[Token] = []

    async def add(self, chunk: TokenGeneratorOutput) -> None:
        """Read the tokens of a chunk."""
        for token_id, logprob, likeliest in zip(
            chunk.token_ids or [],
            chunk.token_log_probabilities or [],
            chunk.top_log_probabilities or [],
            strict=True,
        ):
            name = await self._name(token_id)
            by_rank = sorted(likeliest.items(), key=lambda each: -each[1][1])
            names = {
                await self._name(other): value
                for other, (_, value) in by_rank[: self._likeliest]
            }
            # Different tokens may have one name: parts of a character have.
            names[name] = logprob
            self._waiting.append(Token(name, logprob, names, self._offset))
            self._offset += len(await self._text.decode([token_id]))

    def take(self, length: int, everything: bool) -> list[Token]:
        """Take the tokens that begin in what is shown of the text by now.

        Args:
            length: How many characters more are shown.
            everything: Whether to take those that add nothing to it, too.
        """
        self._shown += length
        count = sum(everything or each.offset < self._shown for each in self._waiting)
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def _name(self, token_id: int) -> str:
        return await self._tokenizer.decode(
            np.array(token_id), skip_special_tokens=False
        )


def completion_logprobs(pieces: Sequence[Piece]) -> Logprobs | None:
    """Write log probabilities as the API does, in place of MAX's own function."""
    if pieces[0].tokens is None:
        return None
    tokens = [token for piece in pieces for token in piece.tokens or []]
    return Logprobs(
        tokens=[token.name for token in tokens],
        token_logprobs=[token.logprob for token in tokens],
        top_logprobs=[token.likeliest for token in tokens],
        text_offset=[token.offset for token in tokens],
    )
