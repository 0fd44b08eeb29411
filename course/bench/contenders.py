"""Who takes part: each generates greedily, in a process of its own."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.modules import load_code

Prompts = Sequence[Sequence[int]]


class Contender(ABC):
    """A GPT-2 that goes on with texts, always with the most likely token."""

    def __init__(self, folder: Path) -> None:
        """Load the model.

        Args:
            folder: A GPT-2 as `save_pretrained` of transformers writes it.
        """
        self.folder = folder

    @abstractmethod
    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""


class HuggingFace(Contender):
    """`generate` of transformers."""

    use_cache = True

    def __init__(self, folder: Path) -> None:
        """Load the model with torch."""
        from transformers import GPT2LMHeadModel

        super().__init__(folder)
        self.model = GPT2LMHeadModel.from_pretrained(folder).train(False)

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        import torch

        ids = torch.tensor(prompts)
        output = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            do_sample=False,
            use_cache=self.use_cache,
            eos_token_id=None,
            pad_token_id=0,
        )
        new: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return new


class HuggingFaceWithoutCache(HuggingFace):
    """The same, reading the whole text for each token."""

    use_cache = False


class CTranslate2(Contender):
    """`generate_batch` of CTranslate2, which is optional."""

    compute_type = "float32"

    def __init__(self, folder: Path) -> None:
        """Load the model, converted before by `prepare`."""
        import ctranslate2

        super().__init__(folder)
        self.generator = ctranslate2.Generator(
            str(converted(folder, self.compute_type)),
            compute_type=self.compute_type,
            intra_threads=os.cpu_count() or 1,
        )

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        results = self.generator.generate_batch(
            [[f"t{token_id}" for token_id in prompt] for prompt in prompts],
            max_length=new_tokens,
            min_length=new_tokens,
            include_prompt_in_result=False,
            sampling_topk=1,
        )
        return [list(result.sequences_ids[0]) for result in results]


class CTranslate2Int8(CTranslate2):
    """The same with 8-bit weights and activations."""

    compute_type = "int8"


def converted(folder: Path, compute_type: str) -> Path:
    """Return where CTranslate2's form of the model is."""
    return folder.parent / f"{folder.name}-ctranslate2-{compute_type}"


class Course(Contender):
    """The model of one of the course's steps."""

    def __init__(self, folder: Path) -> None:
        """Load and compile the model."""
        super().__init__(folder)
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

    dtype = "float32"

    def compile(self, checkpoint: Checkpoint) -> Any:
        """Compile step 17's model."""
        from course.model.compile import compile_kernels
        from course.model.kernel_package import package

        return compile_kernels(
            checkpoint, self.code, package(self.code.kernels), self.dtype
        )


class KernelsBfloat16(Kernels):
    """Step 17 with weights in bfloat16."""

    dtype = "bfloat16"


class KernelsInt8(Kernels):
    """Step 17 with weights in 8 bits."""

    dtype = "int8"


CONTENDERS: dict[str, type[Contender]] = {
    "eager": Eager,
    "compiled": Compiled,
    "cache": Cached,
    "kernels": Kernels,
    "kernels bfloat16": KernelsBfloat16,
    "kernels int8": KernelsInt8,
    "Hugging Face": HuggingFace,
    "Hugging Face, no cache": HuggingFaceWithoutCache,
    "CTranslate2": CTranslate2,
    "CTranslate2 int8": CTranslate2Int8,
}
