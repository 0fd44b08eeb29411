"""The fields of a request for a completion, and what each may be.

The API is OpenAI's. Clients and gateways also send what vLLM and SGLang added to it,
mostly at the values that change nothing: those are accepted, and others refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

MOST_STOPS = 4
MOST_LOGPROBS = 5
LARGEST_SEED = 2**63 - 1


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
    """A number in bounds on both sides, which NaN and Infinity are not."""
    return Rule(
        f"a number {words}",
        lambda value: type(value) in {int, float} and fits(value),
    )


def _whole(words: str, fits: Callable[[int], bool]) -> Rule:
    # Not `isinstance`: true and false are whole numbers to Python.
    return Rule(
        f"a whole number {words}", lambda value: type(value) is int and fits(value)
    )


_SWITCH = Rule("true or false", lambda value: isinstance(value, bool))
_TEXT = Rule("a text", lambda value: isinstance(value, str))
_OBJECT = Rule("an object", lambda value: isinstance(value, dict))

# MAX knows the first. The second is padding, which no client misses; the third must be
# off.
_STREAM_OPTIONS = {"include_usage", "include_obfuscation", "continuous_usage_stats"}


def _is_stream_options(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() <= _STREAM_OPTIONS
        and all(each is None or isinstance(each, bool) for each in value.values())
        and not value.get("continuous_usage_stats")
    )


def _is_stop(value: Any) -> bool:
    stops = [value] if isinstance(value, str) else value
    return (
        isinstance(stops, list)
        and len(stops) <= MOST_STOPS
        and all(isinstance(each, str) and each for each in stops)
    )


# What decides on the answer.
RULES: dict[str, Rule] = {
    "max_tokens": _whole("from 1", lambda n: n >= 1),
    "temperature": _number("from 0 to 2", lambda t: 0 <= t <= 2),
    "top_p": _number("above 0 and at most 1", lambda p: 0 < p <= 1),
    "top_k": _whole("from 1, or 0 or -1 for all", lambda k: -1 <= k < 2**63),
    "presence_penalty": _number("from -2 to 2", lambda p: -2 <= p <= 2),
    "frequency_penalty": _number("from -2 to 2", lambda p: -2 <= p <= 2),
    # Beyond these, logits leave float32.
    "repetition_penalty": _number("from 0.01 to 100", lambda p: 0.01 <= p <= 100),
    "seed": _whole(f"from 0 to {LARGEST_SEED}", lambda s: 0 <= s <= LARGEST_SEED),
    "logprobs": _whole(f"from 0 to {MOST_LOGPROBS}", lambda n: 0 <= n <= MOST_LOGPROBS),
    "stop": Rule(
        f"a text or a list of at most {MOST_STOPS} texts, none of them empty", _is_stop
    ),
    "stream": _SWITCH,
    "stream_options": Rule(
        'an object such as {"include_usage": true}', _is_stream_options
    ),
    "ignore_eos": _SWITCH,
    "return_token_ids": _SWITCH,
}

# Labels for whoever runs a server; they change nothing in the answer.
LABELS: dict[str, Rule] = {
    "user": _TEXT,
    "metadata": _OBJECT,
    "service_tier": _TEXT,
    "safety_identifier": _TEXT,
    "prompt_cache_key": _TEXT,
    "request_id": _TEXT,
    "rid": _TEXT,
}

# What MAX does not do on this server: accepted at the value that asks for nothing.
NEUTRAL: dict[str, object] = {
    # OpenAI
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "logit_bias": {},
    "store": False,
    # vLLM
    "min_tokens": 0,
    "min_p": 0,
    "use_beam_search": False,
    "length_penalty": 1,
    "early_stopping": False,
    "stop_token_ids": [],
    "bad_words": [],
    "logits_processors": [],
    "skip_special_tokens": True,
    "spaces_between_special_tokens": True,
    "add_special_tokens": True,
    "include_stop_str_in_output": False,
    "return_tokens_as_token_ids": False,
    "detokenize": True,
    "response_format": {"type": "text"},
    "priority": 0,
    "vllm_xargs": {},
    # SGLang
    "no_stop_trim": False,
    "return_hidden_states": False,
    "return_routed_experts": False,
    "return_cached_tokens_details": False,
}


def is_neutral(name: str, value: object) -> bool:
    """Whether a value of a field in `NEUTRAL` asks for nothing."""
    nothing = NEUTRAL[name]
    # To Python, true equals 1.
    is_switch = isinstance(nothing, bool)
    return isinstance(value, bool) == is_switch and value == nothing
