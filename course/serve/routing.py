"""One address in front of several servers: step 20's router says which one answers.

`course serve --replicas 2 --code steps` starts it in the place of vllm-router.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from course.check.loading import load_step
from course.errors import CourseError
from course.serve.entrance import entrance
from course.serve.passing import unless_client_leaves
from course.steps import ROUTING, get_step

PATIENCE = httpx.Timeout(None, connect=3)
"""A text may take minutes; to accept a connection may not."""
CONNECTIONS = httpx.Limits(keepalive_expiry=2)
"""As many as there are clients; one that is idle, a worker closes after 5 seconds."""


class Front:
    """An app that hands requests to workers, and answers to clients as they come.

    Args:
        step: The module of step 20.
        workers: The URLs of the servers.
        options: Those of its router.

    Attributes:
        app: What listens.
        sent: How many requests each worker was sent.
    """

    def __init__(self, step: Any, workers: Sequence[str], **options: Any) -> None:
        self.step = step
        self.router = step.Router(workers, **options)
        self.sent: Counter[str] = Counter()
        # Workers are near: no proxy is asked for them.
        self._client = httpx.AsyncClient(
            trust_env=False, timeout=PATIENCE, limits=CONNECTIONS
        )
        routes = [
            Route("/v1/completions", self.hand_over, methods=["POST"]),
            Route("/v1/models", self.hand_over, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
            Route("/workers", self.list_workers, methods=["GET"]),
        ]
        self.app = entrance(routes, is_local=True)

    async def health(self, _: Request) -> Response:
        """Say which workers may be asked; an error if none may."""
        able = [name for name, is_able in self._workers() if is_able]
        return JSONResponse({"workers": able}, status_code=200 if able else 503)

    async def list_workers(self, _: Request) -> Response:
        """List all workers, in the words of vllm-router."""
        listed = [{"url": name, "is_healthy": able} for name, able in self._workers()]
        return JSONResponse({"workers": listed})

    def _workers(self) -> list[tuple[str, bool]]:
        """The name of each worker, and whether it may be asked now."""
        now = time.monotonic()
        return [(w.name, w.breaker.allows(now)) for w in self.router.workers]

    async def hand_over(self, request: Request) -> Response:
        """Have a worker answer, and pass on what it says.

        What breaks off in the middle breaks off for the client as well: the connection
        is closed before the end of the answer.
        """
        body = await request.body()
        head: httpx.Response | None = None

        async def send(worker: str) -> AsyncIterator[bytes]:
            nonlocal head
            self.sent[worker] += 1
            url = f"{worker}{request.url.path}"
            kind = {"Content-Type": request.headers.get("Content-Type", "")}
            try:
                async with self._client.stream(
                    request.method, url, content=body, headers=kind
                ) as head:
                    if head.status_code >= 500:
                        raise self.step.WorkerFailed(f"{worker}: {head.status_code}.")
                    async for piece in head.aiter_raw():
                        yield piece
            except httpx.TransportError as error:
                raise self.step.WorkerFailed(f"{worker}: {error!r}.") from error

        pieces = self.router.answer(prompt_of(body), send, time.monotonic)
        try:
            # Nothing is said to the client before there is something to say.
            first = await unless_client_leaves(request, anext(pieces, b""))
        except (self.step.NoWorker, self.step.WorkerFailed) as error:
            return JSONResponse(
                {"error": {"message": str(error), "type": "server_error"}},
                status_code=503,
                headers={"Retry-After": "1"},
            )
        assert head is not None
        return StreamingResponse(
            _with(first, pieces),
            status_code=head.status_code,
            headers={"Content-Type": head.headers.get("Content-Type", "")},
        )


async def _with(first: bytes, pieces: AsyncGenerator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        yield first
        async for piece in pieces:
            yield piece


def prompt_of(body: bytes) -> str:
    """The prompt in a request; nothing, where there is none."""
    try:
        prompt = json.loads(body)["prompt"]
    except (ValueError, KeyError, TypeError):
        return ""
    # Token IDs and lists of prompts are compared as they are written.
    return prompt if isinstance(prompt, str) else json.dumps(prompt)


def main() -> None:
    """Listen: `python -m course.serve.routing FILE HOST PORT WORKER…`."""
    match sys.argv[1:]:
        case [file, host, port, worker, *more] if port.isdecimal():
            workers = [worker, *more]
        case _:
            sys.exit("Say: python -m course.serve.routing FILE HOST PORT WORKER…")
    try:
        step = load_step(get_step(ROUTING), Path(file))
    except CourseError as error:
        sys.exit(f"course: {error}")
    uvicorn.run(Front(step, workers).app, host=host, port=int(port), log_level="error")


if __name__ == "__main__":
    main()
