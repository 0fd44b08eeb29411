"""Which steps have passed their check: a note for each in the user's state folder.

A note is about the text of the step's files and of its check. When one of them changes,
it no longer counts, so nothing has to be checked again to know what is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import platform
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from course.cache import state_folder, written_whole
from course.steps import Step

PACKAGES = ("gpt2-from-scratch-in-max", "max", "transformers")


@dataclass(frozen=True)
class Passed:
    """What is known of a check that was passed.

    Attributes:
        when: The time, in ISO 8601.
        versions: Those of Python and of the packages that decided, by name.
        measured: What the check has measured, by its unit.
    """

    when: str
    versions: dict[str, str]
    measured: dict[str, float]


class Candidate:
    """The files of a step as they are when their check begins.

    Args:
        step: The step.
        file: What is checked as this step, if it is not in steps/.
    """

    def __init__(self, step: Step, file: Path | None = None) -> None:
        self._step = step
        self._file = file
        self._digest = _digest(step, file)

    def has_passed(self, measured: dict[str, float]) -> None:
        """Note that the step is right, unless it has been changed meanwhile.

        Args:
            measured: What the check has measured, by its unit.
        """
        if not self._digest or _digest(self._step, self._file) != self._digest:
            return
        when = datetime.now(UTC).astimezone().isoformat(timespec="seconds")
        text = json.dumps(asdict(Passed(when, versions(), measured)))
        path = _path(self._step, self._digest)
        # Where nothing can be kept, no step will be known to be right.
        with contextlib.suppress(OSError), written_whole(path) as staged:
            staged.write_text(text, encoding="utf-8")


def find(step: Step) -> Passed | None:
    """The note about a step in steps/ as it is now, if it has passed."""
    try:
        noted = json.loads(_path(step, _digest(step)).read_text(encoding="utf-8"))
        return Passed(**noted)
    except (OSError, ValueError, TypeError):
        return None


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that decide what is right."""
    found = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"python": platform.python_version(), **found}


def _digest(step: Step, file: Path | None = None) -> str:
    """What the verdict on a step depends on; empty if that cannot be read."""
    try:
        files = [*step.files(file).values(), step.check]
        texts = [path.read_bytes() for path in files]
    except OSError:
        return ""
    return hashlib.sha256(b"\0".join(texts)).hexdigest()


def _path(step: Step, digest: str) -> Path:
    return state_folder() / "passed" / f"{step.module}-{digest[:16]}.json"
