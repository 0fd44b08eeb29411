"""`course generate`: a GPT-2 goes on with a text, token by token."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.progress import (
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TimeElapsedColumn,
)
from rich.text import Text

from course.budget import tokens_that_fit
from course.checkpoint import Checkpoint, encode, load_checkpoint
from course.code import has_part_two, load_code, solution
from course.errors import Misuse, assert_text
from course.runtime import assert_device, assert_device_name
from course.steps import DEMO_MODEL
from course.streams import print_json
from course.warm import missing_kernels, warm

# Nobody knows beforehand whether MAX finds a graph in its cache; it takes seconds then.
COMPILING = "compiling the model (minutes the first time, then kept on disk)"
PATIENCE = 8.0
DTYPES = ("float32", "bfloat16", "int8")


@dataclass(frozen=True)
class Request:
    """What `course generate` is asked for; the options are those of the command.

    Raises:
        Misuse: An option has a value that makes no sense, or contradicts another.
    """

    prompt: str
    model: str | None = None
    code: str = "solutions"
    max_new_tokens: int | None = None
    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: Sequence[str] = field(default_factory=list)
    cache: bool = True
    stock_kernels: bool = False
    dtype: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be done before anything is."""
        assert_device_name(self.device)
        assert_text(self.prompt, "The prompt")
        assert_text(self.model or "", "--model")
        for stop in self.stop:
            assert_text(stop, "--stop")
        if self.code not in {"solutions", "steps"}:
            raise Misuse(f"--code {self.code}: choose solutions or steps.")
        if self.dtype not in DTYPES:
            raise Misuse(f"--dtype {self.dtype}: choose {', '.join(DTYPES)}.")
        if self.dtype != "float32" and (self.stock_kernels or not self.cache):
            other = "--stock-kernels" if self.stock_kernels else "--no-cache"
            raise Misuse(
                f"--dtype {self.dtype} needs the Mojo kernels; leave out {other}."
            )
        if "" in self.stop:
            raise Misuse("--stop '': give some text to stop at.")
        try:
            self.sampling(solution(16))
        except ValueError as error:
            name, _, value = str(error).rstrip(".").partition(" cannot be ")
            option = name.replace("_", "-")
            raise Misuse(f"--{option} {value}: it {_allowed(name)}.") from None

    def sampling(self, step: Any) -> Any:
        """Return the `Sampling` of step 16."""
        return step.Sampling(
            temperature=self.temperature,
            top_k=self.top_k,
            top_p=self.top_p,
            min_p=self.min_p,
            repetition_penalty=self.repetition_penalty,
        )


def _allowed(option: str) -> str:
    return {
        "temperature": "must be 0 (greedy) or above",
        "top_k": "must be 0 (all tokens) or above",
        "top_p": "must be above 0 and at most 1",
        "min_p": "must be at least 0 and at most 1",
        "repetition_penalty": "must be above 0; 1 changes nothing",
    }[option]


def budget(checkpoint: Checkpoint, prompt: str, max_new_tokens: int | None) -> int:
    """Return how many tokens may be generated after a prompt.

    Raises:
        CourseError: The prompt has no tokens, or some that the model does not know, or
            does not fit the model with what is asked.
    """
    length = len(encode(checkpoint, prompt))
    n_positions = checkpoint.sizes["n_positions"]
    return tokens_that_fit(length, n_positions, max_new_tokens, "--max-new-tokens")


def run(request: Request, as_json: bool, notes: Console) -> None:
    """Do what `course generate` says."""
    assert_device(request.device, notes)
    if not (request.cache and has_part_two(request.code)):
        # Before MAX is imported: it changes what child processes inherit.
        warm(missing_kernels([12], request.device), request.device, notes)
    with say(notes, "reading the weights"):
        checkpoint = load_checkpoint(request.model or str(DEMO_MODEL))
        new_tokens = budget(checkpoint, request.prompt, request.max_new_tokens)
    with say(notes, "starting MAX"):
        from course.engine import choose_engine

        code = load_code(request.code)
        engine = choose_engine(checkpoint, code, request, notes)
    notes.print(f"using {engine.description}", style="dim")
    with say(notes, "preparing the model", COMPILING):
        tokens = engine.start(new_tokens)
    stream = code.sampling.TextStream(checkpoint.tokenizer, request.stop, engine.prompt)
    writer = Writer(request.prompt, as_json, notes)
    try:
        for token_id in tokens:
            ended = token_id in checkpoint.end_of_text
            writer.add(token_id, "" if ended else stream.add(token_id))
            if ended or stream.stopped:
                break
    except KeyboardInterrupt:
        writer.interrupted()
        raise
    writer.end(stream.finish())


class Writer:
    """Writes the text as it comes, and at the end how fast it came."""

    def __init__(self, prompt: str, as_json: bool, notes: Console) -> None:
        """Begin with the prompt."""
        self.prompt = prompt
        self.as_json = as_json
        self.notes = notes
        self.token_ids: list[int] = []
        self.pieces: list[str] = []
        self.start = time.perf_counter()
        self._write(prompt)

    def add(self, token_id: int, piece: str) -> None:
        """Write what a token adds."""
        self.token_ids.append(token_id)
        self.pieces.append(piece)
        self._write(piece)

    def interrupted(self) -> None:
        """Leave the line and say how far it came."""
        self._write("\n")
        self.notes.print(f"stopped after {len(self.token_ids)} tokens")

    def end(self, piece: str) -> None:
        """Write what is left."""
        self.pieces.append(piece)
        self._write(piece + "\n")
        count = len(self.token_ids)
        speed = count / (time.perf_counter() - self.start)
        self.notes.print(f"{count} tokens, {speed:.0f} per second", style="dim")
        if self.as_json:
            answer = {
                "prompt": self.prompt,
                "text": "".join(self.pieces),
                "token_ids": self.token_ids,
                "tokens_per_second": speed,
            }
            print_json(answer)

    def _write(self, text: str) -> None:
        if not self.as_json:
            sys.stdout.write(text)
            sys.stdout.flush()


@contextlib.contextmanager
def say(notes: Console, what: str, later: str = "") -> Iterator[None]:
    """Show what takes its time, for as long as it takes.

    Args:
        notes: Where.
        what: What is being done.
        later: What it must be, once it has taken longer than `PATIENCE`.
    """
    if not notes.is_terminal:
        notes.print(f"{what} …", markup=False)
        timer = threading.Timer(PATIENCE, notes.print, [f"{later} …"])
        timer.daemon = True
        if later:
            timer.start()
        try:
            yield
        finally:
            timer.cancel()
        return
    columns = (SpinnerColumn(), Told(later or what), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


class Told(ProgressColumn):
    """What is being done, and another text when that has taken long."""

    def __init__(self, later: str) -> None:
        """Set the text for later."""
        super().__init__()
        self._later = later

    def render(self, task: Task) -> Text:
        """Return the text for now."""
        early = (task.elapsed or 0.0) < PATIENCE
        return Text(task.description if early else self._later)
