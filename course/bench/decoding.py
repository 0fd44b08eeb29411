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

from course.bench.contenders import CONTENDERS
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
        raise CourseError(self.with_last_line(f"{self.name} broke down."))

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
    entry = CONTENDERS[name]
    return tuple(
        task
        for task in TASKS
        if (task.slow or entry.has_cache)
        and (not task.ours or (entry.is_ours and not entry.is_portable))
    )


@dataclass
class Measured:
    """What was measured.

    Attributes:
        seconds: Those of every round, by contender and task.
        peaks: The memory of each contender after its first task, in bytes.
        tokens: The tokens of that task.
        left_out: Who did not take part, and why.
    """

    seconds: Seconds
    peaks: dict[str, int]
    tokens: dict[str, list[list[int]]]
    left_out: dict[str, str]


def measure(names: list[str], folder: Path, repeats: int, notes: Console) -> Measured:
    """Have every contender do its tasks, in turns.

    Args:
        names: Who takes part, if what they need is installed.
        folder: The model.
        repeats: How many rounds, after one that does not count.
        notes: Where progress is shown.
    """
    measured = Measured({}, {}, {}, {})
    for name in names:
        if missing := CONTENDERS[name].missing:
            measured.left_out[name] = f"not installed: {', '.join(missing)}"
    ready = [name for name in names if name not in measured.left_out]
    # One after the other: they compile, and would take each other's time. In
    # processes of their own, for compiling takes memory as well.
    for name in track(ready, "compiling and converting", console=notes):
        entry = CONTENDERS[name]
        if not (entry.is_ours and entry.has_cache) and not entry.kind.packages:
            continue
        try:
            with ContenderProcess(name, folder) as preparing:
                preparing.answer()
                preparing.finish()
        except CourseError as error:
            measured.left_out[name] = str(error)
    ready = [name for name in ready if name not in measured.left_out]
    for name, why in measured.left_out.items():
        notes.print(f"{name} is left out: {why}", markup=False)
    contenders = []
    with contextlib.ExitStack() as stack:
        for name in track(ready, "loading", console=notes):
            contender = stack.enter_context(ContenderProcess(name, folder))
            contenders.append(contender)
            contender.answer()
            first = contender.ask(tasks_of(name)[0])
            measured.peaks[name] = first["peak_bytes"]
            measured.tokens[name] = first["tokens"]
        measured.seconds = {
            name: {task.name: [] for task in tasks_of(name)} for name in ready
        }
        for counted in track(range(repeats + 1), "decoding", console=notes):
            for task in TASKS:
                for contender in contenders:
                    if task.name not in measured.seconds[contender.name]:
                        continue
                    own = EAGER if contender.name == "eager" else task
                    took = contender.ask(own)["seconds"]
                    if counted:
                        measured.seconds[contender.name][task.name].append(took)
    return measured
