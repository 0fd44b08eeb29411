"""What `course generate` is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from course.errors import Misuse, assert_text


@dataclass(frozen=True)
class Request:
    """The options of the command, whose values have been looked at one by one.

    Attributes:
        sampling: The fields of step 16's `Sampling`.

    Raises:
        Misuse: Text is none, or one option contradicts another.
    """

    prompt: str
    model: str | None = None
    code: str = "solutions"
    max_new_tokens: int | None = None
    sampling: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    stop: Sequence[str] = ()
    cache: bool = True
    stock_kernels: bool = False
    dtype: str = "float32"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be done before anything is."""
        assert_text(self.prompt, "The prompt")
        assert_text(self.model or "", "--model")
        for stop in self.stop:
            assert_text(stop, "--stop")
            if not stop:
                raise Misuse("--stop '': give some text to stop at.")
        if self.dtype != "float32" and (self.stock_kernels or not self.cache):
            other = "--stock-kernels" if self.stock_kernels else "--no-cache"
            raise Misuse(
                f"--dtype {self.dtype} needs the Mojo kernels; leave out {other}."
            )
