"""What `course bench` does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from course.bench.contenders import CONTENDERS
from course.bench.decoding import measure
from course.bench.machine import machine, read_bandwidth
from course.bench.models import make_gpt2
from course.bench.results import keep
from course.bench.startup import time_startup
from course.errors import Misuse
from course.process.launcher import environment
from course.steps import ROOT


def bench(
    repeats: int, only: Sequence[str], portable: bool, notes: Console
) -> dict[str, Any]:
    """Measure, and return the results as `--save` writes them to `bench/results/`.

    Args:
        repeats: How many rounds.
        only: Who takes part; nobody is everybody.
        portable: Whether our kernels take part once more, without their fast paths.
        notes: Where progress is shown.

    Raises:
        Misuse: There is no such contender.
    """
    if unknown := [name for name in only if name not in CONTENDERS]:
        raise Misuse(
            f"--only {unknown[0]!r}: there is no such contender. There are: "
            f"{', '.join(CONTENDERS)}."
        )
    with tempfile.TemporaryDirectory(prefix="gpt2-bench-") as scratch:
        folder = Path(scratch) / "gpt2"
        notes.print("making a GPT-2 small with random weights …")
        make_gpt2(folder)
        everybody = [n for n, e in CONTENDERS.items() if portable or not e.is_portable]
        measured = measure(list(only or everybody), folder, repeats, notes)
        exact = measured.tokens.get("Hugging Face")
        return {
            "machine": machine(),
            "weights_bytes": (folder / "model.safetensors").stat().st_size,
            "read_bandwidth": read_bandwidth(repeats),
            "left_out": measured.left_out,
            "seconds": measured.seconds,
            "peak_bytes": measured.peaks,
            "same_tokens": {
                name: tokens == exact for name, tokens in measured.tokens.items()
            },
            "start": {} if only else time_startup(folder, repeats, notes),
        }


def write(results: dict[str, Any]) -> Path:
    """Keep the results, and have the book's pictures drawn from them."""
    path = keep("bench.json", results)
    subprocess.run(
        [sys.executable, "-m", "book.pictures"],
        check=True,
        cwd=ROOT,
        env=environment(PYTHONSAFEPATH=""),  # The book is not installed.
        stdout=sys.stderr,  # It says what it wrote, which is no result.
    )
    return path
