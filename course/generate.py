"""`course generate`: a GPT-2 goes on with a text, token by token."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from course.errors import CourseError, Misuse
from course.runtime import assert_device_name
from course.steps import DEMO_MODEL
from course.warm import missing_kernels, warm

if TYPE_CHECKING:
    from max.driver import Device
    from max.experimental.tensor import Tensor

    from course.checkpoint import Checkpoint
    from course.compiled import Code

DEFAULT_NEW_TOKENS = 200

# The operations that step 12 adds to the compiled model.
STEP_12 = {"slice", "argmax", "softmax", "divide", "concat"}


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        temperature: 0 takes the most likely token; above, logits are divided by it.
        top_k: Only the K most likely tokens can be drawn; 0 for all.
        top_p: Only the most likely tokens that together have this probability.
        seed: Of the draws; `None` for a new one each time.

    Raises:
        Misuse: A value makes no sense.
    """

    temperature: float = 0.8
    top_k: int = 0
    top_p: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise Misuse(
                f"--temperature {self.temperature}: it must be 0 (greedy) or above."
            )
        if not 0 < self.top_p <= 1:
            raise Misuse(f"--top-p {self.top_p}: it must be above 0 and at most 1.")


def keep_likely(
    logits: np.ndarray, temperature: float, top_k: int, top_p: float
) -> np.ndarray:
    """Set the logits of unlikely tokens to minus infinity.

    Follows `TopKLogitsWarper` and `TopPLogitsWarper` of transformers, in this order.

    Args:
        logits: float32, shape [batch, vocab_size].
        temperature: Above 0; decides how many tokens make up `top_p`.
        top_k: How many tokens to keep; 0 for all. Ties at the border are kept.
        top_p: Above 0, at most 1: the share of the probability to keep.

    Returns:
        The logits with the others at minus infinity, same shape.
    """
    if 0 < top_k < logits.shape[-1]:
        border = np.partition(logits, -top_k, axis=-1)[:, -top_k, None]
        logits = np.where(logits < border, -np.inf, logits)
    if top_p < 1:
        scaled = logits.astype(np.float64) / temperature
        probabilities = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        order = np.argsort(probabilities, axis=-1, kind="stable")
        ascending = np.take_along_axis(probabilities, order, axis=-1)
        unlikely = ascending.cumsum(axis=-1) <= 1 - top_p
        unlikely[:, -1] = False  # The most likely token always stays.
        drop = np.zeros_like(unlikely)
        np.put_along_axis(drop, order, unlikely, axis=-1)
        logits = np.where(drop, -np.inf, logits)
    return logits.astype(np.float32)


def only_likely(
    model: Callable[[Tensor], Tensor], sampling: Sampling
) -> Callable[[Tensor], Tensor]:
    """Wrap a model so that only likely tokens are left to draw from."""
    from max.experimental.tensor import Tensor

    if sampling.temperature == 0 or (sampling.top_k == 0 and sampling.top_p == 1):
        return model

    def filtered(input_ids: Tensor) -> Tensor:
        logits = model(input_ids)
        kept = keep_likely(
            logits.to_numpy()[:, -1, :],
            sampling.temperature,
            sampling.top_k,
            sampling.top_p,
        )
        return Tensor(kept[:, None, :]).to(logits.device)

    return filtered


def token_stream(
    checkpoint: Checkpoint,
    code: Code,
    model: Callable[[Tensor], Tensor],
    prompt: str,
    max_new_tokens: int,
    sampling: Sampling,
    device: Device,
) -> Iterator[int]:
    """Generate with step 12 until the text or the budget ends.

    Yields:
        The new token IDs; the last one is the end of text, if the model wrote it.
    """
    steps = code.generation
    tokens = steps.generate_tokens(
        only_likely(model, sampling),
        steps.encode_text(prompt, checkpoint.tokenizer, device=device),
        max_new_tokens,
        temperature=sampling.temperature,
        rng=np.random.default_rng(sampling.seed),
    )
    for token in tokens:
        token_id = int(token.to_numpy()[0, 0])
        yield token_id
        if token_id in checkpoint.end_of_text:
            return


def budget(checkpoint: Checkpoint, prompt: str, max_new_tokens: int | None) -> int:
    """Return how many tokens may be generated after a prompt.

    Raises:
        CourseError: The prompt is empty, or does not fit the model with what is asked.
    """
    length = len(checkpoint.tokenizer.encode(prompt).ids)
    n_positions = checkpoint.sizes["n_positions"]
    if length == 0:
        raise CourseError(
            "The prompt is empty: give the model some text to go on from."
        )
    room = n_positions - length
    if room < 1:
        raise CourseError(
            f"The prompt has {length} tokens, and this model reads at most "
            f"{n_positions} (n_positions) with what it writes. Shorten it."
        )
    if max_new_tokens is None:
        return min(DEFAULT_NEW_TOKENS, room)
    if max_new_tokens > room:
        raise CourseError(
            f"--max-new-tokens {max_new_tokens} does not fit: the prompt has {length} "
            f"tokens, and this model reads at most {n_positions} (n_positions) with "
            f"what it writes. At most {room} can follow."
        )
    return max_new_tokens


def run(
    prompt: str,
    model_name: str | None,
    whose_code: str,
    max_new_tokens: int | None,
    sampling: Sampling,
    device_name: str,
    as_json: bool,
    notes: Console,
) -> None:
    """Do what `course generate` says."""
    assert_device_name(device_name)
    with say(notes, "reading the weights"):
        from tokenizers.decoders import DecodeStream

        from course.checkpoint import load_checkpoint

        checkpoint = load_checkpoint(model_name or str(DEMO_MODEL))
        new_tokens = budget(checkpoint, prompt, max_new_tokens)
    # Before MAX is imported here: it changes what child processes inherit.
    missing = missing_kernels([12], device_name)
    warm([k for k in missing if k.name in STEP_12], device_name, notes)
    with say(notes, "starting MAX"):
        from course.compiled import compile_model, load_code
        from course.runtime import find_device

        device = find_device(device_name)
        code = load_code(whose_code)
    with say(notes, "compiling (minutes the first time, then kept on disk)"):
        model = compile_model(checkpoint, code, device)

    stream = DecodeStream(skip_special_tokens=True)
    token_ids: list[int] = []
    pieces: list[str] = []
    if not as_json:
        _write(prompt)
    start = time.perf_counter()
    try:
        for token_id in token_stream(
            checkpoint, code, model, prompt, new_tokens, sampling, device
        ):
            token_ids.append(token_id)
            # None until the bytes of the tokens make whole characters.
            piece = stream.step(checkpoint.tokenizer, token_id)
            if piece:
                pieces.append(piece)
                if not as_json:
                    _write(piece)
    except KeyboardInterrupt:
        _write("\n")
        notes.print(f"stopped after {len(token_ids)} tokens")
        raise
    if not as_json:
        _write("\n")
    seconds = time.perf_counter() - start
    speed = len(token_ids) / seconds
    notes.print(f"{len(token_ids)} tokens, {speed:.0f} per second", style="dim")
    if as_json:
        answer = {
            "prompt": prompt,
            "text": "".join(pieces),
            "token_ids": token_ids,
            "tokens_per_second": speed,
        }
        print(json.dumps(answer, ensure_ascii=False))


@contextlib.contextmanager
def say(notes: Console, what: str) -> Iterator[None]:
    """Show what takes its time, for as long as it takes."""
    if not notes.is_terminal:
        notes.print(f"{what} …")
        yield
        return
    columns = (SpinnerColumn(), TextColumn(what), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as progress:
        progress.add_task(what, total=None)
        yield


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
