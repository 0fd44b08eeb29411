"""Who comes in, and what every server of ours shows: the page, and clear answers."""

from __future__ import annotations

import logging
import mimetypes
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from course.serve.guard import Guard
from course.serve.refused import RefusedError

PAGE = Path(__file__).resolve().parent / "page"
LARGEST_BODY = 1024 * 1024

NO_CHAT = (
    "GPT-2 goes on with a text and has no chat template, so there are no chat "
    "completions. Send the text to /v1/completions."
)

# What a machine believes that these are differs.
mimetypes.add_type("text/css", ".css")
mimetypes.add_type("text/javascript", ".js")

logger = logging.getLogger("max.serve.course")


def entrance(routes: Sequence[Route], is_local: bool) -> ASGIApp:
    """Let in what the guard lets pass, to these routes and to the page.

    Args:
        routes: What is served besides.
        is_local: Whether it is served to this machine only.
    """
    page = Page(directory=PAGE, html=True)
    names = ("", *(path.name for path in PAGE.iterdir()))
    all_routes = [
        *routes,
        Route("/v1/chat/completions", _no_chat, methods=["POST"]),
        *(Route(f"/{name}", page, methods=["GET"]) for name in names),
    ]
    handlers: dict[Any, Any] = {
        RefusedError: lambda request, refused: refused.response(),
        HTTPException: _not_there,
        ClientDisconnect: _client_left,
        Exception: _failed,
    }
    return Guard(Starlette(routes=all_routes, exception_handlers=handlers), is_local)


async def read_json(request: Request) -> bytes:
    """Read the body of a request that says it is JSON.

    Raises:
        RefusedError: It does not say so, or is too long.
    """
    _assert_json(request)
    return await _read(request)


class Page(StaticFiles):
    """The page to write with, which no other page can show within itself."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        """Return a file, or that it has not changed."""
        response = super().file_response(*args, **options)
        # Asked for again each time: what was changed shows when it is loaded again.
        response.headers["cache-control"] = "no-cache"
        response.headers["content-security-policy"] = "frame-ancestors 'none'"
        return response


async def _no_chat(request: Request) -> Response:
    raise RefusedError(400, NO_CHAT)


async def _not_there(request: Request, error: HTTPException) -> Response:
    path, allowed = request.url.path, (error.headers or {}).get("Allow")
    message = f"There is nothing at {path}."
    if error.status_code == 405:
        message = f"{path} does not take {request.method}, only {allowed}."
    elif error.status_code != 404:
        message = str(error.detail)
    response = RefusedError(error.status_code, message).response()
    response.headers.update(error.headers or {})
    return response


async def _client_left(request: Request, error: ClientDisconnect) -> Response:
    logger.info("A client left before its request was complete.")
    return Response(status_code=499)


async def _failed(request: Request, error: Exception) -> Response:
    # The error itself goes to the log.
    return RefusedError(500, "The server has failed to answer this.").response()


def _assert_json(request: Request) -> None:
    """Refuse what a page of any origin may send without asking (a CORS simple request).

    Raises:
        RefusedError: The body is not declared to be JSON.
    """
    declared = request.headers.get("content-type", "")
    if declared.partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(
            415,
            "Say that the body is JSON, with the header Content-Type: "
            "application/json.",
        )


async def _read(request: Request) -> bytes:
    """Read the body of a request, up to a limit.

    Raises:
        RefusedError: It is longer.
    """
    declared = request.headers.get("content-length", "")
    body = bytearray()
    if not declared.isdigit() or int(declared) <= LARGEST_BODY:
        async for piece in request.stream():
            body += piece
            if len(body) > LARGEST_BODY:
                break
        else:
            return bytes(body)
    raise RefusedError(
        413, f"The body of the request is too large: at most {LARGEST_BODY} bytes."
    )
