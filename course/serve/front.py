"""What stands between the network and MAX's server: the page, and clear answers."""

from __future__ import annotations

import logging
from pathlib import Path

from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.serve.completion import RefusedError, check_completion

PAGE = Path(__file__).resolve().parent / "page"
LARGEST_BODY = 1024 * 1024

# By their own names: what a machine believes that .js is differs.
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".woff2": "font/woff2",
}

NO_CHAT = (
    "GPT-2 goes on with a text and has no chat template, so there are no chat "
    "completions. Send the text to /v1/completions."
)

logger = logging.getLogger("max.serve.course")


class Front:
    """Serves the page, checks requests, and hands what is left to MAX.

    What MAX's server has beyond this list, such as loading adapters from any path, is
    not reachable.
    """

    def __init__(self, app: ASGIApp, model: str) -> None:
        """Stand before an app.

        Args:
            app: MAX's server.
            model: The name of the model that is served.
        """
        self.app = app
        self.model = model
        self.files = {f"/{path.name}": path for path in PAGE.iterdir()}
        self.files["/"] = PAGE / "index.html"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        try:
            await self._answer(scope, receive, send)
        except RefusedError as refused:
            answer = JSONResponse(refused.body(), refused.status)
            if refused.status == 413:
                # The rest of the body is not read.
                answer.headers["connection"] = "close"
            await answer(scope, receive, send)
        except ClientDisconnect:
            logger.info("A client left before its request was complete.")

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path == "/v1/completions":
            _allow(scope, "POST")
            body = check_completion(await _read(scope, receive), self.model)
            await self.app(*_with_body(scope, receive, body), send)
        elif path == "/v1/chat/completions":
            raise RefusedError(400, NO_CHAT)
        elif path.startswith("/v1/models/"):
            _allow(scope, "GET")
            await self._model(scope, receive, send)
        elif path in {"/v1/models", "/health", "/version"}:
            _allow(scope, "GET")
            await self.app(scope, receive, send)
        elif path in self.files:
            _allow(scope, "GET", "HEAD")
            await _file(self.files[path])(scope, receive, send)
        else:
            raise RefusedError(404, f"There is nothing at {path}.")

    async def _model(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].removeprefix("/v1/models/")
        if name != self.model:
            raise RefusedError(
                404,
                f"There is no model {name} here; the one that is served is "
                f"{self.model}.",
                "model",
                "model_not_found",
            )
        # MAX finds a model with a slash in its name by what is behind the slash.
        last = "/v1/models/" + name.rpartition("/")[2]
        await self.app({**scope, "path": last}, receive, send)


def _allow(scope: Scope, *methods: str) -> None:
    if scope["method"] not in methods:
        raise RefusedError(405, f"{scope['path']} takes {' and '.join(methods)} only.")


def _file(path: Path) -> Response:
    kind = TYPES.get(path.suffix, "application/octet-stream")
    # Asked for again each time: what was changed shows when the page is loaded again.
    return FileResponse(path, media_type=kind, headers={"cache-control": "no-cache"})


async def _read(scope: Scope, receive: Receive) -> bytes:
    """Read the body of a request, up to a limit.

    Raises:
        RefusedError: It is longer.
    """
    request = Request(scope, receive)
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
