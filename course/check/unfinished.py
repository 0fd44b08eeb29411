"""What is known of a step with open TODOs, and how it is checked.

Twice: as it is written, which shows what is right already; then what fails so is run
again with the open TODOs done as in the solution (`course.check.completed`), which
shows whether it fails only because of these.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from course.check.completed import Completed, MojoText, complete, complete_mojo
from course.check.failure import DoesNotCompile
from course.open_todos import find_open, is_import, scopes
from course.skeleton import Todo, make_skeleton, read_tasks
from course.source import StepCannotLoad, read_step
from course.steps import Step


class Form(StrEnum):
    """In which form a step's file is checked."""

    FINISHED = "finished"
    AS_WRITTEN = "as written"
    COMPLETED = "completed"


@dataclass
class Unfinished:
    """A step with open TODOs.

    Attributes:
        todo: The open TODOs, with their line numbers.
        done: Where the others are: "split_heads", "attention (1 of 3)".
        later: Those of these in which the solution's lines and the reader's do not go
            together.
        completed: The completed file, if the reader has begun and it can be made.
        mojo: The Mojo file, if the step has one, completed.
        failed: The cases of checks that failed as the file is written.
    """

    todo: list[str]
    done: list[str]
    later: list[str]
    completed: Completed | None
    mojo: MojoText | None = None
    failed: set[str] = field(default_factory=set)

    @property
    def forms(self) -> list[Form]:
        """The forms in which the file is checked."""
        return [Form.AS_WRITTEN, *([Form.COMPLETED] if self.completed else [])]

    def is_unknown(self, error: BaseException, path: Path) -> bool:
        """Whether a line of the solution did not find a name in the reader's code."""
        if isinstance(error, DoesNotCompile) and self.mojo:
            return error.line in self.mojo.ours
        if self.completed is None or not isinstance(error, NameError):
            return False
        last = traceback.extract_tb(error.__traceback__)[-1]
        return last.filename == str(path) and last.lineno in self.completed.ours


def look(step: Step, files: Mapping[Step, Path]) -> Unfinished | None:
    """Look at a step's files; None if no TODO is open, or a file cannot be read.

    Args:
        step: The step.
        files: The file of each of its parts.
    """
    try:
        sources = {part: read_step(part, path) for part, path in files.items()}
    except StepCannotLoad:
        return None
    found = {part: find_open(part, source) for part, source in sources.items()}
    if not any(found.values()):
        return None
    is_begun = any(
        source.strip() not in (make_skeleton(part).strip(), _solution(part))
        for part, source in sources.items()
    )
    completed = complete(step, sources[step]) if is_begun else None
    unfinished = Unfinished([], [], [], completed)
    if step.mojo:
        unfinished.mojo = complete_mojo(step.mojo, sources[step.mojo])
    for part in step.parts:
        file = f"{files[part].name}, " if len(files) > 1 else ""
        unfinished.todo += [
            f"{file}line {one.line}: {one.todo.todo}" for one in found[part]
        ]
        if files[part] != part.solution:
            _note_done(unfinished, part, {one.todo for one in found[part]})
    return unfinished


def _note_done(unfinished: Unfinished, part: Step, open_todos: Set[Todo]) -> None:
    """Note where in a file something is done, and whether that can be checked yet."""
    completed = unfinished.completed
    replaced = completed.replaced if completed else frozenset()
    for place, todos in _places(part).items():
        ready = sum(one not in open_todos for one in todos)
        if not ready:
            continue
        text = place if ready == len(todos) else f"{place} ({ready} of {len(todos)})"
        inside = {scopes(part)[todo] for todo in todos}
        is_known = completed is not None and not replaced & inside
        (unfinished.done if is_known else unfinished.later).append(text)


def _solution(part: Step) -> str:
    return part.solution.read_text(encoding="utf-8").strip()


def _places(step: Step) -> dict[str, list[Todo]]:
    """The todos of a step by where they are, as the reader would call it."""
    inside = scopes(step)
    classes = {name.rpartition(".")[0] for name in inside.values() if "." in name}
    places: dict[str, list[Todo]] = {}
    for todo in read_tasks(step).todos:
        scope = inside[todo]
        if is_import(todo):
            place = "the imports"
        elif not scope:
            [place] = re.findall(r"^(?:class )?(\w+)", todo.stub)
        else:
            place = scope if len(classes) > 1 else scope.rpartition(".")[2]
        places.setdefault(place, []).append(todo)
    return places
