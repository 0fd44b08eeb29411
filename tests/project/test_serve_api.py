"""`course serve` as an OpenAI API, and to whom it answers: over a real connection."""

import json
import os
import shlex
import socket
import subprocess

import httpx
import openai
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from transformers import GPT2LMHeadModel

from course.budget import DEFAULT_NEW_TOKENS
from course.serve.fields import NEUTRAL
from course.steps import DEMO_MODEL, ROOT
from tests.project.requests import bodies, requests
from tests.project.serving import Served, post

PROMPT = "Once upon a time"
# Parts of characters, and a character of several tokens.
PARTS = "🦊🌧️🏡 and then 昔々"


# Log probabilities


def choices(complete, stream, **values):
    """The one choice of an answer: whole, or put together from a stream."""
    if not stream:
        [choice] = complete(**values).choices
        return choice.text, choice.finish_reason, choice.logprobs
    events = [event.choices[0] for event in complete(**values, stream=True)]
    text, lists = "", [[], [], [], []]
    for event in events:
        text += event.text
        if event.logprobs is None:
            lists = None
            continue
        of_event = in_lists(event.logprobs)
        assert len({len(each) for each in of_event}) == 1
        for whole, part in zip(lists, of_event, strict=True):
            whole.extend(part)
    logprobs = events[0].logprobs
    if lists is not None:
        names = ("tokens", "token_logprobs", "top_logprobs", "text_offset")
        logprobs = logprobs.model_copy(update=dict(zip(names, lists, strict=True)))
    return text, events[-1].finish_reason, logprobs


def in_lists(logprobs):
    return [
        logprobs.tokens,
        logprobs.token_logprobs,
        logprobs.top_logprobs,
        logprobs.text_offset,
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_no_logprobs_unasked(complete, stream):
    for values in ({}, {"logprobs": None}, {"stop": "the"}):
        assert choices(complete, stream, **values)[2] is None


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("count", range(6))
def test_logprobs(complete, demo, count, stream):
    """Those that Hugging Face computes, of as many tokens as asked for."""
    text, _, logprobs = choices(complete, stream, logprobs=count, max_tokens=8)
    ids = demo.tokenizer.encode(PROMPT).ids
    taken = complete(max_tokens=8, extra_body={"return_token_ids": True})
    taken = taken.choices[0].token_ids
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    with torch.no_grad():
        logits = model(torch.tensor([ids + taken])).logits[0, len(ids) - 1 : -1]
    expected = logits.log_softmax(-1)
    assert logprobs.tokens == [demo.tokenizer.decode([each]) for each in taken]
    assert "".join(logprobs.tokens) == text
    for place, token in enumerate(logprobs.tokens):
        offset = logprobs.text_offset[place]
        assert text[offset : offset + len(token)] == token
        logprob = logprobs.token_logprobs[place]
        assert logprob == pytest.approx(expected[place, taken[place]].item(), abs=1e-3)
        likely = logprobs.top_logprobs[place]
        values = expected[place].topk(max(count, 1)).values.tolist()
        assert sorted(likely.values()) == pytest.approx(sorted(values), abs=1e-3)
        assert likely[token] == logprob


def test_logprobs_of_an_unlikely_token(complete):
    """It stands beside the likeliest: the API gives one more than asked for."""
    _, _, logprobs = choices(
        complete, False, logprobs=2, temperature=2, seed=3, max_tokens=20
    )
    lengths = set()
    for token, logprob, likely in zip(*in_lists(logprobs)[:3], strict=True):
        assert likely[token] == logprob
        assert len([each for each in likely.values() if each > logprob]) <= 2
        lengths.add(len(likely))
    assert lengths == {2, 3}


@pytest.mark.parametrize("prompt", [PROMPT, PARTS])
def test_logprobs_with_stop(complete, prompt):
    """Of the tokens that begin in the text, streamed or not."""
    values = {"prompt": prompt, "logprobs": 1, "max_tokens": 30, "temperature": 1.5}
    values["seed"] = 5
    whole, _, all_of = choices(complete, False, **values)
    for start in range(1, len(whole) - 4, 4):
        stop = whole[start : start + 1 + start % 7]
        expected = whole[: whole.index(stop)]
        count = sum(offset < len(expected) for offset in all_of.text_offset)
        for stream in (False, True):
            text, reason, logprobs = choices(complete, stream, stop=stop, **values)
            assert (text, reason) == (expected, "stop")
            for given_, of_whole in zip(
                in_lists(logprobs), in_lists(all_of), strict=True
            ):
                assert given_ == of_whole[:count], stop


@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_at_the_end(complete, demo, stream):
    """The token that ends a text is there, by its name, where the text ends."""
    [end] = demo.end_of_text
    values = {"prompt": "The end.", "temperature": 1, "max_tokens": 200, "logprobs": 1}
    for seed in range(20):
        text, reason, logprobs = choices(complete, stream, seed=seed, **values)
        assert len({len(each) for each in in_lists(logprobs)}) == 1
        if reason == "stop":
            assert logprobs.tokens[-1] == demo.tokenizer.id_to_token(end)
            assert logprobs.text_offset[-1] == len(text)
            return
    pytest.fail("no text of these ends")


# Fields


def test_what_changes_nothing(complete):
    """With every field that asks for nothing, the text is the same."""
    plain = complete().choices[0].text
    assert complete(extra_body=NEUTRAL).choices[0].text == plain


@pytest.mark.parametrize("stream", [False, True])
def test_as_a_gateway_sends_it(served, stream):
    """vllm-router 0.1.17 writes every completion so."""
    sent = {
        "model": "demo",
        "prompt": PROMPT,
        "max_tokens": 4,
        "temperature": 0.0,
        "stream": stream,
        "echo": False,
        "no_stop_trim": False,
        "ignore_eos": False,
        "skip_special_tokens": True,
        "return_hidden_states": False,
    }
    assert post(served, sent).status_code == 200


@pytest.mark.parametrize("top_k", [-1, 0, 1536, 10**5, 2**31 - 1, 2**62])
def test_top_k_of_all(complete, top_k):
    """As many as there are, or more: all of them, and no memory for the rest."""
    values = {"temperature": 1, "seed": 4, "max_tokens": 20}
    whole = complete(**values).choices[0].text
    assert complete(**values, extra_body={"top_k": top_k}).choices[0].text == whole


@pytest.mark.parametrize("field", ["temperature", "top_p"])
@pytest.mark.parametrize("value", [1e-7, 1e-30, 1e-45, 1e-46, 5e-324])
def test_next_to_nothing(complete, field, value):
    """Numbers that float32 does not hold: greedy, as others next to 0."""
    expected = complete().choices[0].text
    assert complete(**{"temperature": 1, field: value}).choices[0].text == expected


# The context


def test_without_max_tokens(complete, demo, course):
    """As many tokens follow as after `course generate`, and the same ones."""
    n_positions = demo.config.n_positions
    for prompt in (PROMPT, "the fox " * 60):
        expected = json.loads(course("generate", prompt, "--greedy", "--json").out)
        for max_tokens in (openai.omit, None):
            answer = complete(prompt=prompt, max_tokens=max_tokens)
            used = answer.usage
            if answer.choices[0].finish_reason == "length":
                room = n_positions - used.prompt_tokens
                assert used.completion_tokens == min(DEFAULT_NEW_TOKENS, room)
            assert used.completion_tokens == len(expected["token_ids"])
            assert answer.choices[0].text == expected["text"]


def test_to_the_last_position(complete, course, demo):
    """What fits exactly is written, and one token more is refused, by both."""
    n_positions = demo.config.n_positions
    prompt = "the fox " * 60
    length = len(demo.tokenizer.encode(prompt).ids)
    room = n_positions - length
    ids = {"extra_body": {"return_token_ids": True, "ignore_eos": True}}
    answer = complete(prompt=prompt, max_tokens=room, **ids)
    assert answer.usage.completion_tokens == room
    command = ("generate", prompt, "--greedy", "--json", "--max-new-tokens")
    expected = json.loads(course(*command, room).out)["token_ids"]
    assert answer.choices[0].token_ids[: len(expected)] == expected
    sentence = f"At most {room} can follow."
    with pytest.raises(openai.BadRequestError, match=sentence) as refused:
        complete(prompt=prompt, max_tokens=room + 1)
    assert refused.value.code == "context_length_exceeded"
    assert refused.value.param == "max_tokens"
    ran = course(*command, room + 1)
    assert ran.status == 1
    assert sentence in " ".join(ran.err.split())


def test_a_full_context(complete, course, demo):
    """A prompt that fills it leaves nothing to write, for both."""
    n_positions = demo.config.n_positions
    words = "the fox " * n_positions
    ids = demo.tokenizer.encode(words).ids[:n_positions]
    text = demo.tokenizer.decode(ids)
    assert len(demo.tokenizer.encode(text).ids) == n_positions
    sentence = f"The prompt has {n_positions} tokens, and this model reads at most"
    for prompt in (ids, text, ["The", text]):
        for max_tokens in (openai.omit, 1):
            with pytest.raises(openai.BadRequestError, match=sentence):
                complete(prompt=prompt, max_tokens=max_tokens)
    assert complete(prompt=ids[1:], max_tokens=1).usage.completion_tokens == 1
    ran = course("generate", text)
    assert ran.status == 1
    assert sentence in " ".join(ran.err.split())


def test_several_prompts_of_mixed_lengths(complete):
    """Without max_tokens, each is gone on with by what fits behind it."""
    prompts = [PROMPT, "the fox " * 60]
    answer = complete(prompt=prompts, max_tokens=None)
    alone = [complete(prompt=prompt, max_tokens=None) for prompt in prompts]
    texts = [choice.text for choice in answer.choices]
    assert texts == [each.choices[0].text for each in alone]


# Whatever is sent


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(request=requests())
def test_any_request(served, request):
    """An answer or a refusal in the form of the API, and never an error of ours."""
    assert_answered(post(served, json.dumps(request).encode()))


@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(body=bodies())
def test_any_body(served, body):
    """The same for what is no request."""
    assert_answered(post(served, body))


def assert_answered(answer):
    assert answer.status_code in {200, 400, 404}, answer.text
    if answer.status_code == 200:
        assert "error" not in answer.text
    else:
        error = answer.json()["error"]
        assert len(error["message"]) > 10
        assert error["message"] != "Value error."


# From whom


def hosts(served):
    return [f"{name}:{served.port}" for name in ("localhost", "127.0.0.1", "[::1]")]


PATHS = ["/", "/chat.js", "/v1/models", "/health", "/v1/completions", "/nowhere"]


def ask(served, path, **headers):
    """GET, or POST what is answered."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if path == "/v1/completions":
        return post(served, {"prompt": "The", "max_tokens": 1}, **headers)
    return httpx.get(served.address + path, headers=headers, timeout=60)


@pytest.mark.parametrize("path", PATHS)
def test_own_pages(served, path):
    """By every name of this machine, with what browsers send along."""
    status = 404 if path == "/nowhere" else 200
    for host in hosts(served):
        own = {"host": host, "origin": f"http://{host}"}
        assert ask(served, path, host=host).status_code == status
        assert ask(served, path, **own).status_code == status
        asked = ask(served, path, **own, sec_fetch_site="same-origin")
        assert asked.status_code == status


@pytest.mark.parametrize("path", PATHS)
def test_pages_from_elsewhere(served, path):
    """Refused before anything else is looked at, and no page may read the answer."""
    own = hosts(served)[0]
    foreign = [
        {"host": "evil.example"},
        {"host": f"evil.example:{served.port}"},
        {"host": "evil.example", "origin": "http://evil.example"},
        {"host": own, "origin": "http://evil.example"},
        {"host": own, "origin": "null"},
        {"host": own, "origin": "http://localhost:1"},
        {"host": own, "sec_fetch_site": "cross-site"},
    ]
    for headers in foreign:
        answer = ask(served, path, **headers)
        assert answer.status_code == 403, headers
        assert answer.json()["error"]["message"]
        assert not [name for name in answer.headers if "access-control" in name]


@pytest.mark.parametrize(
    ("version", "hosts", "status"),
    [
        ("1.1", ["localhost"], 200),
        ("1.1", [], 400),
        ("1.1", ["localhost", "evil.example"], 400),
        ("1.1", ["evil.example", "localhost"], 400),
        ("1.0", ["localhost"], 200),
        ("1.0", [], 403),
        ("1.0", ["evil.example"], 403),
    ],
)
def test_host_is_one(served, version, hosts, status):
    """Not none, and not two of which one is looked at and the other meant."""
    lines = [f"GET /v1/models HTTP/{version}", *(f"Host: {host}" for host in hosts)]
    with socket.create_connection(("127.0.0.1", served.port), 60) as client:
        client.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        first = client.makefile("rb").readline().split()
    assert int(first[1]) == status


def test_websocket(served):
    """There is none, for no page."""
    upgrade = {
        "connection": "Upgrade",
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    for path in ("/v1/completions", "/nowhere"):
        answer = httpx.get(served.address + path, headers=upgrade, timeout=60)
        assert answer.status_code in {403, 404, 405}


def test_preflight(served):
    """A browser that asks whether a page from elsewhere may ask is told no."""
    headers = {
        "origin": "http://evil.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type",
    }
    url = served.address + "/v1/completions"
    answer = httpx.options(url, headers=headers, timeout=60)
    assert answer.status_code == 403
    assert not [name for name in answer.headers if "access-control" in name]


@pytest.mark.parametrize(
    "kind",
    [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "text/plain; application/json",
    ],
)
def test_not_declared_as_json(served, kind):
    """What any page may post without asking is no request."""
    body = b'{"prompt": "The", "max_tokens": 1}'
    answer = post(served, body, **{"content-type": kind})
    assert answer.status_code == 415
    assert "Content-Type: application/json" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "kind", ["application/json; charset=utf-8", "Application/JSON", "application/json;"]
)
def test_declared_as_json(served, kind):
    body = b'{"prompt": "The", "max_tokens": 1}'
    assert post(served, body, **{"content-type": kind}).status_code == 200


def test_not_in_a_frame(served):
    """No page from elsewhere can show this one within itself."""
    policy = httpx.get(served.address + "/").headers["content-security-policy"]
    assert policy == "frame-ancestors 'none'"


# A model with a name and defaults of its own, open to a network


NAME = 'it\'s "a" $HOME :cat: é'
DEFAULTS = {
    "do_sample": False,
    "top_p": 1e-6,
    "top_k": 3,
    "repetition_penalty": 1.5,
    "max_new_tokens": 3,
    "min_new_tokens": 150,
}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """The demo model under another name, with a generation_config.json."""
    folder = tmp_path_factory.mktemp("models") / NAME
    folder.mkdir()
    for path in DEMO_MODEL.iterdir():
        if path.name != "generation_config.json":
            (folder / path.name).symlink_to(path)
    # Without its end, a text would not have one.
    own = json.loads((DEMO_MODEL / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(own | DEFAULTS))
    with Served("--model", str(folder), "--host", "0.0.0.0") as server:
        yield server


def texts(other, **values):
    """What some seeds write."""
    client = other.client()
    answers = [
        client.completions.create(
            model=NAME, prompt=PROMPT, seed=seed, max_tokens=20, **values
        )
        for seed in range(1, 6)
    ]
    return {answer.choices[0].text for answer in answers}


@pytest.mark.thorough
def test_request_beats_generation_config(other, complete):
    """Only the request says how tokens are chosen, as with `course generate`."""
    plain = complete(max_tokens=20).choices[0].text
    assert texts(other, temperature=0) == {plain}
    drawn = {
        complete(max_tokens=20, temperature=1, seed=seed).choices[0].text
        for seed in range(1, 6)
    }
    assert len(drawn) > 1
    assert texts(other, temperature=1) == drawn
    assert texts(other) == drawn


def test_length_is_not_of_generation_config(other, complete):
    """200 tokens or what fits, as with `course generate`, and the end ends it."""
    answer = other.client().completions.create(model=NAME, prompt=PROMPT, temperature=0)
    expected = complete(max_tokens=None)
    assert answer.choices[0].text == expected.choices[0].text


def test_printed_line(served, other):
    """It works when it is pasted, whatever the name and the proxy."""
    dead = "http://127.0.0.1:9"
    proxies = dict.fromkeys(
        ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"), dead
    )
    for server in (served, other):
        lines = server.log().splitlines()
        [line] = [each for each in lines if each.startswith("curl ")]
        ran = subprocess.run(
            ["bash", "-c", line],
            env={**os.environ, **proxies, "NO_PROXY": "", "no_proxy": ""},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        answer = json.loads(ran.stdout)
        assert answer["choices"][0]["text"]
        assert answer["model"] in {"demo", NAME}
    assert f"The model {NAME} is at http://127.0.0.1:{other.port}/v1" in other.log()
    assert "Everyone who can reach this machine can use it." in other.log()


def test_line_of_the_readme(served):
    """The README's line is the printed one, on the port that it is for."""
    [line] = [each for each in served.log().splitlines() if each.startswith("curl ")]
    text = (ROOT / "README.md").read_text().replace("\\\n", " ")
    [shown] = [each for each in text.splitlines() if each.startswith("curl ")]
    assert shlex.split(shown) == shlex.split(line.replace(f":{served.port}/", ":8000/"))


def test_open_to_a_network(other):
    """Whoever reaches it may use it by any name; pages of another origin may not."""
    name = f"writer.example:{other.port}"
    assert ask(other, "/v1/models", host=name).status_code == 200
    assert ask(other, "/v1/completions", host=name).status_code == 200
    own = {"host": name, "origin": f"http://{name}"}
    assert ask(other, "/v1/completions", **own).status_code == 200
    foreign = {"host": name, "origin": "http://evil.example"}
    assert ask(other, "/v1/completions", **foreign).status_code == 403
