"""Whether a request fits the model's context."""

from __future__ import annotations

from typing import Any

from max.pipelines.context.exceptions import InputError, PromptTooLongError
from max.pipelines.lib import TextTokenizer

from course.budget import tokens_that_fit
from course.errors import CourseError
from course.serve.refused import RefusedError


async def fit(request: dict[str, Any], tokenizer: TextTokenizer) -> dict[str, Any]:
    """See that the prompts of a request fit the model with what is to follow them.

    MAX itself would write less than is asked for, and a token more than the model has
    positions for after a prompt that fills it.

    Args:
        request: From `check_completion`.
        tokenizer: Of the model that is served; knows how many tokens it reads.

    Returns:
        The request, with token IDs for prompts and a number of tokens to follow.

    Raises:
        RefusedError: A prompt has token IDs that the model has not, or does not fit.
    """
    prompts = [await encode(prompt, tokenizer) for prompt in request["prompt"]]
    asked = request.get("max_tokens")
    most = [_room(len(prompt), tokenizer.max_length, asked) for prompt in prompts]
    # The default after the shortest may not fit after the others: there, MAX cuts it.
    return {**request, "prompt": prompts, "max_tokens": max(most)}


async def encode(prompt: str | list[int], tokenizer: TextTokenizer) -> list[int]:
    """The token IDs of a prompt.

    Raises:
        RefusedError: It has IDs that the model has not, or more than it reads.
    """
    try:
        return (await tokenizer.encode(prompt)).tolist()
    except PromptTooLongError as error:
        _room(error.num_tokens, error.max_length, None)
        raise
    except InputError as error:
        raise RefusedError(400, str(error), "prompt") from None


def _room(length: int, n_positions: int, asked: int | None) -> int:
    try:
        return tokens_that_fit(length, n_positions, asked, "max_tokens")
    except CourseError as error:
        param = "max_tokens" if length < n_positions else "prompt"
        raise RefusedError(400, str(error), param, "context_length_exceeded") from None
