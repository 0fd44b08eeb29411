"""The steps' code, the solutions' or the reader's own."""

from __future__ import annotations

import hashlib
import importlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from course.check.loading import StepCannotLoad, read_source
from course.errors import CourseError
from course.open_todos import open_todos
from course.steps import ROOT, STEPS, Step, from_root, get_step

WHOLE_MODEL = 12
"""The step that ends Part I."""
FAST_MODEL = 17
"""The last step that generating needs."""


@dataclass(frozen=True)
class Code:
    """The steps that generating needs, from one of two places.

    Attributes:
        config: Step 01.
        language_model: Step 11.
        generation: Step 12.
        compilation: Step 14.
        cache: Step 15; `None` where the reader has not done Part II.
        sampling: Step 16.
        kernel: Step 17; `None` where the reader has not done Part II.
    """

    config: ModuleType
    language_model: ModuleType
    generation: ModuleType
    compilation: ModuleType
    cache: ModuleType | None
    sampling: ModuleType
    kernel: ModuleType | None

    @property
    def digest(self) -> str:
        """Stands for the text of the steps that may be imported, done or not."""
        first = Path(str(self.config.__file__))
        digest = hashlib.sha256()
        for step in STEPS[:FAST_MODEL]:
            path = first.with_name(first.name.replace("01", f"{step.number:02d}"))
            # Whatever else lies in the folder is no part of the model.
            if path.is_file():
                digest.update(path.read_bytes())
        return digest.hexdigest()


def load_code(whose: str) -> Code:
    """Import the finished steps.

    Args:
        whose: "solutions", or "steps" for the reader's own. Of these, Part I must be
            done; where Part II is not, solutions stand in for steps 14 and 16.

    Raises:
        CourseError: The reader's steps are not done.
    """
    if whose == "solutions":
        return Code(*(solution(number) for number in (1, 11, 12, 14, 15, 16, 17)))
    for step in STEPS[:WHOLE_MODEL]:
        assert_done(step)
    if has_part_two(whose):
        return Code(*(_reader(number) for number in (1, 11, 12, 14, 15, 16, 17)))
    return Code(
        _reader(1), _reader(11), _reader(12), solution(14), None, solution(16), None
    )


def has_part_two(whose: str) -> bool:
    """Whether the steps from the cache to the kernels are done, too."""
    return whose == "solutions" or all(
        _first_todo(step) is None for step in STEPS[WHOLE_MODEL:FAST_MODEL]
    )


def solution(number: int) -> ModuleType:
    """Import a solution."""
    return _import(ROOT / "solutions", f"solution_{number:02d}")


def _reader(number: int) -> ModuleType:
    step = get_step(number)
    return _import(step.skeleton.parent, step.module)


def _import(folder: Path, name: str) -> ModuleType:
    if str(folder) not in sys.path:
        # At the end: a file there may be called like a module of Python's own.
        sys.path.append(str(folder))
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        raise CourseError(
            f"{from_root(folder)}/ cannot be imported: {type(error).__name__}: {error}."
            " `course check --all` says which step is wrong."
        ) from None


def assert_done(step: Step) -> None:
    """Refuse a step of the reader's that is not done.

    Raises:
        CourseError: It is not; the message says which TODO is open.
    """
    todo = _first_todo(step)
    if todo is not None:
        raise CourseError(
            f"{from_root(step.skeleton)} is not done yet: {todo}. `course check "
            f"{step.number}` says more; without --code steps, the solutions are used."
        )


def _first_todo(step: Step) -> str | None:
    try:
        todos = open_todos(step, read_source(step, step.skeleton))
    except StepCannotLoad as error:
        raise CourseError(str(error)) from None
    return f"line {todos[0][0]}, {todos[0][1].todo}" if todos else None
