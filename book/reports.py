"""The reports that the book shows, printed by the checks themselves.

`python -m book.reports` writes them; with --check it compares and writes nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from book.generated import SOURCE, write_or_check
from course.check.report import as_text
from course.check.result import StepResult
from course.check.runner import run_checks
from course.skeleton import finished, make_skeleton, read_tasks, take_out
from course.steps import Step, get_step


def report(number: int, source: str) -> str:
    """Check a text as if it were the reader's file, and return what is printed."""
    step = get_step(number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{step.module}.py"
        path.write_text(source, "utf-8")
        found = [e for e in run_checks([step], file=path) if isinstance(e, StepResult)]
    [result] = found
    result.file = f"steps/{step.module}.py"
    return as_text(result).replace(folder, "steps") + "\n"


def begun(step: Step, count: int) -> str:
    """The reader's file with so many TODOs done."""
    return take_out(finished(step), read_tasks(step).todos[count:], step)


def up_to_task(step: Step, number: int) -> int:
    """How many TODOs belong to the first tasks of a step."""
    return sum(todo.task <= number for todo in read_tasks(step).todos)


def all_reports() -> dict[str, str]:
    """A step not begun, one begun, one with a mistake, and one that is right.

    And step 15 with its first tick, and with its first two.
    """
    norm, attention, cache = get_step(3), get_step(7), get_step(15)
    right = finished(attention)
    scale = "/ math.sqrt(self.head_dim)"
    assert right.count(scale) == 1
    return {
        "not_done.txt": report(3, make_skeleton(norm)),
        "begun.txt": report(7, begun(attention, 7)),
        "mistake.txt": report(7, right.replace(scale, "/ self.head_dim")),
        "right.txt": report(7, right),
        "cache_grows.txt": report(15, begun(cache, up_to_task(cache, 2))),
        "cache_in_place.txt": report(15, begun(cache, up_to_task(cache, 3))),
    }


if __name__ == "__main__":
    script = "python -m book.reports"
    sys.exit(write_or_check(SOURCE / "reports", all_reports(), script, sys.argv[1:]))
