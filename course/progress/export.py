"""`course export`: the reader's progress as JSON, or as a page to keep."""

from __future__ import annotations

import html
import importlib.metadata
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date, datetime
from pathlib import Path
from string import Template
from typing import Any

from course.cache import written_whole
from course.errors import CourseError
from course.progress.standing import Standing, look_at_all, next_step

PAGE = Path(__file__).with_name("certificate.html")


def as_json() -> dict[str, Any]:
    """The object that `course export` prints."""
    standings = look_at_all()
    following = next_step(standings)
    return {
        "version": importlib.metadata.version("gpt2-from-scratch-in-max"),
        "right": sum(one.passed is not None for one in standings),
        "next": following.number if following else None,
        "minutes_left": sum(one.minutes_left for one in standings),
        "steps": [
            {
                "step": one.step.number,
                "title": one.step.title,
                "minutes": one.step.minutes,
                "difficulty": one.step.difficulty,
                "state": str(one.state),
                "todos": one.todos,
                "done": one.done,
                "passed": asdict(one.passed) if one.passed else None,
            }
            for one in standings
        ],
    }


def write_certificate(path: Path, name: str) -> None:
    """Write a page that says which steps are right, and what that does not prove.

    Args:
        path: Where to.
        name: Whose steps they are.

    Raises:
        CourseError: No step is known to be right, or the file cannot be written.
    """
    standings = look_at_all()
    if not any(one.passed for one in standings):
        raise CourseError(
            "No step is known to be right as it is now: `course check --all` looks."
        )
    page = _page(standings, name)
    try:
        with written_whole(path.absolute()) as staged:
            staged.write_text(page, encoding="utf-8")
    except OSError as error:
        raise CourseError(f"{path} cannot be written: {error.strerror}.") from None


def _page(standings: Sequence[Standing], name: str) -> str:
    right = sum(one.passed is not None for one in standings)
    template = Template(PAGE.read_text(encoding="utf-8"))
    return template.substitute(
        name=html.escape(name),
        count=f"all {right}" if right == len(standings) else f"{right}",
        steps="steps" if right != 1 else "step",
        of="" if right == len(standings) else f" of {len(standings)}",
        today=_written_out(date.today()),
        rows="\n".join(_row(one) for one in standings),
        versions=html.escape(_versions(standings)),
    )


def _row(one: Standing) -> str:
    """A line of the table of steps."""
    when = measured = ""
    if one.passed:
        when = _written_out(datetime.fromisoformat(one.passed.when))
        figures = one.passed.measured.items()
        measured = ", ".join(f"{value:.1f} {unit}" for unit, value in figures)
    cells = [
        one.step.label,
        one.step.title,
        "right" if one.passed else "–",
        when,
        measured,
    ]
    inside = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
    return f"<tr>{inside}</tr>"


def _versions(standings: Sequence[Standing]) -> str:
    """What the checks ran with: all versions, if they were not always the same."""
    found: dict[str, list[str]] = {}
    for one in standings:
        for package, version in (one.passed.versions if one.passed else {}).items():
            if version not in found.setdefault(package, []):
                found[package].append(version)
    return ", ".join(f"{name} {' and '.join(each)}" for name, each in found.items())


def _written_out(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
