"""What `course bench` does."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console

from course.bench.contenders import CONTENDERS
from course.bench.decoding import measure
from course.bench.machine import machine, read_bandwidth
from course.bench.models import convert_for_ctranslate2, make_gpt2
from course.bench.results import keep
from course.bench.startup import time_startup
from course.process.launcher import environment
from course.steps import ROOT


def bench(repeats: int, notes: Console) -> dict[str, Any]:
    """Measure, and return the results as `--save` writes them to `bench/results/`.

    Args:
        repeats: How many rounds.
        notes: Where progress is shown.
    """
    with tempfile.TemporaryDirectory(prefix="gpt2-bench-") as scratch:
        folder = Path(scratch) / "gpt2"
        notes.print("making a GPT-2 small with random weights …")
        make_gpt2(folder)
        names = list(CONTENDERS)
        if not convert_for_ctranslate2(folder):
            notes.print("CTranslate2 is left out: `pip install ctranslate2`.")
            names = [name for name in names if "CTranslate2" not in name]
        seconds, peaks, tokens = measure(names, folder, repeats, notes)
        return {
            "machine": machine(),
            "weights_bytes": (folder / "model.safetensors").stat().st_size,
            "read_bandwidth": read_bandwidth(repeats),
            "seconds": seconds,
            "peak_bytes": peaks,
            "same_tokens": {
                name: tokens[name] == tokens["Hugging Face"] for name in names
            },
            "start": time_startup(folder, repeats, notes),
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
