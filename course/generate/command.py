"""`course generate`: a GPT-2 goes on with a text, token by token."""

from __future__ import annotations

import sys
import time

from rich.console import Console

from course.budget import tokens_that_fit
from course.console import COMPILING, say
from course.generate.request import Request
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.modules import WHOLE_MODEL, has_part_two, load_code
from course.runtime import assert_device
from course.steps import DEMO_MODEL
from course.streams import print_json
from course.warm import missing_kernels, warm


def budget(checkpoint: Checkpoint, prompt: str, max_new_tokens: int | None) -> int:
    """Return how many tokens may be generated after a prompt.

    Raises:
        CourseError: The prompt has no tokens, or some that the model does not know, or
            does not fit the model with what is asked.
    """
    length = len(checkpoint.encode(prompt))
    return tokens_that_fit(
        length, checkpoint.config.n_positions, max_new_tokens, "--max-new-tokens"
    )


def run(request: Request, as_json: bool, notes: Console) -> None:
    """Do what `course generate` says."""
    assert_device(request.device, notes)
    if not (request.cache and has_part_two(request.code)):
        # Before MAX is imported: it changes what child processes inherit.
        warm(missing_kernels([WHOLE_MODEL], request.device), request.device, notes)
    with say(notes, "reading the model"):
        checkpoint = open_checkpoint(request.model or str(DEMO_MODEL))
        new_tokens = budget(checkpoint, request.prompt, request.max_new_tokens)
    with say(notes, "starting MAX"):
        from course.generate.engine import choose_engine

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
