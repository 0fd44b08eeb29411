"""The steps' code, the solutions' or the reader's own."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from course.check.loading import load_step
from course.errors import CourseError
from course.model.config import GPT2Config
from course.model.kernel_package import KERNELS, with_readers_file
from course.open_todos import next_todo
from course.siblings import use_solutions
from course.steps import SPECULATION, STEPS, Step, from_root, get_step

LANGUAGE_MODEL = 11
"""The step that makes the model out of those before it."""
WHOLE_MODEL = 12
"""The step that ends Part I."""
FAST_MODEL = 17
"""The last step that generating needs."""

STEP_OF = {
    "configuration": 1,
    "language_model": 11,
    "generation": 12,
    "compilation": 14,
    "cache": 15,
    "sampling": 16,
    "kernel": 17,
    "speculation": SPECULATION,
}
"""The step behind each module of `Code`."""


@dataclass(frozen=True)
class Code:
    """The steps that generating needs, from one of two places.

    Attributes:
        kernels: The Mojo sources: ours, or with the reader's step 17 among them.
        sources: The files of the steps that may be imported, done or not.
        fast: Whether Part II is there: where the reader has not done it, solutions
            stand in for it, and the cache and the kernels are not to be used.
    """

    configuration: ModuleType
    language_model: ModuleType
    generation: ModuleType
    compilation: ModuleType
    cache: ModuleType
    sampling: ModuleType
    kernel: ModuleType
    speculation: ModuleType
    kernels: Path
    sources: tuple[Path, ...]
    fast: bool

    def config(self, config: GPT2Config) -> Any:
        """Return the same sizes in these steps' own `GPT2Config`."""
        return self.configuration.GPT2Config(**dataclasses.asdict(config))

    @property
    def digest(self) -> str:
        """Stands for the text of the steps that may be imported."""
        digest = hashlib.sha256()
        for path in self.sources:
            if path.is_file():
                digest.update(path.read_bytes())
        return digest.hexdigest()


def load_code(whose: str, transplants: Sequence[int] = ()) -> Code:
    """Import the finished steps.

    Args:
        whose: "solutions", or "steps" for the reader's own, of which Part I must be
            done.
        transplants: The steps that are the reader's nevertheless, among solutions.

    Raises:
        CourseError: The reader's steps are not done, or cannot be imported.
    """
    if whose == "solutions":
        for number in sorted(transplants):
            _transplant(get_step(number))
        return Code(
            **{part: solution(number) for part, number in STEP_OF.items()},
            kernels=readers_kernels() if FAST_MODEL in transplants else KERNELS,
            sources=tuple(
                step.skeleton if step.number in transplants else step.solution
                for step in STEPS[:FAST_MODEL]
            ),
            fast=True,
        )
    for step in STEPS[:WHOLE_MODEL]:
        assert_done(step)
    fast = has_part_two(whose)
    last = FAST_MODEL if fast else WHOLE_MODEL
    done = set(range(1, last + 1))
    if fast and next_todo(get_step(SPECULATION)) is None:
        done.add(SPECULATION)
    modules = {
        part: _reader(number) if number in done else solution(number)
        for part, number in STEP_OF.items()
    }
    return Code(
        **modules,
        kernels=readers_kernels() if fast else KERNELS,
        sources=tuple(step.skeleton for step in STEPS[:FAST_MODEL]),
        fast=fast,
    )


def has_part_two(whose: str) -> bool:
    """Whether the steps from the cache to the kernels are done, too."""
    return whose == "solutions" or all(
        next_todo(step) is None for step in STEPS[WHOLE_MODEL:FAST_MODEL]
    )


def readers_kernels() -> Path:
    """The Mojo sources with the reader's step 17 among them."""
    mojo_file, _ = get_step(FAST_MODEL).parts
    return with_readers_file(mojo_file.skeleton)


def solution(number: int) -> ModuleType:
    """Import a solution, or the step of the reader's that stands in for it."""
    use_solutions()
    return _import(get_step(number).solution)


def _reader(number: int) -> ModuleType:
    path = get_step(number).skeleton
    if str(path.parent) not in sys.path:
        # At the end: a file there may be called like a module of Python's own.
        sys.path.append(str(path.parent))
    return _import(path)


def _import(path: Path) -> ModuleType:
    try:
        return importlib.import_module(path.stem)
    except (Exception, SystemExit) as error:
        raise CourseError(
            f"{from_root(path.parent)}/ cannot be imported: {type(error).__name__}: "
            f"{error}. `course check --all` says which step is wrong."
        ) from None


def _transplant(step: Step) -> None:
    """Have the steps that import a solution get the reader's step in its place."""
    try:
        module = load_step(step, step.skeleton)
    except CourseError:
        raise
    except Exception as error:
        raise CourseError(
            f"{from_root(step.skeleton)} cannot be imported: {type(error).__name__}: "
            f"{error}. `course check {step.number}` says more."
        ) from None
    sys.modules[step.module] = sys.modules[step.solution.stem] = module


def assert_done(step: Step, option: str = "--code steps") -> None:
    """Refuse a step of the reader's that is not done.

    Args:
        step: The step.
        option: What asks for it.

    Raises:
        CourseError: It is not; the message says which TODO is open.
    """
    if found := next_todo(step):
        path, line, todo = found
        raise CourseError(
            f"{from_root(path)} is not done yet: line {line}, {todo.todo}. "
            f"`course check {step.number}` says more; without {option}, the "
            "solutions are used."
        )
