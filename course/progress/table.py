"""`course list`: the steps, how far each is, and what comes next."""

from __future__ import annotations

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from course.progress.standing import (
    Standing,
    State,
    look_at,
    look_at_all,
    next_step,
)
from course.steps import SIDE_STEPS

MARKS = {
    State.UNTOUCHED: ("", "dim"),
    State.BEGUN: ("·", "yellow"),
    State.FILLED: ("·", "yellow"),
    State.RIGHT: ("✓", "green"),
    State.UNREADABLE: ("✗", "red"),
}


def print_list(console: Console) -> None:
    """Print how far every step is."""
    standings = look_at_all()
    beside = [look_at(step) for step in SIDE_STEPS]
    console.print(_table([*standings, *beside]))
    console.print(_summary(standings))


def _table(standings: list[Standing]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0))
    for heading in ("", "", ""):
        table.add_column(heading)
    table.add_column("min", justify="right")
    table.add_column("")
    table.add_column("", no_wrap=True)
    for one in standings:
        mark, style = MARKS[one.state]
        step = one.step
        table.add_row(
            step.label,
            Text(mark, style),
            step.title,
            str(step.minutes),
            step.difficulty,
            Text(_in_words(one), style),
        )
    return table


def _in_words(one: Standing) -> str:
    match one.state:
        case State.BEGUN:
            return f"{one.done} of {one.todos} TODOs done"
        case State.FILLED:
            return "all TODOs done: right?"
        case State.UNREADABLE:
            return f"cannot be read: course reset {one.step.number}"
    return str(one.state)


def _summary(standings: list[Standing]) -> RenderableType:
    right = sum(one.passed is not None for one in standings)
    following = next_step(standings)
    lines = [f"\n{right} of {len(standings)} steps are right as they are now."]
    then = "course export --certificate certificate.html --name …"
    if following:
        left = in_hours(sum(one.minutes_left for one in standings))
        lines.append(f"About {left} left.")
        then = f"course check {following.number} · {following.chapter}"
        then += f", {following.title}"
    return Group(" ".join(lines), Text(f"Next: {then}", "cyan"))


def in_hours(minutes: int) -> str:
    """Minutes as one would say them: to five minutes, and from two hours to halves."""
    minutes = max(5, round(minutes / 5) * 5)
    return (
        f"{minutes} minutes" if minutes < 120 else f"{round(minutes / 30) / 2:g} hours"
    )
