"""What several servers behind a router give: measured on one machine, counted on many.

    python -m bench.fleet                     # the demo model; bench/results/fleet.json
    python -m bench.fleet --model DIR         # beside it, another one's servers
    python -m bench.fleet --only simulate     # only what is counted

Three parts. `servers`: tokens a second of `course serve` and of `course serve
--replicas 2` on this machine. `routers`: the processor time that a router takes for
a request, with workers behind it that answer at once. `simulate`: step 20's router
before up to 400 workers, each as fast as `course bench --serve` has measured one, on a
clock that does not wait.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib.util
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from course.bench.clients import ask_all
from course.bench.latency import figures
from course.bench.machine import machine
from course.bench.results import FOLDER, keep
from course.bench.serving import DEMO, OURS, Plan, plan_for, server
from course.check.fleet import InstantLoop
from course.check.loading import load_solution
from course.model.checkpoint import open_checkpoint
from course.process.ports import HOST, free_ports
from course.process.server import ServerProcess
from course.steps import ROUTING, get_step

REPLICAS, CLIENTS = (1, 2), (1, 8, 32)
SECONDS = 8.0
REQUESTS, AT_ONCE = 2000, 8
WORKERS, CLIENTS_EACH = (1, 2, 5, 10, 20, 50, 100, 200, 400), 32
NEW_TOKENS = 32
WARM_UP, COUNTED = 4.0, 8.0  # Seconds of the clock that does not wait.


# On one machine


def servers(folder: str | None) -> dict[str, Any]:
    """Tokens a second by replicas and clients, and when the first token came."""
    plan = plan_for(folder, Console()) if folder else DEMO
    plan = replace(plan, texts=32, new_tokens=NEW_TOKENS, prompts=in_words(plan))
    found: dict[str, Any] = {}
    for count in REPLICAS:
        with server(OURS, plan, replicas=count) as running:
            by_clients = {}
            for clients in CLIENTS:
                ask_all(running.port, plan.prompts, clients, 4)
                answers = ask_all(
                    running.port, plan.prompts, clients, plan.new_tokens, SECONDS
                )
                by_clients[str(clients)] = figures(answers)
            found[str(count)] = by_clients
            print(plan.name, count, by_clients, flush=True)
    return {"model": plan.name, "new_tokens": plan.new_tokens, "replicas": found}


def in_words(plan: Plan) -> list[str]:
    """The prompts as texts: vllm-router passes no token IDs on."""
    tokenizer = open_checkpoint(str(plan.folder)).tokenizer
    return [
        prompt if isinstance(prompt, str) else tokenizer.decode(prompt)
        for prompt in plan.prompts
    ]


# A router by itself


def readers_router(workers: list[str]) -> ServerProcess:
    """The process of step 20's router."""
    [port] = free_ports(1)
    file = str(get_step(ROUTING).solution)
    return ServerProcess(
        "The router",
        *("course.serve.routing", file, HOST, f"{port}", *workers),
        port=port,
    )


def vllm_router(workers: list[str]) -> ServerProcess:
    """The process of vllm-router."""
    port, metrics = free_ports(2)
    return ServerProcess(
        "vllm-router",
        *("vllm_router.launch_router", "--host", HOST, "--port", f"{port}"),
        *("--prometheus-port", f"{metrics}", "--policy", "cache_aware"),
        *("--worker-urls", *workers, "--log-level", "error"),
        port=port,
    )


BODY = json.dumps({"choices": [{"index": 0, "text": "a " * NEW_TOKENS}]}).encode()
ANSWER = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
    + f"{len(BODY)}\r\n\r\n".encode()
    + BODY
)


async def answer_at_once(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Be a worker that has nothing to compute."""
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"content-length:")
            await reader.readexactly(int(length.split(b"\r\n")[0] or 0))
            writer.write(ANSWER)
            await writer.drain()
    writer.close()


async def ask_often(port: int, count: int) -> None:
    """Be a client that asks so many times, one after the other."""
    reader, writer = await asyncio.open_connection(HOST, port)
    for number in range(count):
        request = {"model": "m", "prompt": f"{number} {'word ' * 200}", "max_tokens": 1}
        body = json.dumps(request).encode()
        writer.write(
            b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: application/json\r\n"
            + f"Content-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert b" 200 " in head.split(b"\r\n")[0], head
        if b"content-length:" in head:
            _, _, length = head.partition(b"content-length:")
            await reader.readexactly(int(length.split(b"\r\n")[0]))
        else:
            while size := int(await reader.readuntil(b"\r\n"), 16):
                await reader.readexactly(size + 2)
            await reader.readexactly(2)
    writer.close()


def processor_seconds(pid: int) -> float:
    """The processor time that a session has taken: a process and all it has started."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[3]) == pid:
                total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def cost_of(start: Callable[[list[str]], ServerProcess]) -> float:
    """Seconds of a processor that a router takes for a request."""

    async def serve_and_ask() -> float:
        listening = [await asyncio.start_server(answer_at_once, HOST) for _ in "ab"]
        ports = [one.sockets[0].getsockname()[1] for one in listening]
        urls = [f"http://{HOST}:{port}" for port in ports]
        router = start(urls)
        try:
            await asyncio.to_thread(router.__enter__)
            await ask_often(router.port, 50)
            before = processor_seconds(router.pid)
            each = REQUESTS // AT_ONCE
            await asyncio.gather(
                *(ask_often(router.port, each) for _ in range(AT_ONCE))
            )
            return (processor_seconds(router.pid) - before) / (each * AT_ONCE)
        finally:
            await asyncio.to_thread(router.stop)

    return asyncio.run(serve_and_ask())


def routers() -> dict[str, float]:
    """What each of the routers takes for a request, in seconds of a processor."""
    found = {"step 20": cost_of(readers_router)}
    if importlib.util.find_spec("vllm_router"):
        found["vllm-router"] = cost_of(vllm_router)
    print(found, flush=True)
    return found


# On many machines


class MeasuredWorker:
    """A server that takes as long as the measured one, on a clock that does not wait.

    Args:
        speeds: Tokens a second, by how many texts are written at the same time.
    """

    def __init__(self, speeds: dict[int, float]) -> None:
        self._counts, self._speeds = [*speeds], [*speeds.values()]
        self._running: dict[asyncio.Future[None], int] = {}
        self._works = False

    async def write(self, tokens: int) -> None:
        """Write a text, together with those that are being written."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._running[done] = tokens
        if not self._works:
            self._works = True
            self._task = loop.create_task(self._work())
        await done

    async def _work(self) -> None:
        while self._running:
            count = len(self._running)
            speed = float(np.interp(count, self._counts, self._speeds))
            # As many passes as all of them need; who comes meanwhile waits for these.
            passes = min(*self._running.values(), 4)
            await asyncio.sleep(passes * count / speed)
            for done in [*self._running]:
                self._running[done] -= passes
                if not self._running[done]:
                    del self._running[done]
                    done.set_result(None)
        self._works = False


def simulated(speeds: dict[int, float], workers: int, cost: float) -> float:
    """Tokens a second of so many workers, behind a router with one thread.

    Args:
        speeds: Of one worker, by how many texts it writes at the same time.
        workers: How many there are; each has as many clients.
        cost: What a request takes of the router's time, in seconds.
    """
    names = [f"{number}" for number in range(workers)]
    router = load_solution(ROUTING).Router(names)
    fleet = {name: MeasuredWorker(speeds) for name in names}
    free_at, answered = 0.0, 0

    async def send(name: str) -> AsyncIterator[bytes]:
        await fleet[name].write(NEW_TOKENS)
        yield b"a text"

    async def client(number: int) -> None:
        nonlocal free_at, answered
        clock = asyncio.get_running_loop().time
        await asyncio.sleep(number / workers / CLIENTS_EACH)
        while clock() < WARM_UP + COUNTED:
            free_at = max(free_at, clock()) + cost
            await asyncio.sleep(free_at - clock())
            async for _ in router.answer(f"client {number}", send, clock):
                answered += WARM_UP <= clock() < WARM_UP + COUNTED

    async def all_clients() -> None:
        await asyncio.gather(*(client(n) for n in range(workers * CLIENTS_EACH)))

    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        runner.run(all_clients())
    return answered * NEW_TOKENS / COUNTED


def simulate(costs: dict[str, float]) -> dict[str, Any]:
    """Tokens a second by workers: without a router's time, and with each router's."""
    served = json.loads((FOLDER / "serve.json").read_text(encoding="utf-8"))
    speeds = {
        int(clients): found["tokens_per_second"]
        for clients, found in served["servers"][OURS].items()
    }
    found: dict[str, Any] = {}
    for name, cost in {"no router": 0.0, **costs}.items():
        found[name] = {str(n): simulated(speeds, n, cost) for n in WORKERS}
        print(name, found[name], flush=True)
    return {"model": served["model"], "clients_each": CLIENTS_EACH, "tokens": found}


def parts(only: str | None) -> Iterator[str]:
    """Which parts are to be measured."""
    yield from (
        each for each in ("servers", "routers", "simulate") if only in (None, each)
    )


def main() -> None:
    """Measure, and keep what was measured beside what was not measured again."""
    parser = argparse.ArgumentParser(prog="python -m bench.fleet")
    parser.add_argument("--model", help="the directory of another model to serve")
    parser.add_argument("--only", choices=("servers", "routers", "simulate"))
    options = parser.parse_args()
    path = FOLDER / "fleet.json"
    found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    found |= {"machine": machine(), "seconds": SECONDS}
    for part in parts(options.only):
        if part == "servers":
            models = (None, options.model) if options.model else (None,)
            found["servers"] = [servers(folder) for folder in models]
        elif part == "routers":
            found["routers"] = routers()
        else:
            found["simulated"] = simulate(found["routers"])
    print(keep(path.name, found))


if __name__ == "__main__":
    main()
