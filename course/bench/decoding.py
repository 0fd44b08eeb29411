"""Decoding, in turns: every round asks every contender for the same tokens."""

from __future__ import annotations

import contextlib
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

from course.bench.models import VOCABULARY
from course.errors import CourseError
from course.process.child import Child

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


class ContenderProcess(Child):
    """The process of one contender, which is still unless it is asked.

    Some contenders' threads look for work all the time, and would take it from those
    that are measured.
    """

    def __init__(self, name: str, folder: Path) -> None:
        super().__init__("course.bench.contender_process", name, str(folder))
        self.name = name
        self._answers = self.messages()

    def answer(self) -> dict[str, Any]:
        """Wait for its next answer.

        Raises:
            CourseError: The process has ended.
        """
        for answer in self._answers:
            self.signal(signal.SIGSTOP)
            return dict(answer)
        raise CourseError(
            f"{self.name} broke down. The last that it wrote is: {self.last_line()}"
        )

    def ask(self, task: Task) -> dict[str, Any]:
        """Have a task done."""
        self.send({"prompts": task.prompts(), "new_tokens": task.new_tokens})
        self.signal(signal.SIGCONT)
        return self.answer()

    def finish(self) -> int:
        """Let it end by itself."""
        self.signal(signal.SIGCONT)
        return super().finish()


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
    # One after the other: they compile, and would take each other's time. In
    # processes of their own, for compiling takes memory as well.
    for name in track([n for n in names if n in OURS], "compiling", console=notes):
        with ContenderProcess(name, folder) as compiling:
            compiling.answer()
            compiling.finish()
    contenders, peaks, tokens = [], {}, {}
    with contextlib.ExitStack() as stack:
        for name in track(names, "loading", console=notes):
            contender = stack.enter_context(ContenderProcess(name, folder))
            contenders.append(contender)
            contender.answer()
            first = contender.ask(tasks_of(name)[0])
            peaks[name], tokens[name] = first["peak_bytes"], first["tokens"]
        seconds: Seconds = {
            name: {task.name: [] for task in tasks_of(name)} for name in names
        }
        for counted in track(range(repeats + 1), "decoding", console=notes):
            for task in TASKS:
                for contender in contenders:
                    if task.name not in seconds[contender.name]:
                        continue
                    own = EAGER if contender.name == "eager" else task
                    took = contender.ask(own)["seconds"]
                    if counted:
                        seconds[contender.name][task.name].append(took)
    return seconds, peaks, tokens
