"""What stands between the entrance and MAX's server."""

from __future__ import annotations

import json

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from course.serve.completion import check_completion
from course.serve.context import encode, fit
from course.serve.entrance import entrance, read_json
from course.serve.refused import RefusedError, unknown_model


def gateway(app: FastAPI, model: str, is_local: bool) -> ASGIApp:
    """Check requests, and hand what is left to MAX.

    What MAX's server has beyond this list, such as loading adapters from any path, is
    not reachable.

    Args:
        app: MAX's server.
        model: The name of the model that is served.
        is_local: Whether it is served to this machine only.
    """
    routes = [
        Route("/v1/completions", Completions(app, model), methods=["POST"]),
        Route("/tokenize", Tokenize(app, model), methods=["POST"]),
        Route("/v1/models/{name:path}", Models(app, model), methods=["GET"]),
        *(
            Route(path, _Reading(app), methods=["GET"])
            for path in ("/v1/models", "/health", "/version")
        ),
    ]
    return entrance(routes, is_local)


class Completions:
    """`/v1/completions`: hands to MAX what it can answer."""

    def __init__(self, app: FastAPI, model: str) -> None:
        """Stand before MAX's server."""
        self.app = app
        self.model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        request = Request(scope, receive)
        asked = check_completion(await read_json(request), self.model)
        asked = await fit(asked, self.app.state.pipeline.tokenizer)
        body = json.dumps(asked).encode()
        await self.app(*_with_body(scope, receive, body), send)


class Tokenize:
    """`/tokenize`, which MAX has not: a router asks what prompts have in common.

    The answer is vLLM's. Without it, vllm-router's `cache_aware` goes by load alone.
    """

    def __init__(self, app: FastAPI, model: str) -> None:
        """Stand beside MAX's server."""
        self.app = app
        self.model = model

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        asked = check_completion(await read_json(Request(scope, receive)), self.model)
        tokenizer = self.app.state.pipeline.tokenizer
        if len(asked["prompt"]) > 1:
            raise RefusedError(
                400, "One prompt at a time has its tokens told.", "prompt"
            )
        [prompt] = asked["prompt"]
        tokens = await encode(prompt, tokenizer)
        answer = JSONResponse(
            {
                "count": len(tokens),
                "max_model_len": tokenizer.max_length,
                "tokens": tokens,
            }
        )
        await answer(scope, receive, send)


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
