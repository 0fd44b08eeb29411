"""The tables of what `course bench` measured last."""

from __future__ import annotations

import json
import statistics

from course.bench.decoding import NEW_TOKENS
from course.bench.figures import (
    LONG,
    Results,
    bandwidth,
    bytes_read,
    goals,
    time_per_token,
)
from course.bench.results import FOLDER

CACHED = {
    "cache": "[15](step_15.md) KV cache",
    "kernels": "[17](step_17.md) Mojo kernels",
    "kernels bfloat16": "[17](step_17.md) the same, bfloat16",
    "kernels int8": "[17](step_17.md) the same, int8",
}


def last_results() -> Results:
    """What was measured."""
    measured: Results = json.loads((FOLDER / "bench.json").read_text(encoding="utf-8"))
    return measured


def milliseconds() -> str:
    """What one token costs after each step, and what it has to cost."""
    measured = last_results()
    rows = [
        f"| with | at 16 tokens | at {LONG} |",
        "| --- | ---: | ---: |",
        f"| [14](step_14.md) Compilation | {_average(measured, 'compiled')} "
        "| much more |",
    ]
    rows += [
        f"| {label} | {_middle(time_per_token(measured, name, 16))} "
        f"| {_middle(time_per_token(measured, name, LONG))} |"
        for name, label in CACHED.items()
    ]
    speed = bandwidth(measured)
    limit = _milliseconds(bytes_read(measured, 32) / speed)
    rows += [
        f"| Hugging Face, with its cache | {_average(measured, 'Hugging Face')} | |",
        f"| all float32 weights, read once at {speed / 1e9:.0f} GB/s | {limit} | |",
    ]
    return "\n".join([*rows, ""])


def compared() -> str:
    """Each figure beside the one that was wished for."""
    rows = [
        "| measured | wished for | median | lowest | highest |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    rows += [
        f"| {goal.name} | {'≤' if goal.most else '≥'} {goal.goal} "
        f"| {goal.middle:.2f}{'' if goal.reached else ' (missed)'} "
        f"| {min(goal.figures):.2f} | {max(goal.figures):.2f} |"
        for goal in goals(last_results())
    ]
    return "\n".join([*rows, ""])


def _average(measured: Results, name: str) -> str:
    seconds = statistics.median(measured["seconds"][name]["prompt 16"])
    return _milliseconds(seconds / NEW_TOKENS)


def _middle(seconds: list[float]) -> str:
    return _milliseconds(statistics.median(seconds))


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}"
