"""Make the numbers that the chapters include, and the reports of their checks.

Each chapter includes the parts of `book/src/numbers/step_NN.md`, by their anchors. Two
of them also include what `course check NN --solutions` prints, `report_NN.md` there;
the others show a mistake's report (`book/reports.py`).

    python -m book.numbers.make

`tests/project/test_numbers.py` makes them again and compares.
"""

from __future__ import annotations

from book.generated import SOURCE
from book.measured import one_run_of_rungs
from book.numbers import (
    byte_pairs,
    example,
    part_one,
    part_two,
    routing,
    serving,
    speculation,
)
from book.numbers.predictions import PREDICTIONS
from course.check.report import as_text
from course.check.result import StepResult
from course.check.runner import run_checks
from course.runtime import prepare
from course.steps import get_step

OUTPUT = SOURCE / "numbers"
MAKERS = [
    *part_one.MAKERS,
    *part_two.MAKERS,
    serving.step_18,
    speculation.step_19,
    routing.step_20,
    byte_pairs.step_bpe,
]
RIGHT = [get_step(1), get_step(17)]
"""The steps whose chapters show the report of the solution."""


def make_numbers() -> dict[str, str]:
    """Make all the numbers, by file name."""
    prepare()
    model = example.make_model()
    return {
        f"{make.__name__}.md": make(model) + "\n" + example.page(predict=predict(model))
        for make, predict in zip(MAKERS, PREDICTIONS, strict=True)
    }


def make_reports() -> dict[str, str]:
    """Print the reports of solutions that are shown, by file name."""
    events = run_checks(RIGHT, solutions=True, device="cpu")
    return dict(named_report(each) for each in events if isinstance(each, StepResult))


def named_report(result: StepResult) -> tuple[str, str]:
    """The name of a report's file, and what `course check` prints.

    What it measures is shown as it was measured for the book.
    """
    for check in result.checks:
        if check.name.startswith("speed:"):
            check.message = one_run_of_rungs()
    command = f"$ course check {result.step} --solutions"
    block = f"```console\n{command}\n{as_text(result)}\n```\n"
    return f"report_{get_step(result.step).label}.md", block


def write(files: dict[str, str]) -> None:
    """Write files for the chapters to include."""
    OUTPUT.mkdir(exist_ok=True)
    for name, content in files.items():
        (OUTPUT / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    write(make_numbers())
    write(make_reports())
