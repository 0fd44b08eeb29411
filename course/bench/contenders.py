"""Who takes part: each generates greedily, in a process of its own."""

from __future__ import annotations

import importlib.util
from abc import abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from course.bench.contender import Contender, Prompts
from course.bench.peers import (
    CTranslate2,
    HuggingFace,
    HuggingFaceWithoutCache,
    LlamaCpp,
    OpenVINO,
)
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.modules import load_code


class Course(Contender):
    """The model of one of the course's steps."""

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load and compile the model."""
        self.dtype = dtype
        self.code = load_code("solutions")
        checkpoint = open_checkpoint(str(folder))
        self.config = checkpoint.config
        self.model = self.compile(checkpoint)

    @abstractmethod
    def compile(self, checkpoint: Checkpoint) -> Any:
        """Make the model ready."""


class Eager(Course):
    """Step 12: operation by operation, the whole text again for each token."""

    def compile(self, checkpoint: Checkpoint) -> Any:
        """Nothing is compiled."""
        from max.driver import CPU

        from course.model.compile import build_whole_sequence

        return build_whole_sequence(checkpoint, self.code, CPU())

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        from max.experimental.tensor import Tensor

        ids = Tensor.from_dlpack(np.array(prompts, dtype=np.int64))
        tokens = self.code.generation.generate_tokens(self.model, ids, new_tokens)
        columns = [token.to_numpy() for token in tokens]
        new: list[list[int]] = np.concatenate(columns, axis=1).tolist()
        return new


class Compiled(Eager):
    """Step 14: one compiled graph, the whole text again for each token."""

    def compile(self, checkpoint: Checkpoint) -> Any:
        """Compile step 14's model."""
        return self.code.compilation.compile_model(super().compile(checkpoint))

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        from max.experimental.tensor import Tensor

        texts = [list(prompt) for prompt in prompts]
        for _ in range(new_tokens):
            logits = self.model(Tensor.from_dlpack(np.array(texts))).to_numpy()
            for text, [row] in zip(texts, logits, strict=True):
                text.append(int(row.argmax()))
        return [text[-new_tokens:] for text in texts]


class Cached(Course):
    """Step 15: a KV cache."""

    def compile(self, checkpoint: Checkpoint) -> Any:
        """Compile step 15's model."""
        from max.driver import CPU

        from course.model.compile import compile_cached

        return compile_cached(checkpoint, self.code, CPU())

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        from max.driver import CPU

        # With room for these tokens and no more, as `course generate` does it.
        decoder = self.code.cache.Decoder(
            self.model,
            self.config,
            capacity=len(prompts[0]) + new_tokens,
            device=CPU(),
        )
        greedy = self.code.sampling.Sampling(temperature=0.0)
        tokens = self.code.sampling.generate_tokens(
            decoder, prompts, new_tokens, greedy, np.random.default_rng()
        )
        return [list(row) for row in zip(*tokens, strict=True)]


class Kernels(Cached):
    """Step 17: Mojo kernels."""

    def compile(self, checkpoint: Checkpoint) -> Any:
        """Compile step 17's model."""
        from course.model.compile import compile_kernels
        from course.model.kernel_package import package

        return compile_kernels(
            checkpoint, self.code, package(self.sources()), self.dtype
        )

    def sources(self) -> Path:
        """The kernels."""
        return self.code.kernels


class PortableKernels(Kernels):
    """The same without instructions that only some processors have."""

    def sources(self) -> Path:
        """The kernels, with their fast paths switched off."""
        from course.model.kernel_package import portable

        return portable()


@dataclass(frozen=True)
class Entry:
    """One who takes part.

    Attributes:
        kind: What runs the model.
        dtype: How weights are kept.
    """

    kind: type[Contender]
    dtype: str = "float32"

    @property
    def missing(self) -> list[str]:
        """The packages that it needs and that are not installed."""
        return [p for p in self.kind.packages if importlib.util.find_spec(p) is None]

    @property
    def is_ours(self) -> bool:
        """Whether it is a model of one of the course's steps."""
        return issubclass(self.kind, Course)

    @property
    def is_portable(self) -> bool:
        """Whether its fast paths are switched off."""
        return self.kind is PortableKernels

    @property
    def has_cache(self) -> bool:
        """Whether it reads each token once."""
        return self.kind not in (Eager, Compiled, HuggingFaceWithoutCache)


CONTENDERS: dict[str, Entry] = {
    "eager": Entry(Eager),
    "compiled": Entry(Compiled),
    "cache": Entry(Cached),
    "kernels": Entry(Kernels),
    "kernels bfloat16": Entry(Kernels, "bfloat16"),
    "kernels int8": Entry(Kernels, "int8"),
    "kernels int4": Entry(Kernels, "int4"),
    "portable kernels": Entry(PortableKernels),
    "portable kernels bfloat16": Entry(PortableKernels, "bfloat16"),
    "portable kernels int8": Entry(PortableKernels, "int8"),
    "portable kernels int4": Entry(PortableKernels, "int4"),
    "Hugging Face": Entry(HuggingFace),
    "Hugging Face, no cache": Entry(HuggingFaceWithoutCache),
    "Hugging Face bfloat16": Entry(HuggingFace, "bfloat16"),
    "CTranslate2": Entry(CTranslate2),
    "CTranslate2 int8": Entry(CTranslate2, "int8"),
    "OpenVINO": Entry(OpenVINO),
    "OpenVINO bfloat16": Entry(OpenVINO, "bfloat16"),
    "OpenVINO int8": Entry(OpenVINO, "int8"),
    "llama.cpp": Entry(LlamaCpp),
    "llama.cpp bfloat16": Entry(LlamaCpp, "bfloat16"),
    "llama.cpp int8": Entry(LlamaCpp, "int8"),
    "llama.cpp int4": Entry(LlamaCpp, "int4"),
}


def peers(dtype: str) -> list[str]:
    """Those others who have a cache and keep weights so."""
    return [
        name
        for name, entry in CONTENDERS.items()
        if entry.dtype == dtype and entry.has_cache and not entry.is_ours
    ]
