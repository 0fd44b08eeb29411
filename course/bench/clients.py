"""Clients of a server that streams: they ask at once, and note when tokens arrive."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from course.errors import CourseError
from course.process.ports import HOST

TIME_LIMIT = 300

Prompt = str | tuple[int, ...]
"""A text, or token IDs."""


@dataclass(frozen=True)
class Api:
    """How a server is asked for a text, and how it answers.

    Attributes:
        path: Where.
        request: Makes the request, from the prompt and how many tokens are to follow:
            always the most likely ones, piece by piece.
        read: The token IDs in one event of the answer.
    """

    path: str
    request: Callable[[Prompt, int], dict[str, Any]]
    read: Callable[[dict[str, Any]], list[int]]


OPENAI = Api(
    "/v1/completions",
    lambda prompt, new_tokens: {
        "prompt": prompt,
        "max_tokens": new_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "return_token_ids": True,
    },
    lambda event: event["choices"][0]["token_ids"],
)

# Its answers in OpenAI's form have no token IDs.
LLAMA_CPP = Api(
    "/completion",
    lambda prompt, new_tokens: {
        "prompt": prompt,
        "n_predict": new_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "return_tokens": True,
        # Who asks again is to have the prompt read again.
        "cache_prompt": False,
    },
    lambda event: event["tokens"],
)


@dataclass(frozen=True)
class TimedAnswer:
    """What came back for one prompt.

    Attributes:
        prompt: The prompt.
        asked: When the client asked, in seconds.
        arrivals: When each piece of the text arrived, in seconds, and its tokens: a
            server with much to do sends several at once.
    """

    prompt: Prompt
    asked: float
    arrivals: list[tuple[float, tuple[int, ...]]]

    @property
    def tokens(self) -> tuple[int, ...]:
        """All tokens."""
        return tuple(token for _, tokens in self.arrivals for token in tokens)


def ask_all(
    port: int,
    prompts: Sequence[Prompt],
    clients: int,
    new_tokens: int,
    seconds: float = 0,
    api: Api = OPENAI,
) -> list[TimedAnswer]:
    """Let a number of clients ask for texts, each for the next when it has one.

    So there are always as many requests under way as there are clients, but for the
    end.

    Args:
        port: Of the server, on this machine.
        prompts: What they ask for, in turns; each client begins with another.
        clients: How many ask at the same time.
        new_tokens: How many tokens each text goes on by.
        seconds: When to stop asking. Each client asks at least once.
        api: How the server is asked.

    Returns:
        All answers.
    """
    end = time.perf_counter() + seconds

    def keep_asking(client: int) -> list[TimedAnswer]:
        answers: list[TimedAnswer] = []
        while not answers or time.perf_counter() < end:
            prompt = prompts[(client + len(answers)) % len(prompts)]
            answers.append(ask(port, prompt, new_tokens, api))
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return list(itertools.chain(*pool.map(keep_asking, range(clients))))


def ask(port: int, prompt: Prompt, new_tokens: int, api: Api = OPENAI) -> TimedAnswer:
    """Ask for one text, always with the most likely token, and read it to its end.

    Args:
        port: Of the server, on this machine.
        prompt: What to go on from.
        new_tokens: How many tokens it goes on by.
        api: How the server is asked.

    Returns:
        The tokens, and when they came.

    Raises:
        CourseError: The server refused, went away, or gave another number of tokens.
    """
    asked = time.perf_counter()
    arrivals = []
    try:
        for event in _events(port, api.path, api.request(prompt, new_tokens)):
            if token_ids := api.read(event):
                arrivals.append((time.perf_counter(), tuple(token_ids)))
    except (OSError, http.client.HTTPException) as error:
        raise CourseError(f"The connection to the server was lost: {error}") from None
    answer = TimedAnswer(prompt, asked, arrivals)
    if len(answer.tokens) != new_tokens:
        raise CourseError(f"{len(answer.tokens)} tokens came instead of {new_tokens}.")
    return answer


def _events(port: int, path: str, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The server-sent events of an answer, each as soon as it is there."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIME_LIMIT)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", path, json.dumps(request), headers)
        for line in _accepted(connection):
            data = line.removeprefix(b"data:").strip()
            if line.startswith(b"data:") and data != b"[DONE]":
                yield json.loads(data)
    finally:
        connection.close()


def _accepted(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    response = connection.getresponse()
    if response.status != http.HTTPStatus.OK:
        said = response.read(300).decode(errors="replace")
        raise CourseError(f"The server answered with {response.status}: {said}")
    return response
