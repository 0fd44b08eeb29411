"""The results as tables."""

from __future__ import annotations

import statistics

from rich.console import Console
from rich.table import Table

from course.bench.decoding import tasks_of
from course.bench.figures import Results, comparisons, goals, tokens_per_second

SHOWN = ("prompt 16", "prompt 512", "batch 8")


def print_tables(results: Results, console: Console) -> None:
    """Print what it was measured on, and all that was found in this run."""
    machine = results["machine"]
    kernels = ", ".join(machine["features"]) or "no instructions that are known"
    console.print(f"{machine['cores']} cores, {machine['processor']}: {kernels}\n")
    _print(console, "Tokens per second, GPT-2 small, random weights", _speeds(results))
    _print(console, "Dtype by dtype: how many times as fast", _compared(results))
    if any(comparisons(results, portable=True)):
        title = "The same without instructions that only some processors have"
        _print(console, title, _compared(results, portable=True))
    _print(console, "Goals (median, lowest, highest)", _goals(results))
    for name, why in results.get("left_out", {}).items():
        console.print(f"not measured: {name}; {why}", markup=False)
    _print(console, "Seconds", _starts(results))


def _print(console: Console, title: str, table: Table) -> None:
    table.title, table.title_justify, table.box = title, "left", None
    console.print(table)
    console.print()


def _speeds(results: Results) -> Table:
    table = Table("")
    for task in SHOWN:
        table.add_column(task, justify="right")
    table.add_column("as Hugging Face")
    for name in results["seconds"]:
        own = {task.name for task in tasks_of(name)}
        row = [
            _number(tokens_per_second(results, name, task)) if task in own else ""
            for task in SHOWN
        ]
        same = "same tokens" if results["same_tokens"][name] else ""
        table.add_row(name, *row, same)
    return table


def _compared(results: Results, portable: bool = False) -> Table:
    table = Table("", "dtype", "beside")
    for heading in ("ours, s", "theirs, s", "median", "lowest", "highest", ""):
        table.add_column(heading, justify="right")
    for each in comparisons(results, portable):
        ratios = (statistics.median(each.ratios), min(each.ratios), max(each.ratios))
        table.add_row(
            each.task,
            each.dtype,
            each.peer,
            *(f"{figure:.2f}" for figure in (*each.seconds, *ratios)),
            each.verdict,
        )
    return table


def _goals(results: Results) -> Table:
    table = Table("")
    for heading in ("goal", "median", "lowest", "highest", ""):
        table.add_column(heading, justify="right")
    for goal in goals(results):
        table.add_row(goal.name, goal.bound, *goal.shown(), goal.verdict)
    return table


def _starts(results: Results) -> Table:
    table = Table("")
    for heading in ("median", "lowest", "highest"):
        table.add_column(heading, justify="right")
    for name, seconds in results["start"].items():
        figures = (statistics.median(seconds), min(seconds), max(seconds))
        table.add_row(name, *(f"{figure:.2f}" for figure in figures))
    return table


def _number(figures: list[float]) -> str:
    middle = statistics.median(figures)
    return f"{middle:.1f}" if middle < 100 else f"{middle:.0f}"
