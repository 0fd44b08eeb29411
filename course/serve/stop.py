"""Texts that end before a stop sequence.

MAX 26.7 ends a completion when a stop sequence has come, but leaves the sequence, and
sometimes a token behind it, in the text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncGenerator, Sequence

from max.pipelines.context import GenerationStatus
from max.pipelines.modeling.types import TextGenerationRequest
from max.serve.pipelines.llm import TokenGeneratorOutput, TokenGeneratorPipeline


class PipelineWithStop(TokenGeneratorPipeline):
    """MAX's pipeline from requests to texts, which it cuts at stop sequences."""

    async def next_token_chunk(
        self, request: TextGenerationRequest, *, parse_reasoning: bool = True
    ) -> AsyncGenerator[TokenGeneratorOutput, None]:
        """Hand a request to the model.

        Args:
            request: The request.
            parse_reasoning: For models that think aloud.

        Returns:
            What comes back, in pieces.
        """
        chunks = await super().next_token_chunk(
            request, parse_reasoning=parse_reasoning
        )
        stop = request.sampling_params.stop
        return self._cut(chunks, request, stop) if stop else chunks

    async def _cut(
        self,
        chunks: AsyncGenerator[TokenGeneratorOutput, None],
        request: TextGenerationRequest,
        stop: Sequence[str],
    ) -> AsyncGenerator[TokenGeneratorOutput, None]:
        held = ""
        async for chunk in chunks:
            text, held, found = split_at_stop(held + (chunk.decoded_tokens or ""), stop)
            if found:
                self.model_worker.cancel(request.request_id)
                status = GenerationStatus.END_OF_SEQUENCE
                yield dataclasses.replace(chunk, decoded_tokens=text, status=status)
                return
            if chunk.status.is_done:
                text += held
            yield dataclasses.replace(chunk, decoded_tokens=text)


def split_at_stop(text: str, stop: Sequence[str]) -> tuple[str, str, bool]:
    """Find what of a text can be shown, as in `TextStream` of step 16.

    Args:
        text: What has come and was not shown yet.
        stop: The sequences that end the text.

    Returns:
        What can be shown; what may be the beginning of a stop sequence; whether there
        was a whole one, before which the text ends.
    """
    found = [at for each in stop if (at := text.find(each)) >= 0]
    if found:
        return text[: min(found)], "", True
    keep = max(_overlap(text, each) for each in stop)
    certain = len(text) - keep
    return text[:certain], text[certain:], False


def _overlap(text: str, stop: str) -> int:
    """How much of the end of a text may be the beginning of a stop sequence."""
    lengths = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((n for n in lengths if text.endswith(stop[:n])), 0)
