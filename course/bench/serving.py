"""`course bench --serve`: `course serve` and a plain server, by number of clients.

A server with continuous batching computes one token of every text it has under way in
one pass over the weights. A server that lets one text in at a time keeps the others
waiting.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from course.bench.clients import ask_all
from course.bench.latency import figures, speedup
from course.bench.machine import machine
from course.bench.results import keep
from course.process.ports import free_ports
from course.process.server import ServerProcess
from course.steps import DEMO_MODEL

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


def server(name: str) -> ServerProcess:
    """The process of a server for the demo model: `OURS` or `THEIRS`."""
    [port] = free_ports(1)
    command = ["course", "serve", "--port", f"{port}"]
    if name == THEIRS:
        command = ["course.bench.baseline_server", f"{DEMO_MODEL}", f"{port}"]
    return ServerProcess(name, *command, port=port)


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
                running[name] = stack.enter_context(server(name))
        progress = stack.enter_context(Progress(console=notes, transient=True))
        bar = progress.add_task("asking", total=len(names) * len(CLIENTS))
        for clients in CLIENTS:
            for name, process in running.items():
                # What a server does for the first time does not count.
                ask_all(process.port, PROMPTS, clients, NEW_TOKENS)
                answers = ask_all(process.port, PROMPTS, clients, NEW_TOKENS, SECONDS)
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
