"""Which form of the model generates: the fastest that machine and request allow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from max.driver import CPU, Device
from max.experimental.tensor import Tensor
from numpy.typing import NDArray
from rich.console import Console

from course.check.building import call
from course.check.kernel.compile_errors import ERROR
from course.errors import CourseError, Misuse
from course.generate.embeddings import use_embeddings
from course.generate.request import Request
from course.model.checkpoint import Checkpoint
from course.model.compile import (
    Compiled,
    Ending,
    build_whole_sequence,
    compile_cached,
    compile_kernels,
    every_position,
    last_position,
    some_positions,
)
from course.model.kernel_package import KernelsUnavailable, instructions, package
from course.model.modules import FAST_MODEL, Code
from course.runtime import find_device

Scores = Callable[[Sequence[int]], NDArray[np.float32]]
"""From a text's tokens to the logits of what follows each, [tokens, vocab_size]."""


@dataclass(frozen=True)
class Engine(ABC):
    """A form of the model, ready to be compiled."""

    checkpoint: Checkpoint
    code: Code
    request: Request
    device: Device

    @property
    @abstractmethod
    def description(self) -> str:
        """What it is using, in a few words."""

    @abstractmethod
    def start(self, new_tokens: int) -> Iterator[Sequence[int]]:
        """Prepare the model; yield the tokens of pass after pass."""

    @abstractmethod
    def logits(self) -> NDArray[np.float32]:
        """Prepare the model; score every token as the one after the prompt."""

    @abstractmethod
    def every_position(self) -> Scores:
        """Prepare the model to score what follows each token of a text."""

    @cached_property
    def prompt(self) -> list[int]:
        """The token IDs of the prompt."""
        return self.checkpoint.encode(self.request.prompt)

    @cached_property
    def sampling(self) -> Any:
        """How tokens are chosen, as step 16 says it."""
        return self.code.sampling.Sampling(**self.request.sampling)

    @property
    def rng(self) -> np.random.Generator:
        """A new source of draws, the same for the same seed."""
        return np.random.default_rng(self.request.seed)

    @property
    def place(self) -> str:
        """The device, as the reader calls it."""
        return "CPU" if isinstance(self.device, CPU) else "GPU"


class WholeSequence(Engine):
    """Step 12's loop: the whole sequence is read again for every token."""

    @property
    def description(self) -> str:
        """What it is using, in a few words."""
        return f"no cache: the whole text again for each token, float32, {self.place}"

    def start(self, new_tokens: int) -> Iterator[Sequence[int]]:
        """Prepare the model; yield the token of pass after pass."""
        model = self.model()

        def filtered(input_ids: Tensor) -> Tensor:
            [text] = input_ids.to_numpy().tolist()
            logits = model(input_ids).to_numpy().copy()
            # Step 12 is given all positions there are, and has to take the last.
            logits[0, -1] = self._filter(last(logits), text)
            return Tensor.from_dlpack(logits).to(self.device)

        tokens = self.code.generation.generate_tokens(
            filtered,
            self._input_ids(),
            new_tokens,
            temperature=self.sampling.temperature,
            rng=self.rng,
        )
        return (token.to_numpy()[0].tolist() for token in tokens)

    def logits(self) -> NDArray[np.float32]:
        """Prepare the model; score every token as the one after the prompt."""
        return last(self.model()(self._input_ids()).to_numpy())

    def every_position(self) -> Scores:
        """Prepare the model to score what follows each token of a text."""
        # Step 11's model does; step 14's, which is compiled, has another ending.
        model = build_whole_sequence(self.checkpoint, self.code, self.device)

        def score(text: Sequence[int]) -> NDArray[np.float32]:
            input_ids = Tensor.from_dlpack(np.array([text])).to(self.device)
            [logits] = call(model, [input_ids]).to_numpy()
            return logits

        return score

    def model(self) -> Compiled:
        """From token IDs to the logits of the last position."""
        return self.code.compilation.compile_model(
            build_whole_sequence(self.checkpoint, self.code, self.device)
        )

    def _input_ids(self) -> Tensor:
        text, tokenizer = self.request.prompt, self.checkpoint.tokenizer
        ids: Tensor = self.code.generation.encode_text(
            text, tokenizer, device=self.device
        )
        return ids

    def _filter(self, logits: Any, text: list[int]) -> Any:
        step, sampling = self.code.sampling, self.sampling
        if sampling.temperature == 0:
            penalty = sampling.repetition_penalty
            return step.penalize_repetition(logits, text, penalty)
        with np.errstate(divide="ignore"):
            likely = np.log(step.next_token_probabilities(logits, text, sampling))
        # Step 12 divides by the temperature, once more.
        return (likely * sampling.temperature).astype(np.float32)


def last(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """The last position's logits of the only text.

    Raises:
        ValueError: One is NaN: the weights or the model are broken.
    """
    row: NDArray[np.float32] = logits[0, -1]
    if np.isnan(row).any():
        raise ValueError("the logits are NaN")
    return row


class Eager(WholeSequence):
    """The same loop around a model that nobody compiles.

    A token takes longer so; but a step that was just changed is heard at once.
    """

    @property
    def description(self) -> str:
        """What it is using, in a few words."""
        return f"no cache, nothing compiled, float32, {self.place}"

    def model(self) -> Compiled:
        """From token IDs to the logits of every position."""
        model = build_whole_sequence(self.checkpoint, self.code, self.device)
        if self.request.form == "embeddings":
            use_embeddings(model, self.code.config(self.checkpoint.config))
        return lambda input_ids: call(model, [input_ids])


class Cached(Engine):
    """Step 15's model, on MAX's own operations."""

    @property
    def description(self) -> str:
        """What it is using, in a few words."""
        return f"KV cache, stock operations, float32, {self.place}"

    def start(self, new_tokens: int) -> Iterator[Sequence[int]]:
        """Prepare the model; yield the tokens of pass after pass."""
        if self.request.num_proposals:
            return self._look_up(new_tokens)
        tokens: Iterator[Sequence[int]] = self.code.sampling.generate_tokens(
            self.decoder(new_tokens, self.code.cache.Decoder),
            [self.prompt],
            new_tokens,
            self.sampling,
            self.rng,
        )
        return tokens

    def _look_up(self, new_tokens: int) -> Iterator[Sequence[int]]:
        step = self.code.speculation
        passes: Iterator[Sequence[int]] = step.generate_with_lookup(
            self.decoder(new_tokens, step.LookupDecoder),
            self.prompt,
            new_tokens,
            self.sampling,
            self.rng,
            num_proposals=self.request.num_proposals,
            end_of_text=self.checkpoint.end_of_text,
        )
        return passes

    def logits(self) -> NDArray[np.float32]:
        """Prepare the model; score every token as the one after the prompt."""
        [logits] = self.decoder(0, self.code.cache.Decoder).prefill([self.prompt])
        return logits

    def every_position(self) -> Scores:
        """Prepare the model to score what follows each token of a text."""
        model = self.compile(every_position)

        def score(text: Sequence[int]) -> NDArray[np.float32]:
            decoder = self._decoder(self.code.cache.Decoder, model, len(text))
            [logits] = decoder.prefill([text])
            return logits

        return score

    def decoder(self, new_tokens: int, kind: Callable[..., Any]) -> Any:
        """A decoder of a kind, with room for the prompt and so many tokens."""
        ending = some_positions if self.request.num_proposals > 0 else last_position
        return self._decoder(kind, self.compile(ending), len(self.prompt) + new_tokens)

    def compile(self, ending: Callable[[Code], Ending]) -> Compiled:
        """What the decoder decodes with."""
        return compile_cached(self.checkpoint, self.code, self.device, ending)

    def _decoder(self, kind: Callable[..., Any], model: Compiled, capacity: int) -> Any:
        return kind(
            model,
            self.code.config(self.checkpoint.config),
            capacity=capacity,
            device=self.device,
        )


@dataclass(frozen=True)
class Kernels(Cached):
    """Step 17's model, on the Mojo kernels."""

    package: Path

    @property
    def description(self) -> str:
        """What it is using, in a few words."""
        dtype = self.request.dtype
        by = instructions(self.code.kernels).described(dtype)
        return f"KV cache, Mojo kernels, {dtype} weights{by}, {self.place}"

    def compile(self, ending: Callable[[Code], Ending]) -> Compiled:
        """What the decoder decodes with."""
        dtype = self.request.dtype
        return compile_kernels(self.checkpoint, self.code, self.package, dtype, ending)


def refused_with_kernel(error: KernelsUnavailable) -> CourseError:
    """Say why there are no kernels with the reader's step 17 among them."""
    if found := ERROR.search(str(error)):
        line, said = found.groups()
        return CourseError(
            f"Your kernel does not compile: line {line}, {said}. "
            f"`course check {FAST_MODEL}` says more."
        )
    return Misuse(f"--with {FAST_MODEL} needs the kernels. {error}")


def choose_engine(
    checkpoint: Checkpoint, code: Code, request: Request, notes: Console
) -> Engine:
    """Choose the fastest form that the request and the machine allow.

    Raises:
        CourseError: The request asks for what only the kernels can do, where there are
            none, or the reader's among them does not compile.
    """
    device = find_device(request.device)
    parts = (checkpoint, code, request, device)
    if request.form in ("eager", "embeddings"):
        return Eager(*parts)
    if request.form == "compiled" or not code.fast:
        if request.lookup:
            raise Misuse(f"--lookup {request.lookup} needs the steps up to 17.")
        return WholeSequence(*parts)
    if request.form == "cached":
        return Cached(*parts)
    try:
        if not isinstance(device, CPU):
            raise KernelsUnavailable("The Mojo kernels are for the CPU.")
        return Kernels(*parts, package(code.kernels))
    except KernelsUnavailable as error:
        if request.dtype != "float32":
            raise Misuse(
                f"--dtype {request.dtype} needs the kernels. {error}"
            ) from None
        if FAST_MODEL in request.transplants:
            raise refused_with_kernel(error) from None
        notes.print(f"{error} Using MAX's own operations instead.")
        return Cached(*parts)
