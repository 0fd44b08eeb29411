"""The steps of the course: their numbers, titles and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from course.errors import Misuse

ROOT = Path(__file__).resolve().parent.parent
DEMO_MODEL = ROOT / "demo" / "model"
SERVING = 18
"""The step that no text needs, but a server."""
SPECULATION = 19
"""The step that looks up what may follow."""
ROUTING = 20
"""The step in front of servers."""
MOJO_STEP = 17
"""The step that has a Mojo file beside its Python file."""

StepId = int | str
"""What a step is called in commands: its number, or the name of a side step."""


@dataclass(frozen=True)
class Step:
    """One step of the course, by its Python file; or the Mojo file of such a step.

    Attributes:
        number: Its number, from 1; of a side step, its name.
        title: What the chapter and the report call it.
        minutes: About how long it takes: 3 for each TODO, and the chapter at 180 words
            a minute.
        difficulty: How hard the lines are to find.
        suffix: Of the file: ".py", or ".mojo" for the part that is written in Mojo.
    """

    number: StepId
    title: str
    minutes: int
    difficulty: Literal["easy", "medium", "hard"]
    suffix: str = ".py"

    @property
    def parts(self) -> tuple[Step, ...]:
        """What the reader writes for this step, a file each, in this order."""
        return (self.mojo, self) if self.mojo else (self,)

    @property
    def mojo(self) -> Step | None:
        """The part that is written in Mojo, beside the Python file."""
        has_one = self.number == MOJO_STEP and self.suffix == ".py"
        return replace(self, suffix=".mojo") if has_one else None

    def files(self, file: Path | None = None) -> dict[Step, Path]:
        """The files of all parts: the reader's, or one file and solutions beside it."""
        if file is None:
            return {part: part.skeleton for part in self.parts}
        last = self.parts[-1]
        given = next((p for p in self.parts if p.suffix == file.suffix), last)
        return {part: part.solution for part in self.parts} | {given: file}

    @property
    def label(self) -> str:
        """How it is called in the names of files: "07", or "bpe"."""
        return f"{self.number:0>2}"

    @property
    def heading(self) -> str:
        """What stands above its chapter: "Step 07: Multi-head attention"."""
        kind = "Side step" if self in SIDE_STEPS else f"Step {self.label}"
        return f"{kind}: {self.title}"

    @property
    def chapter(self) -> str:
        """How its chapter is called: "chapter 07"."""
        called = f"“{self.title}”" if self in SIDE_STEPS else self.label
        return f"chapter {called}"

    @property
    def task(self) -> str:
        """What checks it with make and pixi: "s07", or "bpe"."""
        return self.label if self in SIDE_STEPS else f"s{self.label}"

    @property
    def module(self) -> str:
        """The name under which other steps import this one."""
        return f"step_{self.label}"

    @property
    def skeleton(self) -> Path:
        """The file that the reader fills in."""
        folder = Path(os.environ.get("COURSE_STEPS_DIR") or ROOT / "steps")
        return folder.absolute() / f"{self.module}{self.suffix}"

    @property
    def solution(self) -> Path:
        """The same file, finished."""
        return ROOT / "solutions" / f"solution_{self.label}{self.suffix}"

    @property
    def check(self) -> Path:
        """The pytest file that compares the step with Hugging Face."""
        return ROOT / "tests" / f"test_{self.module}.py"

    @property
    def todo_file(self) -> Path:
        """The tasks and hints from which the skeleton is made."""
        name = self.module if self.suffix == ".py" else self.skeleton.name
        return ROOT / "course" / "todo" / f"{name}.toml"


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
    Step(17, "A Mojo kernel", 65, "hard"),
    Step(18, "Serving", 70, "hard"),
    Step(19, "Speculation", 50, "medium"),
    Step(20, "More than one server", 65, "hard"),
)


SIDE_STEPS = (Step("bpe", "Your own tokenizer", 35, "medium"),)
"""Beside the course: no other step needs them, and no progress counts them."""
ALL_STEPS = (*STEPS, *SIDE_STEPS)


def get_step(number: StepId) -> Step:
    """Return a step by its number, or a side step by its name.

    Raises:
        Misuse: There is no such step.
    """
    for step in ALL_STEPS:
        if step.number == number:
            return step
    names = " and ".join(str(step.number) for step in SIDE_STEPS)
    raise Misuse(
        f"There is no step {number}: the steps are 1 to {len(STEPS)}, and {names}."
    )


def parse_step(text: str) -> Step:
    """Return the step that is typed so: 7, 07 or bpe.

    Raises:
        Misuse: There is no such step.
    """
    return get_step(int(text) if text.isdecimal() else text)


def from_root(path: Path) -> str:
    """Return the path as the reader would type it: from the project's folder."""
    try:
        return str(path.resolve().relative_to(ROOT))
    except ValueError:
        return str(path)


def list_files(files: Sequence[Path]) -> str:
    """The files of a step, in one folder: "steps/step_17.mojo, step_17.py"."""
    return ", ".join([from_root(files[0]), *(file.name for file in files[1:])])
