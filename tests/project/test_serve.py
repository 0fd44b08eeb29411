"""`course serve` over a real connection: right answers, clear refusals, clean ends."""

import asyncio
import json
import os
import random
import re
import signal
import socket
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from course.process.child import Child
from course.process.launcher import environment
from course.serve.command import NEEDED
from course.serve.entrance import LARGEST_BODY
from course.serve.server import ServeOptions
from course.serve.stop import split_at_stop
from course.skeleton import make_skeleton
from course.steps import DEMO_MODEL, ROOT, STEPS, get_step
from tests.project.finished import finish
from tests.project.serving import COLD, Served, post, processes

# From 1 token to as many as fit with what follows them.
STORY = "Once upon a time, a clever rabbit named Bella lived in a burrow. "
PROMPTS = [
    "The",
    "Once upon a time",
    "A little fox",
    "«Bonjour», dit le chat.",
    "昔々あるところに",
    "🦊🌧️🏡 and then",
    "“Who is there?” asked the owl.",
    " two spaces",
    STORY,
    STORY * 3,
    STORY * 7,
    "\n\n",
]
NEW_TOKENS = 24


def assert_port_is_free(port):
    """Now or soon: what a killed process held is closed when its last thread ends."""
    end = time.monotonic() + 60
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                return probe.bind(("127.0.0.1", port))
            except OSError:
                assert time.monotonic() < end, f"port {port} is still open"
                time.sleep(0.1)


@pytest.fixture(scope="module")
def known(demo):
    """What Hugging Face goes on with, greedily: the text of each prompt."""
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    [end_of_text] = demo.end_of_text

    def text(prompt):
        ids = torch.tensor([demo.tokenizer.encode(prompt).ids])
        output = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            eos_token_id=end_of_text,
            pad_token_id=0,
        )
        new = output[0, ids.shape[1] :].tolist()
        return {"token_ids": new, "text": demo.tokenizer.decode(new)}

    return {prompt: text(prompt) for prompt in PROMPTS}


# Right answers


def test_like_hugging_face(complete, known):
    """All at once, of mixed lengths: token for token what Hugging Face generates."""
    ids = {"return_token_ids": True}

    def ask(prompt):
        return complete(prompt=prompt, max_tokens=NEW_TOKENS, extra_body=ids)

    with ThreadPoolExecutor(len(PROMPTS)) as pool:
        for _ in range(3):
            answers = pool.map(ask, PROMPTS)
            for prompt, answer in zip(PROMPTS, answers, strict=True):
                assert answer.choices[0].token_ids == known[prompt]["token_ids"], prompt


def test_like_course_generate(course, complete):
    """The same text as that of `course generate --greedy`."""
    for prompt in ("Once upon a time", "The"):
        command = ("generate", prompt, "--greedy", "--max-new-tokens", "40", "--json")
        expected = json.loads(course(*command).out)
        answer = complete(
            prompt=prompt, max_tokens=40, extra_body={"return_token_ids": True}
        )
        assert answer.choices[0].token_ids == expected["token_ids"]
        assert answer.choices[0].text == expected["text"]
        assert answer.usage.completion_tokens == 40
        assert answer.choices[0].finish_reason == "length"


@pytest.mark.parametrize("prompt", PROMPTS)
def test_streamed(complete, prompt):
    """The pieces of a stream make the text that comes at once otherwise."""
    whole = complete(prompt=prompt, max_tokens=NEW_TOKENS)
    events = list(
        complete(
            prompt=prompt,
            max_tokens=NEW_TOKENS,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    pieces = [event.choices[0].text for event in events if event.choices]
    reasons = [event.choices[0].finish_reason for event in events if event.choices]
    assert "".join(pieces) == whole.choices[0].text
    assert len(pieces) > 1
    assert [reason for reason in reasons if reason] == [whole.choices[0].finish_reason]
    assert events[-1].usage.completion_tokens == whole.usage.completion_tokens
    assert events[-1].usage.prompt_tokens == whole.usage.prompt_tokens


def test_several_prompts(complete, known):
    """A list of texts, or of token IDs: an answer for each, in their order."""
    texts = PROMPTS[:4]
    answer = complete(prompt=texts, max_tokens=NEW_TOKENS)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    expected = [known[prompt]["text"] for prompt in texts]
    assert [choice.text for choice in answer.choices] == expected


def test_token_ids(complete, demo, known):
    """A prompt may be token IDs."""
    ids = demo.tokenizer.encode("Once upon a time").ids
    for prompt in (ids, [ids]):
        answer = complete(prompt=prompt, max_tokens=NEW_TOKENS)
        assert answer.choices[0].text == known["Once upon a time"]["text"]


def test_tokenize(served, demo):
    """What a prompt's tokens are, as a router of vLLM asks it."""

    def ask(prompt):
        address = f"{served.address}/tokenize"
        return httpx.post(address, json={"prompt": prompt}, timeout=60)

    for prompt in (PROMPTS[0], "ünï\n 🦊"):
        ids = demo.tokenizer.encode(prompt).ids
        told = ask(prompt).json()
        assert (told["tokens"], told["count"]) == (ids, len(ids))
        assert told["max_model_len"] == demo.config.n_positions
    for prompt, reason in ((["one", "two"], "One prompt"), ("", "empty")):
        refused = ask(prompt)
        assert (refused.status_code, reason in refused.text) == (400, True)


def test_sampling(complete):
    """A seed makes a text repeatable, 0 too; without one it is another each time."""

    def text(**values):
        return complete(temperature=1, max_tokens=20, **values).choices[0].text

    for seed in (0, 1, 2**32, 2**63 - 1):
        assert text(seed=seed) == text(seed=seed)
    assert len({text(seed=seed) for seed in range(8)}) > 1
    assert len({text() for _ in range(8)}) > 1


@pytest.mark.parametrize(
    "values",
    [
        {"top_p": 1e-6},
        {"temperature": 1e-6},
        {"extra_body": {"top_k": 1}},
    ],
)
def test_nothing_left_to_chance(complete, values):
    """Where only the most likely token can be drawn, the text is the greedy one."""
    expected = complete().choices[0].text
    assert complete(**{"temperature": 1, **values}).choices[0].text == expected


@pytest.mark.parametrize(
    "values",
    [
        {"presence_penalty": 2.0},
        {"frequency_penalty": 2.0},
        {"extra_body": {"repetition_penalty": 1.5}},
    ],
)
def test_penalties(complete, values):
    """Penalties change what is written."""
    same = {"max_tokens": 60, "temperature": 1, "seed": 1}
    plain, other = complete(**same), complete(**same, **values)
    assert plain.choices[0].text != other.choices[0].text


@pytest.mark.parametrize("as_list", [False, True])
def test_stop(complete, as_list):
    """The text ends before the first stop sequence, wherever it is, even streamed."""
    whole = complete(max_tokens=40).choices[0].text
    for start in range(0, len(whole) - 8, 5):
        stop = whole[start : start + 1 + start % 8]
        expected = whole[: whole.index(stop)]
        given = ["nowhere", stop] if as_list else stop
        answer = complete(max_tokens=40, stop=given).choices[0]
        assert (answer.text, answer.finish_reason) == (expected, "stop"), stop
        events = list(complete(max_tokens=40, stop=given, stream=True))
        pieces = [event.choices[0].text for event in events]
        assert "".join(pieces) == expected, stop
        assert events[-1].choices[0].finish_reason == "stop"


def test_stop_longer_than_any_text(complete):
    """It does not come, so the text is the whole one."""
    whole = complete().choices[0].text
    assert complete(stop=["x" * 200_000, whole + "!"]).choices[0].text == whole


def test_stop_that_does_not_come(complete):
    """What looked like the beginning of a stop sequence is in the text in the end."""
    whole = complete(max_tokens=40).choices[0].text
    stop = [whole[-3:] + "☃", whole[5:9] + "☃"]
    answer = complete(max_tokens=40, stop=stop).choices[0]
    assert (answer.text, answer.finish_reason) == (whole, "length")
    events = complete(max_tokens=40, stop=stop, stream=True)
    assert "".join(event.choices[0].text for event in events) == whole


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("abc", ["b"], ("a", "", True)),
        ("abc", ["c", "b"], ("a", "", True)),
        ("abc", ["cd"], ("ab", "c", False)),
        ("abc", ["bcd", "cd"], ("a", "bc", False)),
        ("abc", ["x"], ("abc", "", False)),
        ("", ["x"], ("", "", False)),
    ],
)
def test_split_at_stop(text, stop, expected):
    """What is certain, what is held back, and whether the text has ended."""
    assert split_at_stop(text, stop) == expected


# Clear refusals


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"n": 2}, "n is not supported"),
        ({"best_of": 3}, "best_of is not supported"),
        ({"echo": True}, "echo is not supported"),
        ({"suffix": "end"}, "suffix is not supported"),
        ({"logit_bias": {"50": 1}}, "logit_bias is not supported"),
        ({"min_tokens": 3}, "min_tokens is not supported"),
        ({"temperature": 2.5}, "temperature must be a number from 0 to 2, not 2.5"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p must be a number above 0 and at most 1, not 0"),
        ({"top_p": 1.5}, "top_p"),
        ({"min_p": 0.5}, "min_p is not supported"),
        ({"top_k": -2}, "top_k"),
        ({"top_k": 1.5}, "top_k"),
        ({"max_tokens": 0}, "max_tokens must be a whole number from 1, not 0"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_tokens": True}, "max_tokens"),
        ({"max_tokens": "ten"}, "max_tokens"),
        ({"seed": -1}, "seed"),
        ({"seed": 2**63}, "seed"),
        ({"presence_penalty": 3}, "presence_penalty"),
        ({"frequency_penalty": -3}, "frequency_penalty"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"logprobs": -1}, "logprobs must be a whole number from 0 to 5, not -1"),
        ({"logprobs": True}, "logprobs"),
        ({"logprobs": 6}, "logprobs"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": 1}, "stream_options"),
        ({"stop": ""}, "stop must be"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "at most 4"),
        ({"stop": [1]}, "stop must be"),
        ({"stop": {}}, "stop must be"),
        ({"prompt": ""}, "The prompt is empty"),
        ({"prompt": []}, "The prompt is empty"),
        ({"prompt": [[]]}, "The prompt is empty"),
        ({"prompt": ["The", ""]}, "The prompt is empty"),
        ({"prompt": None}, "prompt must be"),
        ({"prompt": {"a": 1}}, "prompt must be"),
        ({"prompt": ["The", 5]}, "prompt must be"),
        ({"prompt": [True]}, "prompt must be"),
        ({"prompt": [1.5]}, "prompt must be"),
        ({"prompt": [99999]}, "Token IDs go from 0"),
        ({"prompt": [-1]}, "Token IDs go from 0"),
        ({"prompt": [10**30]}, "Token IDs go from 0"),
        ({"prompt": ["The"] * 65}, "at most 64"),
        ({"prompt": ["The", "A"], "stream": True}, "one prompt"),
        ({"prompt": "fox " * 300}, "this model reads at most 256"),
        ({"prompt": [5] * 257}, "The prompt has 257 tokens"),
        ({"prompt": [5] * 256, "max_tokens": 1}, "The prompt has 256 tokens"),
        ({"prompt": [5] * 255, "max_tokens": 2}, "max_tokens 2 does not fit"),
        ({"max_tokens": 256}, "At most 255 can follow"),
        ({"max_tokens": 10**400}, "does not fit"),
        ({"temperature": 10**400}, "temperature must be a number from 0 to 2, not 10"),
        ({"model": 5}, "model must be a text, not 5"),
        ({"user": 5}, "user must be a text, not 5"),
        ({"metadata": "me"}, "metadata must be an object"),
        ({"response_format": {"type": "json_object"}}, "response_format is not supp"),
        ({"skip_special_tokens": False}, "skip_special_tokens is not supported"),
        ({"n": True}, "n is not supported"),
        ({"tempersture": 1}, "tempersture is not known"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_refused(served, values, said, stream):
    """A status of 400 and one sentence, in the form of the OpenAI API."""
    body = {"model": "demo", "prompt": "The", "max_tokens": 4, "stream": stream}
    answer = post(served, {**body, **values})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert said in error["message"]
    assert error["type"] == "invalid_request_error"


def test_nothing_asked_for(complete):
    """Values that ask for nothing are not refused: some clients always send them."""
    plain = complete().choices[0].text
    answer = complete(
        n=1, best_of=1, echo=False, suffix=None, logit_bias={}, stop=None, user="me"
    )
    assert answer.choices[0].text == plain


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"\xff\xfe", "is not JSON"),
        (b'{"prompt": "\xff"}', "is not JSON"),
        (b"[" * 100_000, "is nested too deeply"),
        (b'{"prompt":' * 100_000, "is nested too deeply"),
        (b"9" * 100_000, "too many digits"),
        (b"null", "is not a JSON object"),
        (b"[]", "is not a JSON object"),
        (b'"The"', "is not a JSON object"),
    ],
)
def test_not_json(served, body, said):
    """What is no JSON object is refused."""
    answer = post(served, body)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"]


def test_no_numbers(served):
    """NaN and Infinity are no JSON, though Python reads them."""
    for value in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        answer = post(served, b'{"prompt": "The", "temperature": ' + value + b"}")
        assert answer.status_code == 400
        assert "temperature" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "field", ["prompt", "stop", "model", "user", "metadata", "half"]
)
def test_half_a_character(served, field):
    """JSON can write half of a surrogate pair, which is in no text."""
    for half in (r"\ud83d fox", r"fox \ude00", r"\ude00\ud83d"):
        values = {"prompt": "The", "max_tokens": 2, field: "HERE"}
        if field == "half":
            values = {"prompt": "The", "HERE": 1}
        body = json.dumps(values).replace("HERE", half)
        answer = post(served, body.encode())
        assert answer.status_code == 400
        assert "half a character" in answer.json()["error"]["message"]
    whole = json.dumps({"prompt": "The \U0001f98a \0", "max_tokens": 2})
    assert post(served, whole.encode()).status_code == 200


def test_too_large(served):
    """A body over the limit is refused, and need not be sent to the end."""
    large = {"prompt": "x" * LARGEST_BODY}
    answer = post(served, large)
    assert answer.status_code == 413
    assert str(LARGEST_BODY) in answer.json()["error"]["message"]
    in_pieces = (b"x" * 65536 for _ in range(LARGEST_BODY // 65536 + 1))
    url = served.address + "/v1/completions"
    json_ = {"content-type": "application/json"}
    answer = httpx.post(url, content=in_pieces, headers=json_, timeout=60)
    assert answer.status_code == 413


def test_model_names(served):
    """The model has one name; another is not found, and none is fine."""
    client = served.client()
    assert [model.id for model in client.models.list()] == ["demo"]
    assert client.models.retrieve("demo").id == "demo"
    with pytest.raises(openai.NotFoundError, match="demo"):
        client.models.retrieve("gpt-4")
    with pytest.raises(openai.NotFoundError, match='"demo"'):
        client.completions.create(model="gpt-4", prompt="The")
    assert post(served, {"prompt": "The", "max_tokens": 2}).status_code == 200


def test_no_chat(served):
    """GPT-2 cannot chat, and the answer says what it can."""
    messages = [{"role": "user", "content": "Hello"}]
    with pytest.raises(openai.BadRequestError, match="/v1/completions"):
        served.client().chat.completions.create(model="demo", messages=messages)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/completions", 405),
        ("OPTIONS", "/v1/completions", 405),
        ("GET", "/v1/chat/completions", 405),
        ("DELETE", "/v1/models/demo", 405),
        ("POST", "/", 405),
        ("GET", "/nowhere", 404),
        ("POST", "/v1/embeddings", 404),
        ("POST", "/v1/load_lora_adapter", 404),
        ("POST", "/v1/unload_lora_adapter", 404),
        ("POST", "/v1/responses", 404),
        ("POST", "/v1/audio/speech", 404),
        ("POST", "/invocations", 404),
        ("GET", "/metrics", 404),
        ("GET", "/max_internal/eplb_stats", 404),
        ("GET", "/openapi.json", 404),
        ("POST", "/reset_prefix_cache", 404),
        ("GET", "/../../command.py", 404),
        ("GET", "/%2e%2e/command.py", 404),
        ("GET", "/docs", 404),
        ("GET", "/%ED%A0%80", 404),
        ("GET", "/v1/models/%ED%A0%80", 404),
        ("GET", "/%00", 404),
        ("HEAD", "/", 200),
        ("HEAD", "/health", 200),
        ("GET", "/health", 200),
        ("GET", "/version", 200),
    ],
)
def test_paths(served, method, path, status):
    """What is there is there, and the rest of MAX's server is not."""
    answer = httpx.request(method, served.address + path, timeout=60)
    assert answer.status_code == status
    if status >= 400:
        assert answer.json()["error"]["message"]
    if status == 405:
        assert answer.headers["allow"]


def test_page(served):
    """The page, and the files that it asks for, with the right types."""
    page = httpx.get(served.address + "/", timeout=60)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    kinds = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    for name in re.findall(r'(?:src|href)="([\w./-]+)"', page.text):
        answer = httpx.get(f"{served.address}/{name}", timeout=60)
        assert answer.status_code == 200, name
        expected = kinds["." + name.rpartition(".")[2]]
        assert answer.headers["content-type"].startswith(expected)


# What the server says of itself


def test_loopback_only(served):
    """At its other addresses, the machine does not answer on this port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        # Sends nothing; it only asks which address this machine has.
        try:
            probe.connect(("192.0.2.1", 9))
        except OSError:
            pytest.skip("this machine has no network")
        own = probe.getsockname()[0]
    with socket.socket() as client:
        client.settimeout(10)
        assert client.connect_ex((own, served.port)) != 0


# Clients that misbehave, and many at once


def test_clients_that_vanish(served, complete, known):
    """Their texts are given up, and the others get theirs."""
    body = json.dumps({"prompt": "The", "max_tokens": 200, "stream": True}).encode()
    head = (
        b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    )
    for sent, read in [(0, 0), (5, 0), (len(body), 0), (len(body), 600)] * 6:
        with socket.create_connection(("127.0.0.1", served.port), 60) as client:
            client.sendall(head % len(body) + body[:sent])
            if read:
                assert client.recv(read)
            # Reset, as by a process that was killed.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0" * 2)
    for prompt in PROMPTS[:3]:
        answer = complete(prompt=prompt, max_tokens=NEW_TOKENS)
        assert answer.choices[0].text == known[prompt]["text"]


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.thorough)])
def test_load(served, known, seconds):
    """32 clients at once: no answer is lost, and none goes to another client."""
    end = time.monotonic() + seconds
    answered = []

    async def client(number):
        chance = random.Random(number)
        async with openai.AsyncOpenAI(
            base_url=served.base, api_key="none", max_retries=0, timeout=300
        ) as api:
            while True:
                prompt = chance.choice(PROMPTS)
                greedy = chance.random() < 0.7
                stream = chance.random() < 0.5
                answer = await api.completions.create(
                    model="demo",
                    prompt=prompt,
                    max_tokens=NEW_TOKENS,
                    temperature=0 if greedy else 1.2,
                    stream=stream,
                )
                if stream:
                    text = "".join([each.choices[0].text async for each in answer])
                else:
                    text = answer.choices[0].text
                if greedy:
                    assert text == known[prompt]["text"], prompt
                answered.append(greedy)
                if time.monotonic() > end:
                    break

    async def all_clients():
        await asyncio.gather(*(client(number) for number in range(32)))

    asyncio.run(all_clients())
    assert len(answered) >= 32
    assert any(answered)
    assert not all(answered)


# Clean ends


@pytest.mark.thorough
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ends_under_load(number):
    """Running requests end or get an error; nothing is left behind."""
    with Served() as server:
        family = server.family()
        assert len(family) > 1
        begun = []

        def ask(_):
            client = server.client()
            try:
                events = client.completions.create(
                    model="demo",
                    prompt="The fox",
                    max_tokens=200,
                    stream=True,
                    extra_body={"ignore_eos": True},
                )
                last = None
                for event in events:
                    begun.append(event)
                    last = event.choices[0].finish_reason
                return last
            except (openai.APIError, httpx.HTTPError):
                return "error"

        with ThreadPoolExecutor(12) as pool:
            answers = [pool.submit(ask, each) for each in range(12)]
            while not begun:
                time.sleep(0.01)
            server.signal(number)
            status = server.wait()
            reasons = [answer.result(timeout=120) for answer in answers]
        assert status == 0, server.log()
        assert "Traceback" not in server.log()
        assert "The server has stopped." in server.log()
        assert set(reasons) <= {"length", "error"}
        alive = {pid for pid, _, _ in processes()}
        assert not alive & set(family)
        assert_port_is_free(server.port)


@pytest.mark.thorough
def test_dies_with_its_model():
    """If the model's process dies, the server says so and ends as well."""
    with Served() as server:
        family = server.family()
        # The youngest is the model's: MAX's server starts it last.
        os.kill(max(family), signal.SIGKILL)
        assert server.wait() == 1
        assert "The server has died" in server.log()
        alive = {pid for pid, _, _ in processes()}
        assert not alive & set(family)
        assert_port_is_free(server.port)


@pytest.mark.thorough
@pytest.mark.parametrize("seconds", [0, 1])
def test_dies_while_its_model_starts(seconds):
    """One sentence says so, soon."""
    serving = ("course", "serve", "--port", "0")
    with Child(*serving, variables=environment(COLUMNS="1000")) as server:
        end = time.monotonic() + COLD
        while not (begun := models_processes(server)):
            assert time.monotonic() < end, server.log()
            server.hear(0.01)
        time.sleep(seconds)
        os.kill(begun[0], signal.SIGKILL)
        end = time.monotonic() + 30
        while not server.has_ended:
            assert time.monotonic() < end, server.log()
            server.hear(1.0)
        assert server.status == 1
        assert "The server cannot start: the process of the model" in server.log()
        assert "SIGKILL: the system stopped it" in server.log()
    alive = {pid for pid, _, _ in processes()}
    assert not alive & set(begun)


def models_processes(server):
    """The process in which MAX has the model, if there is one by now."""
    listed = subprocess.run(
        ["ps", "-A", "-ww", "-o", "pid=,ppid=,args="], capture_output=True, text=True
    ).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    servers = {pid for pid, parent, _ in rows if int(parent) == server.pid}
    return [
        int(pid)
        for pid, parent, arguments in rows
        if parent in servers and "spawn_main" in arguments
    ]


def test_killed():
    """If `course serve` itself is killed, the rest ends by itself."""
    with Served() as server:
        family = server.family()
        server.signal(signal.SIGKILL)
        server.wait()
        end = time.monotonic() + 60
        while {pid for pid, _, _ in processes()} & set(family):
            assert time.monotonic() < end, "processes are left behind"
            time.sleep(0.1)
        assert_port_is_free(server.port)


# What cannot be served


def test_port_taken(course):
    """A clear error, before minutes are spent on the model."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        ran = course("serve", "--port", port)
    assert ran.status == 1
    assert f"Port {port} is taken. Choose another with --port" in ran.err


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        (("--model", "./nowhere"), 1, "There is no directory ./nowhere"),
        (("--model", str(ROOT / "book")), 1, "has no config.json"),
        (("--host", "no.such.host.invalid"), 2, "there is no such address"),
        (("--host", "192.0.2.1"), 2, "not an address of this machine"),
        (("--device", "tpu"), 2, "--device tpu"),
        (("--code", "mine"), 2, "--code mine"),
        (("--port", "70000"), 2, "--port"),
        (("--max-batch-size", "0"), 2, "--max-batch-size"),
    ],
)
def test_bad_options(course, options, status, expected):
    """One sentence that names the value, and a non-zero exit."""
    ran = course("serve", "--port", "0", *options)
    assert ran.status == status
    assert expected in " ".join(ran.err.split())


@pytest.mark.skipif("config.getoption('--device') == 'gpu'")
def test_no_accelerator(course):
    """Without an accelerator, --device gpu says so."""
    from max.driver import accelerator_count

    if accelerator_count():
        pytest.skip("this machine has an accelerator")
    ran = course("serve", "--port", "0", "--device", "gpu")
    assert ran.status == 2
    assert "no accelerator" in ran.err


def test_unfinished_steps(course):
    """--code steps names what is not done."""
    if "CI" not in os.environ:
        pytest.skip("steps/ may have been worked on: with CI=1, it is not")
    ran = course("serve", "--port", "0", "--code", "steps")
    assert ran.status == 1
    assert "is not done yet" in ran.err


def write_steps(folder, changes=(), part_two=True):
    """Finish the reader's steps: as the solutions, but for these changes."""
    finish(folder, STEPS if part_two else map(get_step, NEEDED))
    if not part_two:
        begun = get_step(14)
        (folder / begun.skeleton.name).write_text(make_skeleton(begun))
    for number, old, new in changes:
        path = folder / get_step(number).skeleton.name
        text = path.read_text()
        assert text.count(old) == 1
        path.write_text(text.replace(old, new))


def test_finished_steps(tmp_path, monkeypatch, known):
    """--code steps serves with the reader's files: here, the solutions."""
    write_steps(tmp_path)
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    with Served("--code", "steps") as server:
        answer = server.client().completions.create(
            model="demo", prompt="The", temperature=0, max_tokens=NEW_TOKENS
        )
    assert answer.choices[0].text == known["The"]["text"]


DOUBLED = """
class Doubled(Linear):
    def forward(self, x):
        return 2 * super().forward(x)


class GPT2MultiHeadAttention("""


@pytest.mark.thorough
def test_changed_step(tmp_path, monkeypatch):
    """Without Part II, Part I is served: a change in step 07 changes the text."""
    changes = [
        (7, "class GPT2MultiHeadAttention(", DOUBLED),
        (7, "self.c_attn = Linear(", "self.c_attn = Doubled("),
    ]
    write_steps(tmp_path, changes, part_two=False)
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    assert_served_as_if(lambda block: block.attn.c_attn, 2)


@pytest.mark.thorough
def test_changed_kernel_model(tmp_path, monkeypatch):
    """With Part II, step 17 is served: a change there changes the text."""
    changed = (17, "return self.c_proj(self.c_fc(", "return -self.c_proj(self.c_fc(")
    write_steps(tmp_path, [changed])
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    assert_served_as_if(lambda block: block.mlp.c_proj, -1)


def assert_served_as_if(layer, factor):
    """The reader's steps write what the demo model would with a layer multiplied."""
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    ids = tokenizer("The little fox", return_tensors="pt").input_ids

    def text():
        made = model.generate(ids, do_sample=False, max_new_tokens=NEW_TOKENS)
        return tokenizer.decode(made[0, ids.shape[1] :], skip_special_tokens=True)

    unchanged = text()
    with torch.no_grad():
        for block in model.transformer.h:
            for parameter in layer(block).parameters():
                parameter *= factor
    with Served("--code", "steps") as server:
        answer = server.client().completions.create(
            model="demo", prompt="The little fox", temperature=0, max_tokens=NEW_TOKENS
        )
    assert answer.choices[0].text == text()
    assert answer.choices[0].text != unchanged


@pytest.mark.thorough
def test_changed_layout(tmp_path, monkeypatch):
    """The reader's lay_end_to_end is served: other positions there, another text."""
    shift = 3
    changes = [
        (
            18,
            "np.arange(text.cached, len(text)",
            f"{shift} + np.arange(text.cached, len(text)",
        )
    ]
    write_steps(tmp_path, changes)
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    prompt = tokenizer("The little fox", return_tensors="pt").input_ids

    def text(first):
        ids = prompt
        for _ in range(NEW_TOKENS):
            positions = first + torch.arange(ids.shape[1])[None]
            logits = model(ids, position_ids=positions).logits[0, -1]
            ids = torch.cat([ids, logits.argmax()[None, None]], dim=1)
        return tokenizer.decode(ids[0, prompt.shape[1] :], skip_special_tokens=True)

    with torch.no_grad():
        unchanged, shifted = text(0), text(shift)
    with Served("--code", "steps") as server:
        answer = server.client().completions.create(
            model="demo", prompt="The little fox", temperature=0, max_tokens=NEW_TOKENS
        )
    assert answer.choices[0].text == shifted
    assert answer.choices[0].text != unchanged


def test_broken_step(tmp_path, course):
    """A step that cannot be imported is an error with the reader's mistake in it."""
    write_steps(tmp_path)
    for path in tmp_path.iterdir():
        path.write_text(f"raise OSError('in {path.name}')\n" + path.read_text())
    ran = course(
        "serve", "--port", "0", "--code", "steps", COURSE_STEPS_DIR=str(tmp_path)
    )
    assert ran.status == 1
    said = " ".join(ran.err.split())
    assert (
        "step_18.py cannot be imported: OSError: in step_18.py. `course check 18`"
        in said
    )


def test_name():
    """The demo model, a directory and a hub ID: what clients call them."""
    assert ServeOptions().name == "demo"
    assert ServeOptions(model=str(DEMO_MODEL)).name == "model"
    assert ServeOptions(model="openai-community/gpt2").name == "openai-community/gpt2"
