"""To pass a request on to another server, for as long as the client waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from course.serve.refused import RefusedError

EVENTS = "text/event-stream"

Answer = TypeVar("Answer")


async def unless_client_leaves(
    request: Request, asked: Awaitable[Answer], *gone: type[Exception]
) -> Answer:
    """Wait for an answer, and give it up when nobody waits for it any more.

    Args:
        request: What the client asked; its body has been read.
        asked: The answer.
        gone: What is raised when who was asked has gone.

    Raises:
        ClientDisconnect: The client has gone.
        RefusedError: Who was asked has gone.
    """
    answering = asyncio.ensure_future(asked)
    leaving = asyncio.ensure_future(request.receive())
    try:
        await asyncio.wait([answering, leaving], return_when=asyncio.FIRST_COMPLETED)
        if not answering.done():
            raise ClientDisconnect
        return answering.result()
    except gone:
        raise RefusedError(502, "The worker has died, or the router.") from None
    finally:
        answering.cancel()
        leaving.cancel()
