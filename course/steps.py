"""The steps of the course: their numbers, titles and files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from course.errors import Misuse

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = ROOT / "demo" / "model"


@dataclass(frozen=True)
class Step:
    """One step of the course."""

    number: int
    title: str

    @property
    def module(self) -> str:
        """The name under which other steps import this one."""
        return f"step_{self.number:02d}"

    @property
    def skeleton(self) -> Path:
        """The file that the reader fills in."""
        folder = Path(os.environ.get("COURSE_STEPS_DIR") or ROOT / "steps")
        return folder.absolute() / f"{self.module}.py"

    @property
    def solution(self) -> Path:
        """The same file, finished."""
        return ROOT / "solutions" / f"solution_{self.number:02d}.py"

    @property
    def check(self) -> Path:
        """The pytest file that compares the step with Hugging Face."""
        return ROOT / "tests" / f"test_{self.module}.py"

    @property
    def todo_file(self) -> Path:
        """The tasks and hints from which the skeleton is made."""
        return ROOT / "course" / "todo" / f"{self.module}.toml"


STEPS = tuple(
    Step(number, title)
    for number, title in enumerate(
        [
            "Model configuration",
            "Causal masking",
            "Layer normalization",
            "Feed-forward network",
            "Token embeddings",
            "Position embeddings",
            "Multi-head attention",
            "Residual connections and layer normalization",
            "Transformer block",
            "Stacking transformer blocks",
            "Language model head",
            "Text generation",
            "Pretrained weights",
            "Compilation",
            "KV cache",
            "Sampling",
            "A Mojo kernel",
            "Serving",
        ],
        start=1,
    )
)


def get_step(number: int) -> Step:
    """Return a step by its number.

    Raises:
        Misuse: There is no such step.
    """
    if not 1 <= number <= len(STEPS):
        raise Misuse(f"There is no step {number}: the steps are 1 to {len(STEPS)}.")
    return STEPS[number - 1]


def from_root(path: Path) -> str:
    """Return the path as the reader would type it: from the project's folder."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)
