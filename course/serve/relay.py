"""The way to servers on other machines; `course serve --worker` starts it.

    python -m course.serve.relay HOST PORT WORKER…

A machine that is cut off says nothing, not even that it has gone. A router waits for
its answer as for any other, which may take minutes. So what it asks of other machines
passes through here: `/0/v1/completions` goes to the first of them. However long a text
takes, the kernel of the other machine is asked meanwhile whether it is there, and after
some seconds of silence the router is told that it is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from typing import Any

import aiohttp
import uvicorn
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from course.serve.entrance import entrance
from course.serve.passing import EVENTS, unless_client_leaves
from course.serve.refused import RefusedError

CONNECT = 3
"""How many seconds another machine may take to accept a connection."""
SILENCE = 10
"""After how many seconds without a sign from its kernel it is given up."""
PROBE = 2
"""How many seconds pass between two questions to a kernel that says nothing."""

OPTIONS = {
    "TCP_KEEPIDLE": PROBE,
    "TCP_KEEPALIVE": PROBE,  # The same, on macOS.
    "TCP_KEEPINTVL": PROBE,
    "TCP_KEEPCNT": SILENCE // PROBE,
    # Also where something was sent that was never received; in milliseconds.
    "TCP_USER_TIMEOUT": SILENCE * 1000,
}


class Relay:
    """Passes requests on, and says so when nobody is at the other end.

    Args:
        session: Asks the workers.
        workers: Their URLs.
    """

    def __init__(self, session: aiohttp.ClientSession, workers: Sequence[str]) -> None:
        self.session = session
        self.workers = workers

    def app(self) -> ASGIApp:
        """What the router asks, on loopback."""
        path = "/{number:int}/{path:path}"
        routes = [Route(path, self.pass_on, methods=["GET", "POST"])]
        return entrance(routes, is_local=True)

    async def pass_on(self, request: Request) -> Response:
        """Have a worker answer."""
        number, path = request.path_params["number"], request.path_params["path"]
        if number >= len(self.workers):
            raise RefusedError(404, f"There is no worker {number}.")
        kind = {"content-type": request.headers.get("content-type", "")}
        asked = self.session.request(
            request.method,
            f"{self.workers[number]}/{path}",
            data=await request.body(),
            headers=kind,
        )
        answer = await unless_client_leaves(request, asked, aiohttp.ClientError)
        if answer.content_type == EVENTS:
            return StreamingResponse(_pieces(answer), answer.status, media_type=EVENTS)
        reading = answer.read()
        content = await unless_client_leaves(request, reading, aiohttp.ClientError)
        return Response(content, answer.status, media_type=answer.content_type)


async def _pieces(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The pieces of an answer; what breaks off here breaks off for the router."""
    async with answer:
        async for piece in answer.content.iter_any():
            yield piece


def probing_socket(address: tuple[Any, ...]) -> socket.socket:
    """A socket that ends when the machine at its other end is gone."""
    made = socket.socket(*address[:3])
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in OPTIONS.items():
        with contextlib.suppress(AttributeError):  # Not every system has all of them.
            made.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return made


async def serve(host: str, port: int, workers: Sequence[str]) -> None:
    """Serve until SIGTERM."""
    connector = aiohttp.TCPConnector(
        limit=0,
        # A new connection each time: at one that is kept, nobody may be by now.
        force_close=True,
        socket_factory=probing_socket,
    )
    patience = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
    async with aiohttp.ClientSession(connector=connector, timeout=patience) as session:
        app = Relay(session, workers).app()
        config = uvicorn.Config(app, host=host, port=port, log_level="warning")
        await uvicorn.Server(config).serve()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
