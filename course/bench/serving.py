"""`course bench --serve`: `course serve` and other servers, by number of clients.

A server with continuous batching computes one token of every text it has under way in
one pass over the weights. A server that lets one text in at a time keeps the others
waiting.
"""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import json
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from course.bench.clients import (
    LLAMA_CPP,
    OPENAI,
    Prompt,
    TimedAnswer,
    ask_all,
)
from course.bench.latency import figures, speedup
from course.bench.machine import machine
from course.bench.results import keep
from course.model.checkpoint import open_checkpoint
from course.process.launcher import command, environment
from course.process.ports import free_ports
from course.process.server import ServerProcess
from course.steps import DEMO_MODEL, ROOT

OURS, LLAMA, THEIRS = "course serve", "llama.cpp", "Hugging Face behind a lock"
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
GENERATE = "course generate"
REPEATS = 3
PROMPT_TOKENS = 16
WARM_UP = 4  # Tokens that do not count: what a server does for the first time.


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        folder: The model.
        name: What the results call it.
        prompts: What clients ask for.
        servers: Who is measured, with which dtypes of weights.
        clients: How many ask at the same time.
        new_tokens: How many tokens each text goes on by.
        seconds: How long clients go on asking.
        texts: How many texts a server may write at the same time.
    """

    folder: Path
    name: str
    prompts: Sequence[Prompt]
    servers: Mapping[str, Sequence[str]]
    clients: Sequence[int]
    new_tokens: int
    seconds: int
    texts: int

    def dtypes(self) -> list[str]:
        """The dtypes, in the order in which they are measured."""
        return list(dict.fromkeys(d for kept in self.servers.values() for d in kept))


DEMO = Plan(
    folder=DEMO_MODEL,
    name="the demo model",
    prompts=PROMPTS,
    servers={OURS: ["float32"], THEIRS: ["float32"]},
    clients=(1, 2, 4, 8, 16, 32),
    new_tokens=32,
    seconds=6,
    texts=8,
)


def plan_for(name: str, notes: Console) -> Plan:
    """Plan the measuring of a model beside llama.cpp's server, dtype by dtype.

    Args:
        name: Its directory.
        notes: Where it is said who is missing.
    """
    vocabulary = open_checkpoint(name).config.vocab_size
    random = np.random.default_rng(0)
    ids = random.integers(vocabulary, size=(len(PROMPTS), PROMPT_TOKENS)).tolist()
    servers = {
        OURS: ["float32", "bfloat16", "int8"],
        LLAMA: ["float32", "bfloat16", "int8"],
        THEIRS: ["float32", "bfloat16"],
    }
    if importlib.util.find_spec("xllamacpp") is None:
        notes.print("llama.cpp's server is left out: `pip install xllamacpp`.")
        del servers[LLAMA]
    return Plan(
        folder=Path(name),
        name=Path(name).name,
        prompts=[tuple(prompt) for prompt in ids],
        servers=servers,
        clients=(1, 8, 32),
        new_tokens=64,
        seconds=10,
        texts=32,
    )


def label(name: str, dtype: str) -> str:
    """What the results call somebody who keeps weights in this dtype."""
    return name if dtype == "float32" else f"{name} {dtype}"


def server(
    name: str, plan: Plan, dtype: str = "float32", replicas: int = 1
) -> ServerProcess:
    """The process of one server, on a port that is free; ours may have replicas."""
    [port] = free_ports(1)
    folder, texts = str(plan.folder), str(plan.texts)
    arguments = {
        OURS: [
            *("course", "serve", "--port", f"{port}", "--model", folder),
            *("--dtype", dtype, "--max-batch-size", texts),
            *("--replicas", f"{replicas}"),
        ],
        LLAMA: ["course.bench.llama_server", folder, f"{port}", dtype, texts],
        THEIRS: ["course.bench.baseline_server", folder, f"{port}", dtype],
    }[name]
    return ServerProcess(label(name, dtype), *arguments, port=port)


def measure(plan: Plan, notes: Console) -> dict[str, Any]:
    """Measure all servers, and return the results as they are written.

    Those of one dtype take turns with each number of clients. A server that has
    nothing to do takes a hundredth of the machine, so whoever has no turn is left as
    it is.

    Args:
        plan: What is measured.
        notes: Where progress is shown.
    """
    # SIGTERM, too, is to end the servers.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    answers: dict[str, dict[int, list[TimedAnswer]]] = {}
    generate = {}
    for dtype in plan.dtypes():
        with notes.status(f"course generate, {dtype} …"):
            generate[label(GENERATE, dtype)] = time_generate(plan, dtype)
        answers |= ask_servers(plan, dtype, notes)
    servers = {
        name: {str(clients): figures(given) for clients, given in by_clients.items()}
        for name, by_clients in answers.items()
    }
    return {
        "machine": machine(),
        "model": plan.name,
        "new_tokens": plan.new_tokens,
        "seconds": plan.seconds,
        "servers": servers,
        "generate": generate,
        "same_text": {
            name: same_text(answers[name], answers[OURS]) for name in answers
        },
        "speedup_at_8": {
            name: speedup(by_clients, 8) for name, by_clients in servers.items()
        },
    }


def ask_servers(
    plan: Plan, dtype: str, notes: Console
) -> dict[str, dict[int, list[TimedAnswer]]]:
    """Start the servers of one dtype, and ask them in turns.

    Args:
        plan: What is measured.
        dtype: How weights are kept.
        notes: Where progress is shown.

    Returns:
        The answers of each, by the number of clients.
    """
    names = [name for name, dtypes in plan.servers.items() if dtype in dtypes]
    answers: dict[str, dict[int, list[TimedAnswer]]] = {
        label(name, dtype): {} for name in names
    }
    with contextlib.ExitStack() as stack:
        running = {}
        for name in names:
            with notes.status(f"starting {label(name, dtype)} …"):
                running[name] = stack.enter_context(server(name, plan, dtype))
        progress = stack.enter_context(Progress(console=notes, transient=True))
        bar = progress.add_task("asking", total=len(names) * len(plan.clients))
        for clients in plan.clients:
            for name, process in running.items():
                asked = (process.port, plan.prompts, clients)
                api = LLAMA_CPP if name == LLAMA else OPENAI
                # What a server does for the first time does not count.
                ask_all(*asked, WARM_UP, api=api)
                answers[label(name, dtype)][clients] = ask_all(
                    *asked, plan.new_tokens, plan.seconds, api=api
                )
                progress.advance(bar)
    return answers


def time_generate(plan: Plan, dtype: str) -> list[float]:
    """The tokens per second of `course generate`, some times over."""
    prompt = plan.prompts[0]
    if not isinstance(prompt, str):
        prompt = open_checkpoint(str(plan.folder)).tokenizer.decode(prompt)
    generate = command(
        *("course", "generate", prompt, "--greedy", "--json"),
        *("--model", str(plan.folder), "--dtype", dtype),
        *("--max-new-tokens", str(plan.new_tokens)),
    )
    speeds = []
    for _ in range(REPEATS):
        ran = subprocess.run(
            generate, check=True, capture_output=True, env=environment(), cwd=ROOT
        )
        speeds.append(float(json.loads(ran.stdout)["tokens_per_second"]))
    return speeds


def same_text(
    some: dict[int, list[TimedAnswer]], others: dict[int, list[TimedAnswer]]
) -> bool:
    """Whether two servers have one text for each prompt, in whatever company."""
    texts: dict[Prompt, set[tuple[int, ...]]] = {}
    for answer in itertools.chain(*some.values(), *others.values()):
        texts.setdefault(answer.prompt, set()).add(answer.tokens)
    return all(len(different) == 1 for different in texts.values())


def write(results: dict[str, Any]) -> Path:
    """Keep the results."""
    demo = results["model"] == DEMO.name
    return keep("serve.json" if demo else "serve_gpt2.json", results)
