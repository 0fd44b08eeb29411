"""The results of `course bench --serve` as a table."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def print_table(results: dict[str, Any], console: Console) -> None:
    """Print throughput and latency by number of clients, and what batching brings."""
    table = Table(
        title=(
            f"The demo model, {results['new_tokens']} tokens for each request: tokens "
            "per second;\nthe time to the first, and between two, in ms"
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
    same = "the same text" if results["same_text"] else "not always the same text"
    console.print(f"Each prompt was answered with {same}.")


def _milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f}" if seconds < 0.1 else f"{1000 * seconds:.0f}"
