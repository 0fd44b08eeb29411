"""`course perplexity`: how well a model foresees a text that it did not write."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from course.console import COMPILING, say, track_slow
from course.errors import CourseError, Misuse
from course.generate.command import failures_of_the_reader
from course.generate.request import Request
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.modules import LANGUAGE_MODEL, has_part_two, load_code
from course.runtime import assert_device
from course.steps import DEMO_MODEL
from course.streams import print_json
from course.warm import missing_kernels, warm

if TYPE_CHECKING:
    from course.generate.engine import Scores


@dataclass(frozen=True)
class Foreseen:
    """How well a text was foreseen.

    Attributes:
        loss: The mean of -log p over the tokens that were scored, in nats.
        tokens: How many they are.
        context: How many tokens a window has.
        stride: How far it is from one window to the next.
    """

    loss: float
    tokens: int
    context: int
    stride: int

    @property
    def perplexity(self) -> float:
        """Among how many tokens, all as likely, the choice would be as hard."""
        try:
            return math.exp(self.loss)
        except OverflowError:
            return math.inf


@dataclass(frozen=True)
class Window:
    """A part of a text that the model reads at once.

    Attributes:
        begin: Its first token.
        scored: The first token that no window before has scored.
        end: Behind its last token.
    """

    begin: int
    scored: int
    end: int


def windows(length: int, context: int, stride: int) -> Iterator[Window]:
    """Cut a text into windows, as https://huggingface.co/docs/transformers/perplexity.

    Args:
        length: Of the text, in tokens.
        context: How many tokens a window has.
        stride: How far it is from one to the next, at most `context`.
    """
    end = 0
    for begin in range(0, length, stride):
        # Nothing foretells the first token of a window.
        scored = max(begin + 1, end)
        end = min(begin + context, length)
        yield Window(begin, scored, end)
        if end == length:
            return


def losses(logits: NDArray[np.float32], tokens: Sequence[int]) -> NDArray[np.float64]:
    """-log p of each token, in nats.

    Args:
        logits: What was foretold, shape [tokens, vocab_size].
        tokens: What came.
    """
    largest = logits.max(axis=1)
    others = np.exp(logits - largest[:, None]).sum(axis=1, dtype=np.float64)
    came = logits[np.arange(len(tokens)), tokens].astype(np.float64)
    return np.log(others) + largest - came


def foresee(
    score: Scores, tokens: Sequence[int], context: int, stride: int, notes: Console
) -> Foreseen:
    """Have a model read a text, window by window.

    Args:
        score: The model.
        tokens: The text.
        context: How many tokens the model reads at most.
        stride: How far it is from one window to the next.
        notes: Where progress is shown.

    Raises:
        CourseError: There is no token to score, or the model gives NaN.
    """
    each = [w for w in windows(len(tokens), context, stride) if w.scored < w.end]
    if not each:
        raise CourseError(
            "No token can be scored: that takes another one in front of it. The text "
            f"has {len(tokens)}, and the model reads at most {context} at once."
        )
    found = [
        losses(
            score(tokens[window.begin : window.end])[
                window.scored - window.begin - 1 : -1
            ],
            tokens[window.scored : window.end],
        )
        for window in track_slow(each, "reading the text", notes)
    ]
    of_all = np.concatenate(found)
    if np.isnan(of_all).any():
        raise CourseError(
            "The loss is no number (NaN): the model's weights are broken."
        )
    return Foreseen(float(of_all.mean()), len(of_all), context, stride)


def read_text(file: str) -> str:
    """Read a text file, or the standard input for "-".

    Raises:
        Misuse: There is no such file, or it is a folder.
        CourseError: It cannot be read, or is empty or no text.
    """
    name = "The standard input" if file == "-" else file
    try:
        read = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise Misuse(f"{file}: there is no such file.") from None
    except IsADirectoryError:
        raise Misuse(f"{file}: this is a folder; name a text file.") from None
    except OSError as error:
        raise CourseError(f"{file}: {error.strerror}.") from None
    if not read:
        raise CourseError(f"{name} is empty: there is nothing to foresee.")
    try:
        return read.decode()
    except UnicodeDecodeError as error:
        raise CourseError(
            f"{name} is not UTF-8 text: byte 0x{read[error.start]:02X} at offset "
            f"{error.start}. Convert it, or name another file."
        ) from None


def run(
    file: str, request: Request, stride: int | None, as_json: bool, notes: Console
) -> None:
    """Do what `course perplexity` says; the text is the request's prompt."""
    assert_device(request.device, notes)
    # Before MAX is imported: it changes what child processes inherit.
    eager = [] if has_part_two(request.code) else [LANGUAGE_MODEL]
    warm(missing_kernels(eager, request.device), request.device, notes)
    with say(notes, "reading the model"):
        checkpoint = open_checkpoint(request.model or str(DEMO_MODEL))
        stride = stride_that_fits(stride, checkpoint)
        tokens = checkpoint.encode(request.prompt, "text")
    with say(notes, "starting MAX"):
        from course.generate.engine import choose_engine

        code = load_code(request.code)
        engine = choose_engine(checkpoint, code, request, notes)
    parts = filter(None, [request.whose, engine.description])
    notes.print(f"using {', '.join(parts)}", style="dim")
    context = checkpoint.config.n_positions
    with failures_of_the_reader(request):
        with say(notes, "preparing the model", COMPILING):
            score = engine.every_position()
        found = foresee(score, tokens, context, stride, notes)
    notes.print(
        f"windows of {context} tokens, {stride} from one to the next", style="dim"
    )
    if as_json:
        finite = found.perplexity if math.isfinite(found.perplexity) else None
        dtype = request.dtype
        print_json(
            {"file": file, "dtype": dtype, "perplexity": finite, **asdict(found)}
        )
        return
    print(
        f"loss {found.loss:.4f}, perplexity {found.perplexity:.4g} "
        f"({found.tokens:,} tokens)"
    )


def stride_that_fits(stride: int | None, checkpoint: Checkpoint) -> int:
    """The stride, by default half of what the model reads at once.

    Raises:
        Misuse: Tokens would be left out.
    """
    context = checkpoint.config.n_positions
    if stride is None:
        return max(1, context // 2)
    if stride > context:
        raise Misuse(
            f"--stride {stride}: the model reads at most {context} tokens at once "
            "(n_positions), and the stride must not leave any out."
        )
    return stride
