"""The address behind which step 20's router hands requests on, over HTTP."""

import asyncio
import contextlib
import time

import httpx
import pytest

from course.check.loading import load_solution
from course.process.ports import HOST
from course.serve.routing import Front, prompt_of

PIECES = [b"data: one\n\n", b"data: two\n\n", b"data: three\n\n"]
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


@contextlib.asynccontextmanager
async def worker(*, dies_after=None, status=b"200 OK"):
    """A server that answers piece by piece, and may hang up; its URL."""

    async def answer(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        _, _, length = head.partition(b"content-length:")
        await reader.readexactly(int(length.split(b"\r\n")[0] or 0))
        if dies_after != 0:
            writer.write(HEAD.replace(b"200 OK", status))
        for piece in PIECES[:dies_after]:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
            await asyncio.sleep(0.2)
        if dies_after is None:
            writer.write(b"0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, HOST) as server:
        yield f"http://{HOST}:{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def front(*workers):
    """A front of workers, and a client that asks it without a network."""
    app = Front(load_solution(20), workers).app
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url=f"http://{HOST}"
    ) as asks:
        yield asks


def ask(*, workers):
    """What a client gets from a front of such workers."""

    async def main():
        async with contextlib.AsyncExitStack() as stack:
            urls = [await stack.enter_async_context(one) for one in workers]
            asks = await stack.enter_async_context(front(*urls))
            return await asks.post("/v1/completions", json={"prompt": "A"})

    return asyncio.run(main())


def test_passed_on():
    """What a worker says comes as it is."""
    answer = ask(workers=[worker()])
    assert (answer.status_code, answer.content) == (200, b"".join(PIECES))
    assert answer.headers["content-type"] == "text/event-stream"


@pytest.mark.parametrize("wrong", [{"dies_after": 0}, {"status": b"500 Oh"}], ids=str)
def test_another(wrong):
    """Where a worker fails before its first piece, another answers."""
    answer = ask(workers=[worker(**wrong), worker()])
    assert (answer.status_code, answer.content) == (200, b"".join(PIECES))


def test_nobody():
    """Where none answers, an error in OpenAI's form says so."""
    answer = ask(workers=[worker(dies_after=0), worker(dies_after=0)])
    assert answer.status_code == 503
    assert answer.json()["error"]["message"]


def test_foreign_page():
    """A page from elsewhere is turned away, as by one server."""

    async def main():
        async with worker() as url, front(url) as asks:
            headers = {"Origin": "http://elsewhere.example"}
            return await asks.post("/v1/completions", json={}, headers=headers)

    assert asyncio.run(main()).status_code == 403


def test_broken_off():
    """What breaks off in the middle is an error, and no end."""
    with pytest.raises(load_solution(20).WorkerFailed):
        ask(workers=[worker(dies_after=1), worker()])


def test_as_it_comes():
    """Over a socket, a piece is there before the next one is made."""
    import uvicorn

    async def main():
        async with worker() as url:
            app = Front(load_solution(20), [url]).app
            server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
            running = asyncio.create_task(server.serve())
            while not server.started:
                await asyncio.sleep(0.01)
            [listening] = server.servers
            port = listening.sockets[0].getsockname()[1]
            times = []
            async with (
                httpx.AsyncClient(trust_env=False) as asks,
                asks.stream(
                    "POST", f"http://{HOST}:{port}/v1/completions", json={"prompt": "A"}
                ) as answer,
            ):
                async for _ in answer.aiter_raw():
                    times.append(time.monotonic())
            server.should_exit = True
            await running
            return times

    times = asyncio.run(main())
    assert len(times) == len(PIECES)
    assert times[-1] - times[0] > 0.2


@pytest.mark.parametrize(
    ("body", "prompt"),
    [
        (b'{"prompt": "A fox"}', "A fox"),
        (b'{"prompt": [1, 2]}', "[1, 2]"),
        (b"{}", ""),
        (b"[]", ""),
        (b"\xff", ""),
    ],
)
def test_prompt(body, prompt):
    """The prompt is text; where there is none, it is empty."""
    assert prompt_of(body) == prompt
