"""`course generate`: a GPT-2 goes on with a text, token by token."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from course.budget import tokens_that_fit
from course.check.max_errors import in_plain_words
from course.console import COMPILING, say
from course.errors import CourseError
from course.generate.request import Request, options_of
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.modules import (
    LANGUAGE_MODEL,
    WHOLE_MODEL,
    assert_done,
    has_part_two,
    load_code,
)
from course.runtime import assert_device
from course.steps import DEMO_MODEL, SPECULATION, get_step
from course.streams import print_json
from course.warm import missing_kernels, warm

if TYPE_CHECKING:
    from course.generate.engine import Engine


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


def assert_lookup_fits(lookup: int, checkpoint: Checkpoint) -> None:
    """Refuse more proposals than the model has positions.

    Raises:
        CourseError: There are as many.
    """
    positions = checkpoint.config.n_positions
    if lookup >= positions:
        raise CourseError(
            f"--lookup {lookup} is longer than any text: this model has {positions} "
            "positions. Try 8."
        )


def run(request: Request, as_json: bool, notes: Console) -> None:
    """Do what `course generate` says."""
    assert_device(request.device, notes)
    for number in request.transplants:
        assert_done(get_step(number), options_of([number]))
    if request.lookup and request.code == "steps":
        assert_done(get_step(SPECULATION))
    # Before MAX is imported: it changes what child processes inherit.
    warm(missing_kernels(eager_steps(request), request.device), request.device, notes)
    with say(notes, "reading the model"):
        checkpoint = open_checkpoint(request.model or str(DEMO_MODEL))
        new_tokens = budget(checkpoint, request.prompt, request.max_new_tokens)
        assert_lookup_fits(request.lookup, checkpoint)
    with say(notes, "starting MAX"):
        from course.generate.engine import choose_engine

        code = load_code(request.code, request.transplants)
        engine = choose_engine(checkpoint, code, request, notes)
    parts = filter(None, [request.whose, engine.description])
    notes.print(f"using {', '.join(parts)}", style="dim")
    with failures_of_the_reader(request):
        if request.top:
            show_next_tokens(engine, as_json, notes)
        else:
            write(engine, new_tokens, as_json, notes)


def write(engine: Engine, new_tokens: int, as_json: bool, notes: Console) -> None:
    """Write the text as it is generated."""
    request, checkpoint = engine.request, engine.checkpoint
    with say(notes, "preparing the model", COMPILING):
        passes = engine.start(new_tokens)
    stream = engine.code.sampling.TextStream(
        checkpoint.tokenizer, request.stop, engine.prompt
    )
    writer = Writer(request, as_json, notes)
    try:
        for token_id in writer.count(passes):
            ended = token_id in checkpoint.end_of_text
            writer.add(token_id, "" if ended else stream.add(token_id))
            if ended or stream.stopped:
                break
    except KeyboardInterrupt:
        writer.interrupted()
        raise
    writer.end(stream.finish())


def show_next_tokens(engine: Engine, as_json: bool, notes: Console) -> None:
    """Show the likeliest next tokens, each with its probability."""
    with say(notes, "preparing the model", COMPILING):
        probabilities = engine.code.sampling.softmax(engine.logits())
    tokenizer = engine.checkpoint.tokenizer
    likeliest = [
        {
            "token": tokenizer.decode([token_id], skip_special_tokens=False),
            "token_id": token_id,
            "probability": float(probabilities[token_id]),
        }
        for token_id in (-probabilities).argsort()[: engine.request.top].tolist()
    ]
    if as_json:
        print_json({"prompt": engine.request.prompt, "next": likeliest})
        return
    for each in likeliest:
        token = json.dumps(each["token"], ensure_ascii=False)
        print(f"{each['probability']:7.2%}  {token}")


def eager_steps(request: Request) -> list[int]:
    """The steps whose operations are run one by one, for which MAX compiles each."""
    if request.form in ("eager", "embeddings"):
        return [LANGUAGE_MODEL, WHOLE_MODEL]
    if request.form == "compiled" or not has_part_two(request.code):
        return [WHOLE_MODEL]
    return []


@contextlib.contextmanager
def failures_of_the_reader(request: Request) -> Iterator[None]:
    """Say in a sentence what goes wrong where steps are the reader's.

    Raises:
        CourseError: Something did.
    """
    try:
        yield
    except (CourseError, OSError):
        raise
    except (Exception, SystemExit) as error:
        if not request.whose:
            raise
        text = str(error).strip()
        why = in_plain_words(text) or f"{type(error).__name__}: {text}".rstrip(": ")
        [first, *_] = why.splitlines()
        sentence = first if first.endswith((".", "?")) else f"{first}."
        which = request.transplants[0] if len(request.transplants) == 1 else "--all"
        raise CourseError(
            f"The model cannot write with {request.whose}. {sentence} "
            f"`course check {which}` says more."
        ) from None


class Writer:
    """Writes the text as it comes, and at the end how fast it came."""

    def __init__(self, request: Request, as_json: bool, notes: Console) -> None:
        self.prompt = request.prompt
        self.looks_up = request.num_proposals > 0
        self.as_json = as_json
        self.notes = notes
        self.token_ids: list[int] = []
        self.pieces: list[str] = []
        self.passes = 0
        self.start = time.perf_counter()

    def count(self, passes: Iterable[Sequence[int]]) -> Iterator[int]:
        """Hand on the tokens of each pass, one by one."""
        for tokens in passes:
            self.passes += 1
            yield from tokens

    def add(self, token_id: int, piece: str) -> None:
        """Write what a token adds, the first one behind the prompt."""
        if not self.token_ids:
            self._write(self.prompt)
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
        looked_up = f", {count - self.passes} of them by lookup: {self.passes} passes"
        self.notes.print(
            f"{count} tokens, {speed:.0f} per second{looked_up * self.looks_up}",
            style="dim",
        )
        if self.as_json:
            answer = {
                "prompt": self.prompt,
                "text": "".join(self.pieces),
                "token_ids": self.token_ids,
                "tokens_per_second": speed,
                "passes": self.passes,
            }
            print_json(answer)

    def _write(self, text: str) -> None:
        if not self.as_json:
            sys.stdout.write(text)
            sys.stdout.flush()
