"""Several of MAX's servers behind the reader's router, for as long as a check lasts."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

import uvicorn

from course.check.failure import CheckFailed
from course.check.server import CheckedServer
from course.process.ports import HOST
from course.serve.routing import Front
from course.steps import DEMO_MODEL, SERVING, get_step


class CheckedFleet:
    """Servers on the demo model, with the solutions; `with` waits until they answer.

    Args:
        step: The step 20 whose router stands in front of them.
        count: How many servers there are.

    Attributes:
        servers: The servers.
        front: What stands in front of them.
    """

    def __init__(self, step: Any, count: int) -> None:
        self.step = step
        self.servers = [CheckedServer(get_step(SERVING).solution)]
        self.count = count

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            stack.callback(self._stop_servers)
            # One after the other: what the first has compiled, the others only read.
            self.servers[0].__enter__()
            while len(self.servers) < self.count:
                self.servers.append(CheckedServer(get_step(SERVING).solution))
                self.servers[-1].__enter__()
            self.front = Front(self.step, [one.address for one in self.servers])
            listener = stack.enter_context(socket.socket())
            listener.bind((HOST, 0))
            self.address = f"http://{HOST}:{listener.getsockname()[1]}"
            config = uvicorn.Config(self.front.app, log_config=None, log_level="error")
            server = uvicorn.Server(config)
            running = threading.Thread(target=server.run, args=([listener],))
            running.start()
            stack.callback(running.join)
            stack.callback(setattr, server, "should_exit", True)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def complete(self, prompt: str, max_tokens: int) -> str:
        """Ask for what follows a prompt, as any program would.

        Raises:
            CheckFailed: The answer is an error.
        """
        from openai import APIError, DefaultHttpxClient, OpenAI

        http = DefaultHttpxClient(trust_env=False)
        with OpenAI(
            base_url=f"{self.address}/v1",
            api_key="none",
            max_retries=0,
            http_client=http,
        ) as client:
            try:
                answer = client.completions.create(
                    model=str(DEMO_MODEL),
                    prompt=prompt,
                    max_tokens=max_tokens,
                    temperature=0,
                )
            except APIError as error:
                raise CheckFailed(
                    f"A request failed: {error!r}. It should have been answered by "
                    "another server.",
                    short="a request failed",
                ) from None
        return answer.choices[0].text

    def kill(self, number: int) -> None:
        """Kill a server, as if its machine lost power."""
        self.servers[number].kill()

    def restart(self, number: int) -> None:
        """Start a server again where it was."""
        dead = self.servers[number]
        dead.stop()
        fresh = CheckedServer(get_step(SERVING).solution, dead.port)
        self.servers[number] = fresh
        fresh.__enter__()

    def wait_until_asked(self, number: int, seconds: float = 60.0) -> None:
        """Ask until a server is sent requests again.

        Raises:
            CheckFailed: It is not.
        """
        name, end = self.servers[number].address, time.monotonic() + seconds
        before = self.front.sent[name]
        while self.front.sent[name] == before:
            if time.monotonic() > end:
                raise CheckFailed(
                    f"A server is back, and is asked for nothing in {seconds:.0f} s.",
                    short="never asked again",
                )
            with ThreadPoolExecutor(4) as pool:
                list(pool.map(lambda _: self.complete("A", 1), range(4)))

    def _stop_servers(self) -> None:
        for server in self.servers:
            server.stop()
