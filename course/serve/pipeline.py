"""MAX's pipeline from requests to texts, with what MAX 26.7 leaves undone.

MAX ends a completion when a stop sequence has come, but leaves the sequence, and
sometimes a token behind it, in the text. So stop sequences are looked for here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import cast

from max.pipelines.context import GenerationStatus
from max.pipelines.lib import TextTokenizer
from max.pipelines.modeling.types import TextGenerationRequest
from max.serve.pipelines.llm import TokenGeneratorOutput, TokenGeneratorPipeline

from course.serve.logprobs import Piece, TokenReader
from course.serve.stop import split_at_stop


class Pipeline(TokenGeneratorPipeline):
    """Hands requests to the model, and ends texts and lists of tokens alike."""

    async def next_token_chunk(
        self, request: TextGenerationRequest, *, parse_reasoning: bool = True
    ) -> AsyncGenerator[TokenGeneratorOutput, None]:
        """Hand a request to the model.

        Args:
            request: The request; its prompt is token IDs.
            parse_reasoning: For models that think aloud.

        Returns:
            What comes back, in pieces.
        """
        sampling, tokenizer = request.sampling_params, self.tokenizer
        assert isinstance(tokenizer, TextTokenizer)
        if sampling.top_k >= tokenizer.tokenizer_vocab_size:
            # MAX takes memory for as many tokens as top_k says.
            sampling.top_k = -1
        # MAX would look for them too, and refuse those with more tokens than it reads.
        stop, sampling.stop = sampling.stop or [], None
        chunks = await super().next_token_chunk(
            request, parse_reasoning=parse_reasoning
        )
        reader = None
        if request.logprobs:
            prompt = cast("Sequence[int]", request.prompt)
            # See `check_completion`: one more than the client asked for.
            reader = TokenReader(tokenizer, prompt, request.logprobs - 1)
        return self._pieces(chunks, request, stop, reader)

    async def _pieces(
        self,
        chunks: AsyncGenerator[TokenGeneratorOutput, None],
        request: TextGenerationRequest,
        stop: Sequence[str],
        reader: TokenReader | None,
    ) -> AsyncGenerator[TokenGeneratorOutput, None]:
        held = ""
        async for chunk in chunks:
            text, held, found = split_at_stop(held + (chunk.decoded_tokens or ""), stop)
            status = chunk.status
            if found:
                self.model_worker.cancel(request.request_id)
                status = GenerationStatus.END_OF_SEQUENCE
            elif status.is_done:
                text += held
            tokens = None
            if reader:
                await reader.add(chunk)
                tokens = reader.take(len(text), everything=status.is_done and not found)
            yield Piece.of(chunk, decoded_tokens=text, status=status, tokens=tokens)
            if found:
                return
