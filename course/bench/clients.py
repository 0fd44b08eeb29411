"""Clients of a server that streams: they ask at once, and note when tokens arrive."""

from __future__ import annotations

import http.client
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from course.errors import CourseError
from course.process.ports import HOST

TIME_LIMIT = 120


@dataclass(frozen=True)
class TimedAnswer:
    """What came back for one prompt.

    Attributes:
        prompt: The prompt.
        asked: When the client asked, in seconds.
        arrivals: When each piece of the text arrived, in seconds, and of how many
            tokens it is: a server with much to do sends several at once.
        text: The text.
    """

    prompt: str
    asked: float
    arrivals: list[tuple[float, int]]
    text: str

    @property
    def tokens(self) -> int:
        """How many tokens there are."""
        return sum(tokens for _, tokens in self.arrivals)


def ask_all(
    port: int,
    prompts: Sequence[str],
    clients: int,
    new_tokens: int,
    seconds: float = 0,
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

    Returns:
        All answers.
    """
    model = find_model(port)
    end = time.perf_counter() + seconds

    def keep_asking(client: int) -> list[TimedAnswer]:
        answers: list[TimedAnswer] = []
        while not answers or time.perf_counter() < end:
            prompt = prompts[(client + len(answers)) % len(prompts)]
            answers.append(ask(port, model, prompt, new_tokens))
        return answers

    with ThreadPoolExecutor(clients) as pool:
        return list(itertools.chain(*pool.map(keep_asking, range(clients))))


def ask(port: int, model: str, prompt: str, new_tokens: int) -> TimedAnswer:
    """Ask for one text, always with the most likely token, and read it to its end.

    Args:
        port: Of the server, on this machine.
        model: The name that the server gives its model.
        prompt: The text to go on from.
        new_tokens: How many tokens it goes on by.

    Returns:
        The text, and when its pieces came.

    Raises:
        CourseError: The server refused, went away, or gave another number of tokens.
    """
    request = {
        "model": model,
        "prompt": prompt,
        "max_tokens": new_tokens,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "return_token_ids": True,
    }
    asked = time.perf_counter()
    arrivals, text = [], ""
    try:
        for event in _events(port, request):
            [choice] = event["choices"]
            arrivals.append((time.perf_counter(), len(choice["token_ids"])))
            text += choice["text"]
    except (OSError, http.client.HTTPException) as error:
        raise CourseError(f"The connection to the server was lost: {error}") from None
    answer = TimedAnswer(prompt, asked, arrivals, text)
    if answer.tokens != new_tokens:
        raise CourseError(f"{answer.tokens} tokens came instead of {new_tokens}.")
    return answer


def find_model(port: int) -> str:
    """Return the name of the server's model.

    Raises:
        OSError: Nobody listens there, yet.
        CourseError: The server is there and not ready.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=TIME_LIMIT)
    try:
        connection.request("GET", "/v1/models")
        body = json.load(_accepted(connection))
    finally:
        connection.close()
    name: str = body["data"][0]["id"]
    return name


def _events(port: int, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The server-sent events of an answer, each as soon as it is there."""
    connection = http.client.HTTPConnection(HOST, port, timeout=TIME_LIMIT)
    headers = {"Content-Type": "application/json"}
    try:
        connection.request("POST", "/v1/completions", json.dumps(request), headers)
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
