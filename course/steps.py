"""The steps of the course: their numbers, titles and files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from course.errors import Misuse

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = ROOT / "demo" / "model"


@dataclass(frozen=True)
class Step:
    """One step of the course.

    Attributes:
        number: Its number, from 1.
        title: What the chapter and the report call it.
        minutes: About how long it takes: 3 for each TODO, and the chapter at 180 words
            a minute.
        difficulty: How hard the lines are to find.
    """

    number: int
    title: str
    minutes: int
    difficulty: Literal["easy", "medium", "hard"]

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


STEPS = (
    Step(1, "Model configuration", 15, "easy"),
    Step(2, "Causal masking", 20, "medium"),
    Step(3, "Layer normalization", 15, "easy"),
    Step(4, "Feed-forward network", 25, "easy"),
    Step(5, "Token embeddings", 15, "easy"),
    Step(6, "Position embeddings", 15, "easy"),
    Step(7, "Multi-head attention", 45, "hard"),
    Step(8, "Residual connections and layer normalization", 10, "easy"),
    Step(9, "Transformer block", 25, "medium"),
    Step(10, "Stacking transformer blocks", 30, "medium"),
    Step(11, "Language model head", 20, "easy"),
    Step(12, "Text generation", 35, "medium"),
    Step(13, "Pretrained weights", 35, "medium"),
    Step(14, "Compilation", 25, "medium"),
    Step(15, "KV cache", 65, "hard"),
    Step(16, "Sampling", 45, "medium"),
    Step(17, "A Mojo kernel", 60, "hard"),
    Step(18, "Serving", 45, "hard"),
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
