"""Wall time of whole commands: starting, checking, importing."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track

from course.process.launcher import command, environment
from course.steps import DEMO_MODEL, ROOT

HUGGING_FACE = """
import sys, torch
from transformers import GPT2LMHeadModel, PreTrainedTokenizerFast
folder = sys.argv[1]
tokenizer = PreTrainedTokenizerFast(tokenizer_file=folder + "/tokenizer.json")
model = GPT2LMHeadModel.from_pretrained(folder).eval()
ids = torch.tensor([tokenizer(sys.argv[2]).input_ids])
model.generate(
    ids, attention_mask=torch.ones_like(ids), max_new_tokens=1, do_sample=False,
    pad_token_id=0,
)
"""


def commands(folder: Path) -> dict[str, list[str]]:
    """What is timed, by name: each does its work and ends."""
    python = [sys.executable, "-P"]
    options = ("--max-new-tokens", "1", "--greedy")
    generate = command("course", "generate", *options)
    demo, prompt, words = str(DEMO_MODEL), "Once upon a time", "t1 t2 t3 t4"
    return {
        "first token, demo": [*generate, prompt],
        "first token, 124M": [*generate, words, "--model", str(folder)],
        "first token, demo, Hugging Face": [*python, "-c", HUGGING_FACE, demo, prompt],
        "first token, 124M, Hugging Face": [
            *python,
            *("-c", HUGGING_FACE, str(folder), words),
        ],
        "check 10": command("course", "check", "10", "--solutions"),
        "import max.experimental.nn": [*python, "-c", "import max.experimental.nn"],
    }


def time_startup(folder: Path, repeats: int, notes: Console) -> dict[str, list[float]]:
    """Time the commands, in turns.

    Args:
        folder: The model.
        repeats: How many rounds, after one that does not count.
        notes: Where progress is shown.

    Returns:
        The seconds of every round, by name.
    """
    seconds: dict[str, list[float]] = {name: [] for name in commands(folder)}
    for counted in track(range(repeats + 1), "starting", console=notes):
        for name, arguments in commands(folder).items():
            begin = time.perf_counter()
            subprocess.run(
                arguments, check=True, capture_output=True, env=environment(), cwd=ROOT
            )
            if counted:
                seconds[name].append(time.perf_counter() - begin)
    return seconds
