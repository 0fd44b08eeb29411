"""What stands between the network and MAX's server: the page, and clear answers."""

from __future__ import annotations

import json
import logging
import mimetypes
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.serve.completion import check_completion
from course.serve.context import fit
from course.serve.guard import Guard
from course.serve.refused import RefusedError, unknown_model

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


def gateway(app: FastAPI, model: str, is_local: bool) -> ASGIApp:
    """Serve the page, check requests, and hand what is left to MAX.

    What MAX's server has beyond this list, such as loading adapters from any path, is
    not reachable.

    Args:
        app: MAX's server.
        model: The name of the model that is served.
        is_local: Whether it is served to this machine only.
    """
    page = Page(directory=PAGE, html=True)
    routes = [
        Route("/v1/completions", Completions(app, model), methods=["POST"]),
        Route("/v1/chat/completions", _no_chat, methods=["POST"]),
        Route("/v1/models/{name:path}", Models(app, model), methods=["GET"]),
        *(
            Route(path, _Reading(app), methods=["GET"])
            for path in ("/v1/models", "/health", "/version")
        ),
        *(
            Route(f"/{name}", page, methods=["GET"])
            for name in ("", *(path.name for path in PAGE.iterdir()))
        ),
    ]
    handlers: dict[Any, Any] = {
        RefusedError: lambda request, refused: refused.response(),
        HTTPException: _not_there,
        ClientDisconnect: _client_left,
        Exception: _failed,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), is_local)


class Completions:
    """`/v1/completions`: hands to MAX what it can answer."""

    def __init__(self, app: FastAPI, model: str) -> None:
        """Stand before MAX's server."""
        self.app = app
        self.model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        _assert_json(request)
        asked = check_completion(await _read(request), self.model)
        asked = await fit(asked, self.app.state.pipeline.tokenizer)
        body = json.dumps(asked).encode()
        await self.app(*_with_body(scope, receive, body), send)


class _Reading:
    """What MAX answers to GET; HEAD, which MAX does not know, gets the same headers."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app({**scope, "method": "GET"}, receive, send)


class Models(_Reading):
    """`/v1/models/NAME`: says what MAX says of the one model."""

    def __init__(self, app: FastAPI, model: str) -> None:
        """Stand before MAX's server."""
        super().__init__(app)
        self.model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        name = scope["path_params"]["name"]
        if name != self.model:
            raise unknown_model(name, self.model)
        # MAX finds a model with a slash in its name by what is behind the slash.
        last = "/v1/models/" + name.rpartition("/")[2]
        await super().__call__({**scope, "path": last}, receive, send)


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


def _with_body(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """Return a request with another body than the one that was read."""
    headers = [
        (name, value)
        for name, value in scope["headers"]
        if name not in {b"content-length", b"transfer-encoding"}
    ]
    headers.append((b"content-length", str(len(body)).encode()))
    unread = [body]

    async def receive_body() -> Message:
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        # What comes behind the body: that the client has gone.
        return await receive()

    return {**scope, "headers": headers}, receive_body
