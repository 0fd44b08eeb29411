"""Servers on other machines: what is cut off is given up, and comes back."""

import contextlib
import io
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from course.errors import CourseError, Misuse
from course.process.ports import HOST, free_ports
from course.serve import others
from course.serve.command import replicas
from course.serve.others import meet
from course.serve.replicas import MISSING
from course.serve.server import ServeOptions
from course.steps import ROUTING, get_step
from tests.project.fake_worker import start_fake, text_of
from tests.project.fakes import PIECES, fakes, post, stream
from tests.project.finished import finish
from tests.project.hosts import Host

pytest.importorskip("vllm_router", reason=MISSING)
BOUND = 45
"""Within how many seconds somebody answers, and a text that stands still has ended.

A kernel would wait for a quarter of an hour.
"""


@contextlib.contextmanager
def elsewhere(seconds, **options):
    """Two hosts, each with a fake, and the address in front of them."""
    with Host(0) as one, Host(1) as other, contextlib.ExitStack() as stack:
        workers = []
        for host in (one, other):
            with host.bound(8000) as bound:
                fake = start_fake(bound, [], pieces=PIECES, seconds=seconds)
            stack.enter_context(fake)
            workers.append(f"http://{host.address}:8000")
        options = {"replicas": 0, "workers": tuple(workers), **options}
        yield one, stack.enter_context(fakes(**options))


@pytest.fixture(scope="module")
def worker():
    """A fake of this machine, and its URL."""
    with socket.socket() as bound:
        bound.bind((HOST, 0))
        url = f"http://{HOST}:{bound.getsockname()[1]}"
        fake = start_fake(bound, [], pieces=PIECES)
    with fake:
        meet([url], "demo", 0, Console(quiet=True))
        yield url


def not_listening():
    [port] = free_ports(1)
    return f"http://{HOST}:{port}"


def told(*arguments):
    """What `meet` returns, and says."""
    said = io.StringIO()
    able = meet(*arguments, Console(file=said, width=1000))
    return able, said.getvalue()


def test_all_answer(worker):
    """Nothing is waited for, and nothing said but that it is tried."""
    able, said = told([worker], "demo", 0)
    assert (able, said) == (1, f"waiting for {worker} …\n")


@pytest.mark.parametrize("own", [0, 1])
def test_one_does_not_answer(worker, monkeypatch, own):
    """The others go on without it, and it is named."""
    monkeypatch.setattr(others, "PATIENCE", 0.5)
    absent = not_listening()
    able, said = told([absent, worker], "demo", own)
    assert able == 1
    assert f"{absent} does not answer. Texts go to the others" in said
    assert f"{worker} does not answer" not in said


def test_none_answers(monkeypatch):
    """One sentence, with what to do."""
    monkeypatch.setattr(others, "LONGEST", 0.5)
    absent = not_listening()
    with pytest.raises(CourseError, match=f"no answer from {absent} in .*curl"):
        told([absent], "demo", 0)


def test_another_model(worker):
    """Texts of two models under one name would be wrong without a word."""
    with pytest.raises(CourseError, match=f"{worker} serves demo, and not gpt2"):
        told([worker], "gpt2", 1)


def test_comes_later(worker, monkeypatch):
    """Who is absent at the start takes part as soon as it is there."""
    monkeypatch.setattr(others, "PATIENCE", 0.5)
    absent = not_listening()
    with fakes(replicas=0, workers=(absent, worker), policy="round_robin") as several:
        assert several.healthy() == 1
        with socket.socket() as bound:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((HOST, int(absent.rpartition(":")[2])))
            late = start_fake(bound, [], pieces=PIECES)
        with late:
            several.wait_until_ready(2, 60)
            answers = [post(several, f"q{n}").json() for n in range(8)]
            assert len({answer["worker"] for answer in answers}) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"workers": ("10.0.0.2:8000",)}, "--worker 10.0.0.2:8000: not a URL"),
        ({"workers": ("http://",)}, "not a URL"),
        ({"workers": ("ftp://10.0.0.2",)}, "not a URL"),
        ({"replicas": 0}, "--replicas 0 starts no server here"),
    ],
)
def test_nobody_to_ask(options, said):
    """What cannot be is refused before anything is done."""
    with pytest.raises(Misuse, match=said):
        ServeOptions(**options)


def test_itself():
    """A server that asked itself would do nothing else."""
    [port] = free_ports(1)
    options = ServeOptions(port=port, workers=(f"http://{HOST}:{port}",))
    with (
        pytest.raises(Misuse, match="this server's own address"),
        replicas(options, Console(quiet=True)),
    ):
        pass


@pytest.mark.parametrize("code", ["solutions", "steps"])
def test_cut_off(code, tmp_path, monkeypatch):
    """One of two says nothing any more, for ten seconds and longer, under load."""
    finish(tmp_path, [get_step(ROUTING)])
    monkeypatch.setenv("COURSE_STEPS_DIR", str(tmp_path))
    begun = threading.Semaphore(0)

    def streamed(prompt):
        text, end = stream(several, prompt, begun.release)
        return prompt, text, end, time.monotonic()

    def whole(prompt):
        began = time.monotonic()
        [choice] = post(several, prompt).json()["choices"]
        assert choice["text"] == text_of(prompt, PIECES)
        return time.monotonic() - began

    prompts = [f"p{n}" for n in range(6)]
    with (
        elsewhere(0.5, code=code, policy="round_robin") as (host, several),
        ThreadPoolExecutor(16) as pool,
    ):
        streams = [pool.submit(streamed, each) for each in prompts]
        under_way = [pool.submit(whole, each) for each in prompts]
        assert all(begun.acquire(timeout=30) for _ in prompts)
        host.unplug()
        cut = time.monotonic()
        while time.monotonic() - cut < 10:
            assert whole("meanwhile") < BOUND
        ends = set()
        for prompt, text, end, when in (one.result() for one in streams):
            assert text_of(prompt, PIECES).startswith(text)
            assert (text == text_of(prompt, PIECES)) == (end == "length")
            assert when - cut < BOUND
            ends.add(end)
        assert len(ends) == 2, ends
        assert all(one.result() < BOUND for one in under_way)
        assert several.healthy() == 1
        host.plug_in()
        several.wait_until_ready(2, 60)
        answers = list(pool.map(lambda n: post(several, f"q{n}").json(), range(8)))
        assert len({answer["worker"] for answer in answers}) == 2
