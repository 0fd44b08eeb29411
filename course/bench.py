"""`course bench`: speed side by side with Hugging Face, in one run on one machine.

Only ratios within one run mean anything: a machine is faster or slower from one
minute to the next, but so is everything that runs on it.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import track
from rich.table import Table

from course.steps import DEMO_MODEL, ROOT

RESULTS = ROOT / "bench" / "results"
PROMPT = "Once upon a time"
NEW_TOKENS = 64
REPEATS = 5


def bench(model: str | None, notes: Console) -> dict[str, Any]:
    """Measure, and return the results as they are written to `bench/results/`."""
    name = model or str(DEMO_MODEL)
    results: dict[str, Any] = {
        "machine": machine(),
        "generate": {
            "model": "demo" if model is None else model,
            "new_tokens": NEW_TOKENS,
            "tokens_per_second": generation(name, notes),
        },
        "check": {"step": 10, "seconds": checking(notes)},
    }
    return results


def machine() -> dict[str, Any]:
    """What was measured on, and with what."""
    packages = ("max", "torch", "transformers", "numpy")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in packages},
    }


def generation(model: str, notes: Console) -> dict[str, list[float]]:
    """Tokens per second of greedy generation, here and in Hugging Face."""
    import torch
    from max.driver import CPU
    from transformers import GPT2LMHeadModel

    from course.checkpoint import load_checkpoint
    from course.compiled import compile_model, load_code
    from course.generate import Sampling, token_stream

    notes.print("compiling (minutes the first time, then kept on disk) …")
    checkpoint, code = load_checkpoint(model), load_code("solutions")
    compiled = compile_model(checkpoint, code, CPU())
    reference = GPT2LMHeadModel.from_pretrained(model).train(False)
    ids = torch.tensor([checkpoint.tokenizer.encode(PROMPT).ids])

    def ours() -> int:
        greedy = Sampling(temperature=0.0)
        arguments = (checkpoint, code, compiled, PROMPT, NEW_TOKENS, greedy, CPU())
        return sum(1 for _ in token_stream(*arguments))

    def theirs(use_cache: bool) -> Callable[[], int]:
        def run() -> int:
            output = reference.generate(
                ids,
                attention_mask=torch.ones_like(ids),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
                use_cache=use_cache,
                pad_token_id=0,
            )
            return int(output.shape[1] - ids.shape[1])

        return run

    runs = {
        "MAX, whole sequence again": ours,
        "Hugging Face, whole sequence again": theirs(use_cache=False),
        "Hugging Face, KV cache": theirs(use_cache=True),
    }
    speeds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()  # The first time is never like the others.
    for _ in track(range(REPEATS), "generating", console=notes, transient=True):
        for name, run in runs.items():
            start = time.perf_counter()
            tokens = run()
            speeds[name].append(tokens / (time.perf_counter() - start))
    return speeds


def checking(notes: Console) -> dict[str, list[float]]:
    """Wall time of a warm `course check 10`, beside that of imports alone."""
    python = [sys.executable]
    commands = {
        "course check 10": [*python, "-m", "course", "check", "10", "--solutions"],
        "import max.experimental.nn": [*python, "-c", "import max.experimental.nn"],
        "import torch and transformers": [
            *python,
            "-c",
            "import torch; from transformers import GPT2Model",
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _ in track(range(REPEATS + 1), "checking", console=notes, transient=True):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=_environment())
            seconds[name].append(time.perf_counter() - start)
    return {name: values[1:] for name, values in seconds.items()}


def write(results: dict[str, Any]) -> Path:
    """Keep the results beside the earlier ones."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{Path(results['generate']['model']).name}.json"
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return path


def print_tables(results: dict[str, Any], console: Console) -> None:
    """Print medians with the extremes, and ratios to the last line of each table."""
    for title, unit, values in (
        (
            f"Greedy generation, {results['generate']['model']} model",
            "tokens per second",
            results["generate"]["tokens_per_second"],
        ),
        ("Time to a verdict", "seconds", results["check"]["seconds"]),
    ):
        table = Table(title=title, title_justify="left", box=None)
        table.add_column("")
        for heading in (unit, "lowest", "highest", "ratio"):
            table.add_column(heading, justify="right")
        base = statistics.median(list(values.values())[-1])
        for name, series in values.items():
            middle = statistics.median(series)
            numbers = (middle, min(series), max(series))
            row = (f"{n:.2f}" if n < 10 else f"{n:.0f}" for n in numbers)
            table.add_row(name, *row, f"{middle / base:.2f}")
        console.print(table)
        console.print()


def _environment() -> dict[str, str]:
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if "model name" in line
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
