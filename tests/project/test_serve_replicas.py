"""Several servers behind one address: every text is whole, or ends in an error."""

import contextlib
import itertools
import json
import os
import random
import re
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from string import ascii_letters

import httpx
import pytest
import torch
from transformers import GPT2LMHeadModel

from course.console import notes
from course.errors import CourseError
from course.process.child import Child
from course.process.launcher import environment
from course.serve import command
from course.serve import replicas as replicas_module
from course.serve.replicas import MISSING, Member, assert_router, share
from course.serve.server import ServeOptions
from course.skeleton import make_skeleton
from course.steps import DEMO_MODEL, ROOT, ROUTING, get_step
from tests.project.fake_worker import text_of
from tests.project.fakes import PIECES, fakes, post, stream
from tests.project.finished import finish
from tests.project.serving import Served, processes

pytest.importorskip("vllm_router", reason=MISSING)
ADMIN = (
    *("/workers", "/list_workers", "/get_loads", "/add_worker?url=http://127.0.0.1:1"),
    *("/remove_worker?url=http://127.0.0.1:1", "/flush_cache", "/metrics", "/liveness"),
)


@pytest.fixture(scope="module")
def quick():
    with fakes(policy="round_robin") as several:
        yield several


@pytest.fixture(scope="module")
def slow():
    with fakes(seconds=0.3, policy="round_robin") as several:
        yield several


def test_all_take_part(quick):
    answers = [post(quick, f"p{n}").json() for n in range(8)]
    texts = [answer["choices"][0]["text"] for answer in answers]
    assert texts == [text_of(f"p{n}", PIECES) for n in range(8)]
    assert len({answer["worker"] for answer in answers}) == 2


def test_cache_aware():
    """Prompts that begin alike go to one worker, whoever asks at the same time."""
    chance = random.Random(0)
    beginnings = ["".join(chance.choices(ascii_letters, k=600)) for _ in range(6)]
    asked = [(start, f"{start} {n}") for n in range(5) for start in beginnings]
    chance.shuffle(asked)
    answered = {start: set() for start in beginnings}
    with (
        fakes(policy="cache_aware", seconds=0.01) as several,
        ThreadPoolExecutor(4) as pool,
    ):
        answers = pool.map(lambda each: post(several, each[1]).json(), asked)
        for (start, _), answer in zip(asked, answers, strict=True):
            answered[start].add(answer["worker"])
    assert [len(workers) for workers in answered.values()] == [1] * len(beginnings)


CHOICE = "return min(near, key=lambda worker: (-worker.index.count(keys), worker.load))"


def test_readers_router(tmp_path, monkeypatch):
    """With --code steps, it is the reader's step 20 that says who answers."""
    router = get_step(ROUTING)
    finish(tmp_path, [router])
    file = tmp_path / router.skeleton.name
    assert CHOICE in file.read_text()
    file.write_text(file.read_text().replace(CHOICE, "return able[-1]"))
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    with fakes(code="steps") as several:
        answers = [post(several, f"p{n}").json() for n in range(8)]
        texts = [answer["choices"][0]["text"] for answer in answers]
        assert texts == [text_of(f"p{n}", PIECES) for n in range(8)]
        [last] = {answer["worker"] for answer in answers}
        several.kill(1)
        after = post(several, "after").json()
        assert after["choices"][0]["text"] == text_of("after", PIECES)
        assert after["worker"] != last


def test_readers_router_not_done(tmp_path, monkeypatch):
    """One sentence says so, before anything is started."""
    (tmp_path / "step_20.py").write_text(make_skeleton(get_step(ROUTING)))
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    with pytest.raises(CourseError, match="step_20"):
        assert_router("steps")


def test_streamed(quick):
    assert stream(quick, "p") == (text_of("p", PIECES), "length")


def test_reading(quick):
    health = httpx.get(f"{quick.address}/health")
    assert (health.status_code, health.json()) == (
        200,
        {"workers": dict.fromkeys(quick.workers, True)},
    )
    models = httpx.get(f"{quick.address}/v1/models").json()
    assert [each["id"] for each in models["data"]] == ["demo"]
    assert httpx.get(f"{quick.address}/v1/models/other").status_code == 404
    assert "<form" in httpx.get(quick.address).text


@pytest.mark.parametrize("path", ADMIN)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_else_is_reachable(quick, path, method):
    assert httpx.request(method, quick.address + path).status_code == 404
    assert quick.healthy() == 2


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"origin": "https://evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"content-type": "text/plain"},
    ],
)
def test_pages_from_elsewhere(quick, headers):
    answer = httpx.post(
        f"{quick.address}/v1/completions",
        headers={"content-type": "application/json", **headers},
        content=json.dumps({"prompt": "x"}),
    )
    assert answer.status_code == (415 if "content-type" in headers else 403)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"nowhere": 1}, "nowhere is not known here."),
        ({"n": 2}, "n is not supported here"),
        # This the router says, of what a worker would take.
        ({"top_k": 2**40}, "top_k"),
    ],
)
def test_refused(quick, more, words):
    answer = post(quick, **more)
    assert 400 <= answer.status_code < 500
    assert words in answer.json()["error"]["message"]


def test_a_worker_dies_in_mid_text(slow):
    """Its streams end in an error, all else is answered; it comes back by itself."""
    begun = threading.Semaphore(0)
    prompts = [f"p{n}" for n in range(4)]
    with ThreadPoolExecutor(8) as pool:
        streams = [pool.submit(stream, slow, each, begun.release) for each in prompts]
        assert all(begun.acquire(timeout=30) for _ in prompts)
        wholes = [pool.submit(post, slow, each) for each in prompts]
        slow.kill(0)
        assert slow.healthy() == 1
    ends = []
    for prompt, asked in zip(prompts, streams, strict=True):
        text, end = asked.result()
        assert text_of(prompt, PIECES).startswith(text)
        assert (text == text_of(prompt, PIECES)) == (end == "length")
        ends.append(end)
    assert set(ends) == {"length", "The worker has died; the text is not finished."}
    for prompt, asked in zip(prompts, wholes, strict=True):
        [choice] = asked.result().json()["choices"]
        assert choice["text"] == text_of(prompt, PIECES)
    slow.wait_until_ready(2, 60)
    assert len({post(slow, f"q{n}").json()["worker"] for n in range(8)}) == 2


def test_the_router_dies(quick):
    """What it has not taken waits until it is back."""
    [router] = [each for each in quick._members if each.name == "The router"]
    os.killpg(router.child.pid, signal.SIGKILL)
    answers = [post(quick, f"p{n}") for n in range(4)]
    assert [each.status_code for each in answers] == [200] * 4
    quick.wait_until_ready(2, 60)


@pytest.mark.parametrize("code", ["solutions", "steps"])
@pytest.mark.parametrize("streamed", [True, False])
def test_clients_that_leave(code, streamed, tmp_path, monkeypatch):
    """Their texts are not written any more, near or far."""
    finish(tmp_path, [get_step(ROUTING)])
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    body = json.dumps({"model": "demo", "prompt": "x", "stream": streamed}).encode()
    head = (
        "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    options = {"code": code, "policy": "round_robin"}
    with (
        fakes(seconds=2) as far,
        fakes(seconds=2, replicas=1, workers=(far.address,), **options) as several,
        contextlib.ExitStack() as clients,
    ):
        near = next(iter(several.workers))
        workers = [near, *far.workers]

        def running():
            return [len(httpx.get(f"{each}/running").json()) for each in workers]

        for _ in range(8):
            client = clients.enter_context(socket.create_connection(address(several)))
            client.sendall(head.encode() + body)
        wait_until(lambda: running()[0] and sum(running()) == 8)
        clients.close()
        wait_until(lambda: sum(running()) == 0)


def address(several):
    return several.listener.getsockname()


def wait_until(it_is_so, seconds=15):
    end = time.monotonic() + seconds
    while not it_is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


def test_what_is_printed_is_read(capsys):
    """Who prints more than a pipe holds does not stand still."""
    here = environment(PYTHONPATH=str(ROOT))
    member = Member(
        "It",
        lambda: Child("tests.project.children", "prints", variables=here),
        notes(),
    )

    def has_ended():
        member.look()
        return member.child is None

    wait_until(has_ended, 60)
    told = capsys.readouterr().err
    assert "It has died: a process ended with status 0." in told
    assert "The last that it wrote is: the end" in told


def test_growing_pause(capsys):
    """Who dies again and again is started less and less often."""
    began = []

    def start():
        began.append(time.monotonic())
        return Dead()

    member = Member("It", start, notes())
    end = time.monotonic() + 5
    while time.monotonic() < end:
        member.look()
        time.sleep(0.01)
    assert len(began) == 3  # At 0, 1 and 3 seconds; the next would be at 7.
    told = capsys.readouterr().err
    assert re.findall(r"again in (\d+) s", told) == ["1", "2", "4"]


class Dead:
    status = -signal.SIGKILL

    def hear(self, seconds):
        return []

    def with_last_line(self, what):
        return f"{what} Oh!"

    def stop(self, grace=0.0):
        pass


@pytest.mark.parametrize("replicas", range(1, 6))
def test_share(replicas):
    """No two have a core in common, unless there are fewer cores."""
    cores = sorted(os.sched_getaffinity(0))
    shares = [share(number, replicas) for number in range(replicas)]
    assert all(shares)
    if replicas <= len(cores):
        assert sorted(itertools.chain(*shares)) == cores


def test_not_installed(monkeypatch):
    monkeypatch.setattr(replicas_module.importlib.util, "find_spec", lambda name: None)
    with (
        pytest.raises(CourseError, match=r"need vllm-router, .* not installed"),
        command.replicas(ServeOptions(replicas=2, port=0), notes()),
    ):
        pass


def test_the_demo_model(demo):
    """Hugging Face's texts while a worker dies; killed itself, it leaves nobody."""
    prompts = ["Once upon a time", "The fox", "A little mouse", "It was raining"] * 4
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    expected = {prompt: greedy(model, demo, prompt) for prompt in set(prompts)}
    with Served("--replicas", "2", "--policy", "round_robin") as served:

        def text(prompt):
            answer = served.client().completions.create(
                model="demo", prompt=prompt, max_tokens=24, temperature=0
            )
            return answer.choices[0].text

        with ThreadPoolExecutor(8) as pool:
            for dies in (False, True):
                answers = [pool.submit(text, prompt) for prompt in prompts]
                if dies:
                    os.killpg(groups(served)[0], signal.SIGKILL)
                for prompt, answer in zip(prompts, answers, strict=True):
                    assert answer.result() == expected[prompt]
        end = time.monotonic() + 300
        while not all(serving(served)):
            assert time.monotonic() < end, served.log()
            served.hear(0.5)
        served.hear(0.5)
        assert "Worker 1 has died" in served.log()
        own = groups(served)
        family = [pid for pid, _, group in processes() if group in own]
        assert len(own) == 4
        os.kill(served.pid, signal.SIGKILL)
        end = time.monotonic() + 30
        while alive := {pid for pid, _, _ in processes()} & set(family):
            assert time.monotonic() < end, alive
            time.sleep(0.1)


def serving(served):
    """Of each worker whether it serves."""
    health = httpx.get(f"{served.address}/health", timeout=30)
    return health.json()["workers"].values()


def groups(served):
    """The process groups that it has started: workers, router and front, by age."""
    rows = processes()
    own = [pid for pid, parent, group in rows if parent == served.pid != group]
    return sorted(own, key=began)


def began(pid):
    """When a process began; its ID does not say, as Linux gives low ones out again."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[19])


def greedy(model, demo, prompt):
    """What Hugging Face goes on with."""
    ids = torch.tensor([demo.tokenizer.encode(prompt).ids])
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=24,
        do_sample=False,
        pad_token_id=0,
    )
    return demo.tokenizer.decode(output[0, ids.shape[1] :].tolist())
