"""The one address of several servers; `course serve --replicas` starts it.

    python -m course.serve.front LISTENER NAME ROUTER WORKERS

The router behind it chooses among the workers, and has paths with which anybody could
add and remove some. So it listens on loopback only, and what comes from outside comes
through here: the same page, guard and checks as those of one server, and its paths.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping

import aiohttp
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from course.serve.completion import check_completion
from course.serve.entrance import entrance, read_json
from course.serve.guard import is_loopback
from course.serve.passing import EVENTS, unless_client_leaves
from course.serve.refused import RefusedError, unknown_model

GRACE = 10
"""How many seconds running requests have to end when the server does."""
RESTART = 15
"""How many seconds a request waits for a router that is not there."""
PATIENCE = aiohttp.ClientTimeout(total=5)
"""How long a worker may take to say that it is well."""
DONE = b"data: [DONE]"


class Front:
    """Hands completions to the router, and answers for the servers as a whole.

    Args:
        session: Asks them.
        name: What clients call the model.
        router: The URL of the router.
        workers: Those of the servers, each with the one by which the router finds it.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        name: str,
        router: str,
        workers: Mapping[str, str],
    ) -> None:
        self.session = session
        self.name = name
        self.router = router
        self.workers = workers

    def app(self, is_local: bool) -> ASGIApp:
        """What is served; nothing else that the router can do is reachable."""
        routes = [
            Route("/v1/completions", self.complete, methods=["POST"]),
            Route("/v1/models/{name:path}", self.model, methods=["GET"]),
            Route("/v1/models", self.read, methods=["GET"]),
            Route("/version", self.read, methods=["GET"]),
            Route("/health", self.health, methods=["GET"]),
        ]
        return entrance(routes, is_local)

    async def complete(self, request: Request) -> Response:
        """Have a worker of the router's choice go on with a text."""
        body = await read_json(request)
        check_completion(body, self.name)
        post = self._post(body)
        answer = await unless_client_leaves(request, post, aiohttp.ClientError)
        if answer.content_type == EVENTS:
            return StreamingResponse(_events(answer), media_type=EVENTS)
        reading = answer.read()
        content = await unless_client_leaves(request, reading, aiohttp.ClientError)
        if answer.content_type != "application/json":
            # What the router itself says.
            raise RefusedError(answer.status, content.decode(errors="replace"))
        return Response(content, answer.status, media_type="application/json")

    async def model(self, request: Request) -> Response:
        """`/v1/models/NAME`: what the workers say of the one model."""
        name = request.path_params["name"]
        if name != self.name:
            raise unknown_model(name, self.name)
        return await self.read(request)

    async def read(self, request: Request) -> Response:
        """What the first worker says that is well."""
        for worker in self.workers.values():
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                url = worker + request.url.path
                async with self.session.get(url, timeout=PATIENCE) as answer:
                    if answer.status < 500:
                        return Response(
                            await answer.read(),
                            answer.status,
                            media_type=answer.content_type,
                        )
        raise RefusedError(503, "None of the workers answers.")

    async def health(self, request: Request) -> Response:
        """Which workers serve: they answer now, and the router sends them texts."""
        chosen = await self._chosen()
        well = await asyncio.gather(*map(self._is_well, self.workers.values()))
        workers = {
            name: is_well and worker in chosen
            for (name, worker), is_well in zip(self.workers.items(), well, strict=True)
        }
        return JSONResponse({"workers": workers}, 200 if any(workers.values()) else 503)

    async def _post(self, body: bytes) -> aiohttp.ClientResponse:
        """Ask the router; a little later, if it is just being started anew."""
        url = f"{self.router}/v1/completions"
        end = time.monotonic() + RESTART
        while True:
            try:
                return await self.session.post(
                    url, data=body, headers={"content-type": "application/json"}
                )
            except aiohttp.ClientConnectorError:  # So nobody has begun to answer.
                if time.monotonic() > end:
                    raise
            await asyncio.sleep(0.1)

    async def _is_well(self, worker: str) -> bool:
        try:
            async with self.session.get(f"{worker}/health", timeout=PATIENCE) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def _chosen(self) -> set[str]:
        """Those to which the router sends texts; none if there is no router."""
        try:
            url = f"{self.router}/workers"
            async with self.session.get(url, timeout=PATIENCE) as answer:
                listed = (await answer.json())["workers"]
                return {each["url"] for each in listed if each["is_healthy"]}
        except (aiohttp.ClientError, TimeoutError):
            return set()


async def _events(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The events of a stream; where it breaks, an error, and a connection that breaks.

    Clients of the OpenAI API know the one, and all others the other.

    Raises:
        ConnectionResetError: The stream has not come to its end.
    """
    last = b""
    with contextlib.suppress(aiohttp.ClientError):
        async with answer:
            async for piece in answer.content.iter_any():
                last = (last + piece)[-2 * len(DONE) :]
                yield piece
    if DONE not in last:
        refused = RefusedError(502, "The worker has died; the text is not finished.")
        yield b"data: " + bytes(refused.response().body) + b"\n\n"
        raise ConnectionResetError(refused.message)


async def serve(
    descriptor: int, name: str, router: str, workers: Mapping[str, str]
) -> None:
    """Serve until SIGTERM.

    Args:
        descriptor: That of the listening socket.
        name: What clients call the model.
        router: The URL of the router.
        workers: Those of the servers, each with the one by which the router finds it.
    """
    listener = socket.socket(fileno=descriptor)
    listener.set_inheritable(False)
    # A text may take as long as it takes.
    forever = aiohttp.ClientTimeout(total=None)
    # The router may be uvicorn, which closes idle connections after 5 seconds.
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=2)
    async with aiohttp.ClientSession(connector=connector, timeout=forever) as session:
        front = Front(session, name, router, workers)
        app = front.app(is_loopback(listener.getsockname()[0]))
        config = uvicorn.Config(
            app, log_level="warning", timeout_graceful_shutdown=GRACE
        )
        await uvicorn.Server(config).serve(sockets=[listener])


if __name__ == "__main__":
    _, descriptor, name, router, workers = sys.argv
    asyncio.run(serve(int(descriptor), name, router, json.loads(workers)))
