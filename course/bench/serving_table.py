"""The results of `course bench --serve` as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from course.bench.serving import GENERATE, LLAMA, OURS, THEIRS


def print_table(results: dict[str, Any], console: Console) -> None:
    """Print throughput and latency by number of clients, and what batching brings."""
    table = Table(
        title=(
            f"{results['model']}, {results['new_tokens']} tokens for each request: "
            "tokens per second;\nthe time to the first, and between two, in ms"
        ),
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    headings = ("clients", "tokens/s", "first p50", "p99", "between p50", "p99")
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for name, by_clients in results["servers"].items():
        for clients, of in by_clients.items():
            times = [of[what][p] for what in ("first", "between") for p in of[what]]
            table.add_row(
                clients if clients != "1" else f"{name}  1",
                f"{of['tokens_per_second']:.0f}",
                *(_milliseconds(seconds) for seconds in times),
            )
    console.print(table)
    console.print()
    for name, ratio in results["speedup_at_8"].items():
        console.print(f"{name}: 8 clients get {ratio:.2f} times as much as one")
    for line in compared(results):
        console.print(line)
    for name, same in results["same_text"].items():
        if not same:
            console.print(f"{name}: not always the text of course serve in float32")


def compared(results: dict[str, Any]) -> Iterator[str]:
    """Say how `course serve` compares, dtype by dtype."""
    for name, speeds in results["generate"].items():
        dtype = name.removeprefix(GENERATE)
        ours, alone = results["servers"][OURS + dtype], statistics.median(speeds)
        one, eight = (ours[clients]["tokens_per_second"] for clients in ("1", "8"))
        yield (
            f"{OURS}{dtype}, 1 client: {one / alone:.2f} of {name}'s {alone:.0f} "
            "tokens per second"
        )
        for other in (LLAMA, THEIRS):
            if theirs := results["servers"].get(other + dtype):
                ratio = eight / theirs["8"]["tokens_per_second"]
                yield f"{OURS}{dtype}, 8 clients: {ratio:.2f} times {other}{dtype}"


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:.0f}"
