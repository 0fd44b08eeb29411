"""`course bench --serve`: `course serve` and a plain server, by number of clients.

A server with continuous batching computes one token of every text it has under way in
one pass over the weights. A server that lets one text in at a time keeps the others
waiting.
"""

from __future__ import annotations

import contextlib
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from course import child
from course.bench.clients import ask_all, find_model
from course.bench.latency import figures, speedup
from course.bench.machine import machine
from course.bench.results import keep
from course.errors import CourseError
from course.ports import free_ports
from course.steps import DEMO_MODEL, ROOT

OURS, THEIRS = "course serve", "Hugging Face behind a lock"
CLIENTS = (1, 2, 4, 8, 16, 32)
SECONDS = 6
NEW_TOKENS = 32
PROMPTS = (
    "Once upon a time",
    "The fox",
    "One day, a small bear went into the forest",
    "Bella looked up at the moon.",
    '"Where are you going?" said the owl.',
    "A little mouse was very hungry, because",
    "It was raining, and",
    "Tom and his sister",
)
# The first time, MAX compiles the model: about two minutes.
START_LIMIT = 600


def command(name: str, port: int) -> list[str]:
    """Return the command line of a server for the demo model."""
    if name == OURS:
        return child.command("course", "serve", "--port", str(port))
    return child.command("course.bench.locked", str(DEMO_MODEL), str(port))


def measure(notes: Console) -> dict[str, Any]:
    """Measure both servers, and return the results as they are written.

    They take turns with each number of clients. A server that has nothing to do takes
    a hundredth of the machine, so whoever has no turn is left as it is.

    Args:
        notes: Where progress is shown.
    """
    # SIGTERM, too, is to end the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    names = (OURS, THEIRS)
    servers: dict[str, dict[str, Any]] = {name: {} for name in names}
    texts: set[tuple[str, str]] = set()
    with contextlib.ExitStack() as stack:
        running = {}
        for name in names:
            with notes.status(f"starting {name} …"):
                running[name] = stack.enter_context(Server(name))
        progress = stack.enter_context(Progress(console=notes, transient=True))
        bar = progress.add_task("asking", total=len(names) * len(CLIENTS))
        for clients in CLIENTS:
            for name, server in running.items():
                # What a server does for the first time does not count.
                ask_all(server.port, PROMPTS, clients, NEW_TOKENS)
                answers = ask_all(server.port, PROMPTS, clients, NEW_TOKENS, SECONDS)
                servers[name][str(clients)] = figures(answers)
                texts |= {(answer.prompt, answer.text) for answer in answers}
                progress.advance(bar)
    return {
        "machine": machine(),
        "new_tokens": NEW_TOKENS,
        "seconds": SECONDS,
        "servers": servers,
        # One text for each prompt, whoever wrote it, in whatever company.
        "same_text": len(texts) == len(PROMPTS),
        "speedup_at_8": {name: speedup(servers[name], 8) for name in names},
    }


def write(results: dict[str, Any]) -> Path:
    """Keep the results."""
    return keep("serve.json", results)


class Server:
    """A server in a process of its own."""

    def __init__(self, name: str) -> None:
        """Start it.

        Args:
            name: `OURS` or `THEIRS`.
        """
        self.name = name
        [self.port] = free_ports(1)
        self._process = subprocess.Popen(
            command(name, self.port),
            cwd=ROOT,
            env=child.environment(HF_HUB_OFFLINE="1"),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Server:
        """Wait until it answers."""
        try:
            self._wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._process.terminate()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait(self) -> None:
        end = time.monotonic() + START_LIMIT
        while time.monotonic() < end:
            if self._process.poll() is not None:
                break
            with contextlib.suppress(OSError, CourseError):
                find_model(self.port)
                return
            time.sleep(0.2)
        raise CourseError(
            f"{self.name} does not start; "
            f"`{shlex.join(command(self.name, self.port))}` shows why."
        )
