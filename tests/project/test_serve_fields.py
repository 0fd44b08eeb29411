"""What `/v1/completions` takes, and from whom: the rules by themselves, no server."""

import json
import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.provisional import domains
from starlette.datastructures import Headers

from course.serve.completion import check_completion
from course.serve.fields import LABELS, NEUTRAL, RULES
from course.serve.guard import assert_same_origin, is_local, is_same
from course.serve.refused import RefusedError
from tests.project.requests import bodies, requests

MODEL = "demo"


def checked(values):
    """What MAX is handed, beside the prompt and the model."""
    body = json.dumps({"prompt": "The", **values}).encode()
    request = check_completion(body, MODEL)
    assert request.pop("prompt") == ["The"]
    assert request.pop("model") == MODEL
    return request


# Fields

# What clients of OpenAI, vLLM and SGLang send with its harmless value.
HARMLESS = {
    # OpenAI
    "n": 1,
    "best_of": 1,
    "echo": False,
    "suffix": "",
    "logit_bias": {},
    "stop": None,
    "seed": None,
    "logprobs": None,
    "user": "me",
    "metadata": {"a": "b"},
    "store": False,
    "service_tier": "auto",
    "stream_options": None,
    "safety_identifier": "me",
    "prompt_cache_key": "me",
    # vLLM
    "min_p": 0.0,
    "min_tokens": 0,
    "use_beam_search": False,
    "length_penalty": 1.0,
    "early_stopping": False,
    "stop_token_ids": [],
    "bad_words": [],
    "include_stop_str_in_output": False,
    "skip_special_tokens": True,
    "spaces_between_special_tokens": True,
    "add_special_tokens": True,
    "detokenize": True,
    "truncate_prompt_tokens": None,
    "allowed_token_ids": None,
    "prompt_logprobs": None,
    "response_format": {"type": "text"},
    "guided_json": None,
    "guided_regex": None,
    "guided_choice": None,
    "guided_grammar": None,
    "guided_decoding_backend": None,
    "guided_whitespace_pattern": None,
    "structured_outputs": None,
    "logits_processors": None,
    "return_tokens_as_token_ids": None,
    "cache_salt": None,
    "kv_transfer_params": None,
    "vllm_xargs": None,
    "priority": 0,
    "request_id": "5f2c",
    # SGLang
    "no_stop_trim": False,
    "regex": None,
    "ebnf": None,
    "json_schema": None,
    "lora_path": None,
    "session_params": None,
    "return_hidden_states": False,
    "rid": "5f2c",
    "bootstrap_host": None,
    "data_parallel_rank": None,
}


@pytest.mark.parametrize("name", HARMLESS)
def test_harmless(name):
    """Accepted, and nothing of it reaches MAX."""
    assert checked({name: HARMLESS[name]}) == {}


def test_all_harmless():
    """As a gateway sends them."""
    assert checked({**HARMLESS, "temperature": 0}) == {"temperature": 0}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("store", True),
        ("use_beam_search", True),
        ("length_penalty", 0.8),
        ("stop_token_ids", [5]),
        ("bad_words", ["fox"]),
        ("include_stop_str_in_output", True),
        ("skip_special_tokens", False),
        ("add_special_tokens", False),
        ("truncate_prompt_tokens", 5),
        ("allowed_token_ids", [5]),
        ("prompt_logprobs", 0),
        ("response_format", {"type": "json_object"}),
        ("guided_regex", "a+"),
        ("guided_choice", ["a", "b"]),
        ("structured_outputs", {"regex": "a+"}),
        ("priority", 1),
        ("no_stop_trim", True),
        ("return_hidden_states", True),
        ("regex", "a+"),
        ("lora_path", "an/adapter"),
        ("n", 1.5),
        ("n", True),
        ("echo", 0),
        ("min_p", False),
        ("min_tokens", "0"),
        ("user", 5),
        ("metadata", []),
        ("max_completion_tokens", 5),
        ("messages", []),
        ("thinking_temperature", 1),
        ("target_endpoint", "elsewhere"),
        ("dkv_cache_hint", {}),
        ("", 1),
    ],
)
def test_harmful(name, value):
    """Refused, with the name of the field."""
    with pytest.raises(RefusedError, match=r"is not|must be") as refused:
        checked({name: value})
    assert refused.value.status == 400
    assert refused.value.param == name
    assert name in refused.value.message


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"include_usage": False}),
        ({"include_usage": True}, {"include_usage": True}),
        ({"include_usage": None}, {"include_usage": False}),
        (
            {"include_usage": True, "include_obfuscation": False},
            {"include_usage": True},
        ),
        ({"continuous_usage_stats": False}, {"include_usage": False}),
        ({"continuous_usage_stats": True}, None),
        ({"include_usage": 1}, None),
        ({"usage": True}, None),
        ([], None),
    ],
)
def test_stream_options(options, expected):
    """Those that ask for nothing else than a last event with the usage."""
    values = {"stream": True, "stream_options": options}
    if expected is None:
        with pytest.raises(RefusedError, match="stream_options must be"):
            checked(values)
    else:
        assert checked(values)["stream_options"] == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-be"])
def test_encodings(encoding):
    """Those that Python's parser knows."""
    body = json.dumps({"prompt": "Ünïcode 🦊"}, ensure_ascii=False).encode(encoding)
    assert check_completion(body, MODEL)["prompt"] == ["Ünïcode 🦊"]


def test_a_name_twice():
    """The last one counts, and only that one is handed on."""
    body = b'{"prompt": "The", "n": 2, "prompt": "A", "n": 1}'
    assert check_completion(body, MODEL) == {"model": MODEL, "prompt": ["A"]}


@pytest.mark.parametrize("digits", [309, 400, 4300, 4301, 10_000])
@pytest.mark.parametrize("name", ["prompt", "n", "user", "nowhere", *RULES])
def test_numbers_of_many_digits(digits, name):
    """No float holds them, and Python itself reads at most 4300 digits."""
    value = "[" + "9" * digits + "]" if name == "prompt" else "9" * digits
    body = f'{{"prompt": "The", "{name}": {value}}}'.encode()
    if digits <= 4300 and name in {"prompt", "max_tokens"}:
        # What follows knows how many tokens there are.
        assert check_completion(body, MODEL)
        return
    with pytest.raises(RefusedError) as refused:
        check_completion(body, MODEL)
    assert refused.value.status == 400
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("depth", [10, 100, 900, 980, 990, 1000, 5000, 100_000])
@pytest.mark.parametrize("kind", ["[]", '{"":}'])
def test_nesting(depth, kind):
    """Deep within a field, to where Python's parser gives up and on."""
    inside = kind[:-1] * depth + "0" + kind[-1] * depth
    for name in ("prompt", "user", "logit_bias", "nowhere"):
        with pytest.raises(RefusedError) as refused:
            check_completion(f'{{"{name}": {inside}}}'.encode(), MODEL)
        assert refused.value.status == 400
        assert refused.value.response().body


def outcome(body):
    """What MAX would be handed, or the refusal."""
    try:
        return check_completion(body, MODEL)
    except RefusedError as refused:
        return refused


def assert_answered(body):
    """A request that MAX takes, or a refusal in the form of the API."""
    from max.serve.schemas.openai import CreateCompletionRequest

    request = outcome(body)
    if isinstance(request, RefusedError):
        assert request.status in {400, 404}
        error = json.loads(request.response().body)["error"]
        assert 0 < len(error["message"]) < 400
        assert error["type"] == "invalid_request_error"
        return
    assert request.keys() <= {"model", "prompt", *RULES}
    # As MAX reads it, once it is known which tokens there are and how many.
    again = json.loads(json.dumps(request, allow_nan=False))
    assert again == request
    assert again.pop("max_tokens", 1) >= 1
    if all(abs(each) < 2**63 for prompt in again["prompt"] for each in ids(prompt)):
        CreateCompletionRequest.model_validate(again)


def ids(prompt):
    return prompt if isinstance(prompt, list) else []


@settings(max_examples=600)
@given(bodies())
@example(b"\xed\xa0\x80")
@example(b'"\xed\xa0\x80"')
@example('{"prompt": "\ud83d"}'.encode("utf-16", "surrogatepass"))
def test_any_body(body):
    assert_answered(body)


@settings(max_examples=1000)
@given(requests())
def test_any_request(request):
    assert_answered(json.dumps(request).encode())


@settings(max_examples=500)
@given(st.sampled_from([*RULES, *LABELS, *NEUTRAL]), st.floats() | st.integers())
def test_any_number(name, number):
    """What is no number to JSON never gets through."""
    request = outcome(json.dumps({"prompt": "The", name: number}).encode())
    if isinstance(request, RefusedError):
        assert request.param == name
    else:
        assert math.isfinite(request.get(name, 0))


# From whom


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "localhost:8000",
        "LOCALHOST:8000",
        "localhost.",
        "localhost.:8000",
        "app.localhost:8000",
        "127.0.0.1",
        "127.0.0.1:8000",
        "127.1.2.3",
        "[::1]",
        "[::1]:8000",
        "[0:0:0:0:0:0:0:1]:8000",
        "[::1%lo]:8000",
        "[::ffff:127.0.0.1]:8000",
    ],
)
def test_local(host):
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        ":8000",
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "evil-localhost",
        "xlocalhost",
        "localhost..",
        "127.0.0.1.evil.example",
        "127.0.0.1.nip.io:8000",
        "192.168.0.1:8000",
        "0.0.0.0:8000",
        "128.0.0.1",
        "127.0.0.256",
        "[::2]:8000",
        "[fe80::1%eth0]:8000",
        "[::ffff:10.0.0.1]",
        "::1",
        "[::1",
        "[localhost]@evil.example",
        "localhost@evil.example",
        "evil.example@localhost",
        "localhost/evil",
        "localhost evil.example",
        "localhost:80:80",
        "localhost:x",
        "localhost\n",
        "ʟocalhost",
        "l\u043ecalhost",
    ],
)
def test_not_local(host):
    assert not is_local(host)


@settings(max_examples=100)
@given(domains(), st.integers(0, 65535))
def test_no_domain_is_local(domain, port):
    """Whoever can buy a name cannot have this machine's."""
    assert not is_local(f"{domain}:{port}")
    assert not is_local(f"127.0.0.1.{domain}:{port}")


@settings(max_examples=100)
@given(domains(), domains(), st.integers(1, 65535), st.integers(1, 65535))
def test_same(domain, other, port, other_port):
    """A page's own server, and no other name or port."""
    assert is_same(f"http://{domain}:{port}", f"{domain.upper()}:{port}")
    assert is_same(f"https://{domain}", domain)
    one, two = (domain.lower(), port), (other.lower(), other_port)
    same = is_same(f"http://{domain}:{port}", f"{other}:{other_port}")
    assert same == (one == two)


@pytest.mark.parametrize(
    ("origin", "host", "expected"),
    [
        ("http://localhost:8000", "localhost:8000", True),
        ("http://127.0.0.1:8000", "127.0.0.1:8000", True),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://localhost", "localhost:80", True),
        ("https://writer.example", "writer.example", True),
        ("http://localhost:3000", "localhost:8000", False),
        ("http://localhost:8000", "127.0.0.1:8000", False),
        ("http://localhost", "localhost:8000", False),
        ("http://evil.example:8000", "localhost:8000", False),
        ("http://localhost:8000.evil.example", "localhost:8000", False),
        ("null", "localhost:8000", False),
        ("", "localhost:8000", False),
        ("file://", "localhost:8000", False),
        ("chrome-extension://abc", "localhost:8000", False),
        ("http://localhost:99999", "localhost:99999", False),
        ("http://[::1", "[::1", False),
    ],
)
def test_origin(origin, host, expected):
    assert is_same(origin, host) == expected


def is_allowed(**headers):
    raw = [(name.replace("_", "-"), value) for name, value in headers.items()]
    try:
        assert_same_origin(Headers(dict(raw)))
    except RefusedError:
        return False
    return True


def test_what_browsers_say():
    """Sec-Fetch-Site, where a browser sends it, else Origin."""
    host, evil = "localhost:8000", "http://evil.example"
    assert is_allowed(host=host)
    assert is_allowed(host=host, origin=f"http://{host}")
    assert is_allowed(host=host, sec_fetch_site="none")
    # The page itself, behind a proxy that does not pass on its name.
    assert is_allowed(
        host=host, sec_fetch_site="same-origin", origin="https://a.example"
    )
    assert not is_allowed(host=host, origin=evil)
    for site in ("cross-site", "same-site", "what-will-come"):
        assert not is_allowed(host=host, sec_fetch_site=site)
        assert not is_allowed(host=host, sec_fetch_site=site, origin=evil)
        asked = {"host": host, "sec_fetch_site": site, "sec_fetch_mode": "navigate"}
        # A link to the page; no frame, and no form.
        assert is_allowed(**asked, sec_fetch_dest="document")
        assert not is_allowed(**asked, sec_fetch_dest="iframe")
        assert not is_allowed(**asked, sec_fetch_dest="document", origin=evil)
