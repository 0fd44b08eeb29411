"""What may be asked of `/v1/completions`.

MAX 26.7 leaves out some of what the OpenAI API has, without a word, and answers some
mistakes with "Value error.". Both are refused here, in words.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_PROMPTS = 64
MOST_STOPS = 4
LARGEST_SEED = 2**63 - 1

# What MAX knows of and leaves out: refused, unless it asks for nothing.
LEFT_OUT: dict[str, object] = {
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "logit_bias": {},
    "min_tokens": 0,
    "min_p": 0,
}


class RefusedError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: The HTTP status.
        message: What is wrong with it, for whoever wrote the client.
        param: The field that is wrong, if it is one.
        code: A word for programs, if the OpenAI API has one.
    """

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str = ""
    ) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code or None

    def body(self) -> dict[str, Any]:
        """The error as the OpenAI API writes it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind}
        return {"error": {**error, "param": self.param, "code": self.code}}


@dataclass(frozen=True)
class Rule:
    """What a field may be.

    Attributes:
        words: The rule, to go on with "temperature must be".
        holds: Whether a value keeps it.
    """

    words: str
    holds: Callable[[Any], bool]


def _number(words: str, fits: Callable[[float], bool]) -> Rule:
    return Rule(
        f"a number {words}",
        lambda value: (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            and math.isfinite(value)
            and fits(value)
        ),
    )


def _whole(words: str, fits: Callable[[int], bool]) -> Rule:
    return Rule(
        f"a whole number {words}",
        # Not `isinstance`: true and false are whole numbers to Python.
        lambda value: type(value) is int and fits(value),
    )


_SWITCH = Rule("true or false", lambda value: isinstance(value, bool))

RULES: dict[str, Rule] = {
    "max_tokens": _whole("from 1", lambda n: 1 <= n < 2**31),
    "temperature": _number("from 0 to 2", lambda t: 0 <= t <= 2),
    "top_p": _number("above 0 and at most 1", lambda p: 0 < p <= 1),
    "top_k": _whole("from 1, or 0 for all", lambda k: 0 <= k < 2**31),
    "presence_penalty": _number("from -2 to 2", lambda p: -2 <= p <= 2),
    "frequency_penalty": _number("from -2 to 2", lambda p: -2 <= p <= 2),
    "repetition_penalty": _number("above 0", lambda p: 0 < p <= 100),
    "seed": _whole(f"from 0 to {LARGEST_SEED}", lambda s: 0 <= s <= LARGEST_SEED),
    "logprobs": _whole("from 1 to 5", lambda n: 1 <= n <= 5),
    "stream": _SWITCH,
    "stream_options": Rule(
        'an object such as {"include_usage": true}',
        lambda value: (
            isinstance(value, dict)
            and value.keys() <= {"include_usage", "include_obfuscation"}
            and all(isinstance(each, bool) for each in value.values())
        ),
    ),
    "ignore_eos": _SWITCH,
    "return_token_ids": _SWITCH,
    "user": Rule("a text", lambda value: isinstance(value, str)),
}


def check_completion(body: bytes, model: str) -> bytes:
    """Check a request, and write it as MAX understands it.

    Args:
        body: What the client sent.
        model: The name of the model that is served.

    Returns:
        The request for MAX: JSON.

    Raises:
        RefusedError: It is no request, or asks for what cannot be done.
    """
    request = {name: value for name, value in _read(body).items() if value is not None}
    _check_model(request.setdefault("model", model), model)
    prompts = _prompts(request.get("prompt"))
    for name, nothing in LEFT_OUT.items():
        if request.pop(name, nothing) != nothing:
            raise RefusedError(
                400,
                f"{name} is not supported here; leave it out, or give "
                f"{json.dumps(nothing)}.",
                name,
            )
    for name, value in request.items():
        _check_field(name, value)
    if len(prompts) > 1 and request.get("stream"):
        raise RefusedError(400, "Only one prompt can be streamed at a time.", "prompt")
    if "stop" in request:
        request["stop"] = _stops(request["stop"])
    if request.get("seed") == 0:
        # MAX takes 0 for no seed at all.
        request["seed"] = LARGEST_SEED
    return json.dumps(request).encode()


def _read(body: bytes) -> dict[str, Any]:
    try:
        request = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedError(400, "The body of the request is not JSON.") from None
    if not isinstance(request, dict):
        raise RefusedError(400, "The body of the request is not a JSON object.")
    return request


def _check_model(asked: object, model: str) -> None:
    if asked != model:
        raise RefusedError(
            404,
            f"There is no model {json.dumps(asked)} here; the one that is served is "
            f"{json.dumps(model)}.",
            "model",
            "model_not_found",
        )


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
    if name in {"model", "prompt", "stop"}:
        return
    if name not in RULES:
        raise RefusedError(400, f"{name} is not known here.", name)
    rule = RULES[name]
    if not rule.holds(value):
        raise RefusedError(
            400, f"{name} must be {rule.words}, not {json.dumps(value)}.", name
        )


def _stops(stop: object) -> list[str]:
    stops = [stop] if isinstance(stop, str) else stop
    if (
        not isinstance(stops, list)
        or len(stops) > MOST_STOPS
        or not all(isinstance(each, str) and each for each in stops)
    ):
        raise RefusedError(
            400,
            f"stop must be a text or a list of at most {MOST_STOPS} texts, none of "
            "them empty.",
            "stop",
        )
    return stops
