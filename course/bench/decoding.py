"""Decoding, in turns: every round asks every contender for the same tokens."""

from __future__ import annotations

import json
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from course import child
from course.bench.models import VOCABULARY
from course.errors import CourseError

Seconds = dict[str, dict[str, list[float]]]


@dataclass(frozen=True)
class Task:
    """What a contender is asked for.

    Attributes:
        name: Its name in the results.
        batch: How many texts at once.
        prompt: How many tokens each prompt has.
        new_tokens: How many each text goes on by.
        slow: Whether those without a cache do it too.
        ours: Whether nobody else does it.
    """

    name: str
    batch: int
    prompt: int
    new_tokens: int
    slow: bool = False
    ours: bool = False

    def prompts(self) -> list[list[int]]:
        """Random token IDs, the same every time."""
        random = np.random.default_rng(self.prompt)
        shape = (self.batch, self.prompt)
        ids: list[list[int]] = random.integers(VOCABULARY, size=shape).tolist()
        return ids


NEW_TOKENS = 64
TASKS = (
    Task("prompt 16", 1, 16, NEW_TOKENS, slow=True),
    Task("prompt 512", 1, 512, NEW_TOKENS),
    Task("prefill 512", 1, 512, 1),
    Task("batch 8", 8, 16, NEW_TOKENS),
    Task("first token at 16", 1, 16, 1, ours=True),
    Task("first token at 950", 1, 950, 1, ours=True),
    Task("tokens at 950", 1, 950, 1 + NEW_TOKENS, ours=True),
)
OURS = ("cache", "kernels", "kernels bfloat16", "kernels int8")
WITHOUT_CACHE = ("compiled", "Hugging Face, no cache")
# One operation at a time: a few tokens are enough to see it.
EAGER = Task("prompt 16", 1, 16, 2)


class Worker:
    """The process of one contender."""

    def __init__(self, name: str, folder: Path) -> None:
        """Start it."""
        self.name = name
        self._process = subprocess.Popen(
            child.command("course.bench.worker", name, str(folder)),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            env=child.environment(HF_HUB_OFFLINE="1"),
        )

    def wait(self) -> dict[str, Any]:
        """Read the next answer.

        Raises:
            CourseError: The process has ended.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise CourseError(
                f"{self.name} broke down; `python -m course.bench.worker "
                f"'{self.name}' MODEL` shows why."
            )
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, task: Task) -> dict[str, Any]:
        """Have a task done, and be still afterwards.

        Some contenders' threads look for work all the time, and would take it from
        those that are measured.
        """
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        request = {"prompts": task.prompts(), "new_tokens": task.new_tokens}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = self.wait()
        self._process.send_signal(signal.SIGSTOP)
        return answer

    def end(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.close()
        self._process.wait()


def tasks_of(name: str) -> tuple[Task, ...]:
    """What a contender is asked for."""
    if name == "eager":
        return (EAGER,)
    return tuple(
        task
        for task in TASKS
        if (task.slow or name not in WITHOUT_CACHE) and (name in OURS or not task.ours)
    )


def measure(
    names: list[str], folder: Path, repeats: int, notes: Console
) -> tuple[Seconds, dict[str, int], dict[str, list[list[int]]]]:
    """Have every contender do its tasks, in turns.

    Args:
        names: Who takes part.
        folder: The model.
        repeats: How many rounds, after one that does not count.
        notes: Where progress is shown.

    Returns:
        The seconds of every round, by contender and task; the peak memory of each
        after its first task, in bytes; the tokens of that task.
    """
    workers = []
    peaks, tokens = {}, {}
    try:
        # One after the other: they compile, and would take each other's time. In
        # processes of their own, for compiling takes memory as well.
        for name in track([n for n in names if n in OURS], "compiling", console=notes):
            compiling = Worker(name, folder)
            compiling.wait()
            compiling.end()
        for name in track(names, "loading", console=notes):
            worker = Worker(name, folder)
            workers.append(worker)
            worker.wait()
            first = worker.ask(tasks_of(name)[0])
            peaks[name], tokens[name] = first["peak_bytes"], first["tokens"]
        seconds: Seconds = {
            name: {task.name: [] for task in tasks_of(name)} for name in names
        }
        for counted in track(range(repeats + 1), "decoding", console=notes):
            for task in TASKS:
                for worker in workers:
                    if task.name not in seconds[worker.name]:
                        continue
                    own = EAGER if worker.name == "eager" else task
                    took = worker.ask(own)["seconds"]
                    if counted:
                        seconds[worker.name][task.name].append(took)
    finally:
        for worker in workers:
            worker.end()
    return seconds, peaks, tokens
