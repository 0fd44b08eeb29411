"""What may be asked of `/v1/completions`.

MAX 26.7 leaves out some of what the OpenAI API has, without a word, and answers some
mistakes with "Value error.". Both are refused here, in words.
"""

from __future__ import annotations

import json
from typing import Any

from course.serve.fields import LABELS, LARGEST_SEED, NEUTRAL, RULES, is_neutral
from course.serve.refused import RefusedError, quote, shorten, unknown_model

MOST_PROMPTS = 64


def check_completion(body: bytes, model: str) -> dict[str, Any]:
    """Check a request, and write it as MAX understands it.

    Args:
        body: What the client sent.
        model: The name of the model that is served.

    Returns:
        The request for MAX; its prompt is a list of prompts, each a text or a list of
        token IDs.

    Raises:
        RefusedError: It is no request, or asks for what cannot be done.
    """
    try:
        # A null asks for nothing, whatever the field.
        asked = {
            name: value for name, value in _read(body).items() if value is not None
        }
        request = {
            "model": _check_model(asked.pop("model", model), model),
            "prompt": _prompts(asked.pop("prompt", None)),
        }
        for name, value in asked.items():
            _check_field(name, value)
            if name in RULES:
                request[name] = value
    except RecursionError:
        raise RefusedError(
            400, "The body of the request is nested too deeply."
        ) from None
    if len(request["prompt"]) > 1 and request.get("stream"):
        raise RefusedError(400, "Only one prompt can be streamed at a time.", "prompt")
    return _in_max_words(request)


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
        # Half a character, which JSON can write and UTF-8 cannot, is in no text.
        json.dumps(request, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise RefusedError(
            400,
            "The body of the request has half a character in it (\\ud800 to \\udfff "
            "come in pairs).",
        ) from None
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise RefusedError(400, "The body of the request is not JSON.") from None
    except ValueError:
        # What Python says of a whole number with more than 4300 digits.
        raise RefusedError(
            400, "A number in the body of the request has too many digits."
        ) from None
    if not isinstance(request, dict):
        raise RefusedError(400, "The body of the request is not a JSON object.")
    return request


def _check_model(asked: object, model: str) -> str:
    if not isinstance(asked, str):
        raise RefusedError(400, f"model must be a text, not {quote(asked)}.", "model")
    if asked != model:
        raise unknown_model(asked, model)
    return model


def _prompts(prompt: object) -> list[Any]:
    """Return the prompts, each a text or a list of token IDs."""
    several = isinstance(prompt, list) and not _is_ids(prompt)
    prompts = list(prompt) if several else [prompt]  # type: ignore[call-overload]
    texts = all(isinstance(each, str) for each in prompts)
    if not texts and not all(_is_ids(each) for each in prompts):
        raise RefusedError(
            400,
            "prompt must be a text or a list of token IDs, or a list of either.",
            "prompt",
        )
    if not prompts or not all(prompts):
        raise RefusedError(
            400, "The prompt is empty: there is nothing to go on from.", "prompt"
        )
    if len(prompts) > MOST_PROMPTS:
        raise RefusedError(
            400, f"There are {len(prompts)} prompts; at most {MOST_PROMPTS}.", "prompt"
        )
    return prompts


def _is_ids(prompt: object) -> bool:
    return isinstance(prompt, list) and all(type(each) is int for each in prompt)


def _check_field(name: str, value: object) -> None:
    rule = RULES.get(name) or LABELS.get(name)
    if rule and not rule.holds(value):
        raise RefusedError(
            400, f"{name} must be {rule.words}, not {quote(value)}.", name
        )
    if name in NEUTRAL and not is_neutral(name, value):
        raise RefusedError(
            400,
            f"{name} is not supported here; leave it out, or give "
            f"{json.dumps(NEUTRAL[name])}.",
            name,
        )
    if not rule and name not in NEUTRAL:
        raise RefusedError(400, f"{shorten(name)} is not known here.", name)


def _in_max_words(request: dict[str, Any]) -> dict[str, Any]:
    if request.get("seed") == 0:
        # MAX takes 0 for no seed at all.
        request["seed"] = LARGEST_SEED
    if "logprobs" in request:
        # And for no log probabilities: `Pipeline` takes the last away again.
        request["logprobs"] += 1
    if "stream_options" in request:
        usage = request["stream_options"].get("include_usage")
        request["stream_options"] = {"include_usage": bool(usage)}
    return request
