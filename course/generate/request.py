"""What `course generate` is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from course.errors import Misuse, assert_text
from course.steps import ROUTING, SERVING, SPECULATION, get_step

Form = Literal["eager", "embeddings", "compiled", "kernels", "cached"]

# The forms of the model, and the steps that each is made of. The first two are not
# compiled: a step that was just changed is heard in seconds.
FORMS: dict[Form, set[int]] = {
    "eager": {1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13},
    "embeddings": {1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13},
    "compiled": {1, 2, 3, 4, 7, 8, 9, 10, 11, 12, 13, 14},
    "kernels": {1, 3, 8, 13, 16, 17, 19},
    "cached": {1, 2, 3, 4, 7, 8, 13, 15, 16, 19},
}

USUAL_PROPOSALS = 8
"""How many tokens are proposed where only the reader's step 19 is asked for."""


@dataclass(frozen=True)
class Request:
    """The options of the command, whose values have been looked at one by one.

    Attributes:
        transplants: The steps that are the reader's where all else is the solutions'.
        top: How many of the likeliest next tokens are shown in place of a text.
        lookup: How many tokens are looked up for a pass at most; 0 for none.
        sampling: The fields of step 16's `Sampling`.

    Raises:
        Misuse: Text is none, or one option contradicts another.
    """

    prompt: str
    model: str | None = None
    code: str = "solutions"
    transplants: Sequence[int] = ()
    max_new_tokens: int | None = None
    top: int = 0
    lookup: int = 0
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
        if self.lookup and (self.top or not self.cache):
            other = "--top" if self.top else "--no-cache"
            raise Misuse(
                f"--lookup {self.lookup} goes on with a text over the cache; leave out "
                f"{other}."
            )
        if self.transplants:
            self._assert_transplants()

    @property
    def form(self) -> Form:
        """The form of the model that is asked for."""
        if self.transplants:
            return form_with(self.transplants)
        if not self.cache:
            return "compiled"
        return "cached" if self.stock_kernels else "kernels"

    @property
    def num_proposals(self) -> int:
        """How many tokens are looked up for a pass at most; 0 for none."""
        if SPECULATION in self.transplants:
            return self.lookup or USUAL_PROPOSALS
        return self.lookup

    @property
    def whose(self) -> str:
        """What of the code is the reader's; nothing, if nothing is."""
        if self.code == "steps":
            return "your steps"
        return " and ".join(f"your step {number:02d}" for number in self.transplants)

    def _assert_transplants(self) -> None:
        form, rounds = form_with(self.transplants), self.dtype != "float32"
        options = {
            "--code steps": self.code == "steps",
            "--no-cache": not self.cache,
            "--stock-kernels": self.stock_kernels,
            f"--dtype {self.dtype}": rounds and form != "kernels",
            f"--lookup {self.lookup}": self.lookup
            and form not in ("kernels", "cached"),
        }
        for option, is_given in options.items():
            if is_given:
                raise Misuse(
                    f"{option} does not go with {options_of(self.transplants)}, which "
                    "says itself what the model is made of."
                )


def form_with(steps: Sequence[int]) -> Form:
    """The first form of the model that is made of all these steps.

    Raises:
        Misuse: There is none, or no such step.
    """
    wanted = {get_step(number).number for number in steps}
    for form, made_of in FORMS.items():
        if wanted <= made_of:
            return form
    if SERVING in wanted:
        raise Misuse(
            f"--with {SERVING}: step {SERVING} is no part of generating. `course serve "
            "--code steps` is its."
        )
    if ROUTING in wanted:
        raise Misuse(
            f"--with {ROUTING}: step {ROUTING} is no part of generating. It stands "
            "before servers; its chapter says how."
        )
    raise Misuse(
        f"{options_of(steps)}: no model is made of all of these. Say fewer at a time."
    )


def options_of(steps: Sequence[int]) -> str:
    """The options as they were typed: "--with 3 --with 7"."""
    return " ".join(f"--with {number}" for number in steps)
