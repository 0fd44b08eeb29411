"""What a request that cannot be answered gets: an error as the OpenAI API writes it."""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse

LONGEST_QUOTE = 80


class RefusedError(Exception):
    """A request that cannot be answered.

    Attributes:
        status: The HTTP status.
        message: What is wrong with it, for whoever wrote the client.
        param: The field that is wrong, if it is one.
        code: A word for programs, if the OpenAI API has one.
    """

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str = ""
    ) -> None:
        """Say what is wrong."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code or None

    def response(self) -> JSONResponse:
        """The error as the OpenAI API writes it."""
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        error = {"message": self.message, "type": kind}
        body = {"error": {**error, "param": self.param, "code": self.code}}
        # The rest of a body that is too large is not read.
        headers = {"connection": "close"} if self.status == 413 else None
        return JSONResponse(body, self.status, headers)


def unknown_model(asked: str, model: str) -> RefusedError:
    """The error for a model that is not the one that is served."""
    return RefusedError(
        404,
        f"There is no model {quote(asked)} here; the one that is served is "
        f"{quote(model)}.",
        "model",
        "model_not_found",
    )


def quote(value: Any) -> str:
    """Write a value for a message: as JSON, and not all of it if it is long."""
    return shorten(json.dumps(value, ensure_ascii=False))


def shorten(text: str) -> str:
    """Leave out the end of a long text."""
    return text if len(text) <= LONGEST_QUOTE else f"{text[:LONGEST_QUOTE]}…"
