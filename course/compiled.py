"""GPT-2 as one compiled graph that answers with the next token's logits."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from max.driver import Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor, default_device, default_dtype
from max.graph import TensorType

from course.checkpoint import Checkpoint
from course.errors import CourseError, Misuse
from course.skeleton import open_todos
from course.steps import ROOT, STEPS, from_root


class NextTokenLogits(Module[[Tensor], Tensor]):
    """A language model of which only the last position's logits are wanted.

    The head is by far the widest layer: applied to one position instead of all, it
    costs as much less as the text is long.
    """

    def __init__(self, language_model: Any) -> None:
        """Wrap a language model.

        Args:
            language_model: A `MaxGPT2LMHeadModel`, as step 11 makes it.
        """
        super().__init__()
        self.language_model = language_model

    def forward(self, input_ids: Tensor) -> Tensor:
        """Score every token of the vocabulary as the next one.

        Args:
            input_ids: Token IDs, int64, shape [batch, seq_length].

        Returns:
            Logits, float32, shape [batch, 1, vocab_size].
        """
        hidden_states = self.language_model.transformer(input_ids)
        logits: Tensor = self.language_model.lm_head(hidden_states[:, -1:, :])
        return logits


@dataclass(frozen=True)
class Code:
    """The parts of the twelve steps that generating needs, from one of two places."""

    config: ModuleType
    language_model: ModuleType
    generation: ModuleType


def load_code(whose: str) -> Code:
    """Import the finished steps.

    Args:
        whose: "solutions", or "steps" for the reader's own.

    Raises:
        Misuse: There is no such place.
        CourseError: The reader's steps are not done.
    """
    if whose not in {"solutions", "steps"}:
        raise Misuse(f"--code {whose}: choose solutions or steps.")
    prefix = "solution" if whose == "solutions" else "step"
    if whose == "steps":
        _assert_done()
    sys.path.insert(0, str(ROOT / whose))
    try:
        return Code(
            *(importlib.import_module(f"{prefix}_{n}") for n in ("01", "11", "12"))
        )
    except (Exception, SystemExit) as error:
        raise CourseError(
            f"{whose}/ cannot be imported: {type(error).__name__}: {error}. `course "
            "check --all` says which step is wrong."
        ) from None


def _assert_done() -> None:
    for step in STEPS:
        try:
            todos = open_todos(step, step.skeleton.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            raise CourseError(f"{from_root(step.skeleton)} cannot be read.") from None
        if todos:
            raise CourseError(
                f"{from_root(step.skeleton)} is not done yet: line {todos[0][0]}, "
                f"{todos[0][1].todo}. `course check {step.number}` says more; without "
                "--code steps, the solutions are used."
            )


def compile_model(
    checkpoint: Checkpoint, code: Code, device: Device
) -> Callable[[Tensor], Tensor]:
    """Compile a model once, for every batch size and length.

    Args:
        checkpoint: The sizes and the weights.
        code: Whose GPT-2 computes.
        device: Where it computes.

    Returns:
        From token IDs, int64, [batch, seq_length], on the device, to logits, float32,
        [batch, 1, vocab_size].
    """
    config = code.config.GPT2Config(**checkpoint.sizes)
    with default_device(device), default_dtype(DType.float32), F.lazy():
        model = NextTokenLogits(code.language_model.MaxGPT2LMHeadModel(config))
        weights = {
            f"language_model.{name}": array
            for name, array in checkpoint.weights.items()
        }
        input_type = TensorType(DType.int64, ["batch", "seq_length"], device=device)
        return model.to(device).compile(input_type, weights=weights)
