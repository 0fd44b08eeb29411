"""Noticing that step files were saved."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from course.steps import Step, StepId

SETTLED = 0.03  # Seconds without a change after which a save is complete.

Signature = tuple[tuple[int, int, int] | None, ...]


class Files:
    """Notices saves by asking the system for the files' times and sizes.

    Asking costs microseconds, and works alike for files that are renamed over,
    deleted and made again, for folders that are missing, and on shared drives, all
    of which notifications from the system do not.
    """

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._seen = {step.number: _signature(step) for step in steps}
        self._changing: dict[StepId, float] = {}

    def saved(self) -> dict[StepId, float]:
        """Return the steps whose files have changed, and when they did.

        A file that is still changing is not among them.
        """
        now = time.monotonic()
        for step in self._steps:
            signature = _signature(step)
            if signature != self._seen[step.number]:
                self._seen[step.number] = signature
                self._changing[step.number] = now
        saved = {n: t for n, t in self._changing.items() if now - t >= SETTLED}
        for number in saved:
            del self._changing[number]
        return saved

    def is_changing(self, number: StepId) -> bool:
        """Whether a step's file is being saved at this moment."""
        return number in self._changing


def _signature(step: Step) -> Signature:
    """What differs after a save of one of its files."""
    return tuple(_file_signature(part.skeleton) for part in step.parts)


def _file_signature(path: Path) -> tuple[int, int, int] | None:
    """Time, size and identity; None without a file."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
