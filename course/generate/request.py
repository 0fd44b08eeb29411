"""What `course generate` is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from course.errors import Misuse, assert_text
from course.model.modules import solution
from course.runtime import assert_device_name

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
