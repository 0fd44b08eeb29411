"""What fewer bits cost: perplexity, choices in common, and the angle of the logits.

python bench/exactness.py

The perplexity is the demo model's on stories that it was not trained on, and so are the
choices; the angle is that of a GPT-2 small with random weights.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from course.bench.machine import machine
from course.bench.models import VOCABULARY, make_gpt2
from course.bench.results import keep
from course.console import notes
from course.generate.engine import Scores, choose_engine
from course.generate.request import Request
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.four_bits import FOUR_BITS
from course.model.modules import load_code, solution
from course.perplexity import foresee
from course.steps import DEMO_MODEL, ROOT

sys.path.insert(0, str(ROOT / "demo"))
from corpus import END_OF_TEXT, write_stories

TRAINING, HELD_OUT, SEED = 36_000, 1_000, 2019  # As demo/corpus.py has them.
TOKENS = 512


def scores(checkpoint: Checkpoint, dtype: str) -> Scores:
    """The model with weights kept so."""
    request = Request("The", dtype=dtype, device="cpu")
    return choose_engine(
        checkpoint, load_code("solutions"), request, notes()
    ).every_position()


def on_stories(checkpoint: Checkpoint, dtypes: list[str]) -> dict[str, dict[str, Any]]:
    """Perplexity of each dtype, and how often its first choice is float32's."""
    context = checkpoint.config.n_positions
    stories = write_stories(TRAINING + HELD_OUT, seed=SEED)[TRAINING:]
    text = END_OF_TEXT.join(stories)
    tokens = checkpoint.encode(text)
    found, exact = {}, None
    for dtype in dtypes:
        score = scores(checkpoint, dtype)
        foreseen = foresee(score, tokens, context, context // 2, notes())
        choices = np.concatenate(
            [
                score(tokens[begin : begin + context]).argmax(axis=1)
                for begin in range(0, len(tokens), context)
            ]
        )
        exact = choices if exact is None else exact
        found[dtype] = {
            "perplexity": foreseen.perplexity,
            "tokens": foreseen.tokens,
            "same_choice": float((choices == exact).mean()),
        }
    return found


def angles(folder: Path, dtypes: list[str]) -> dict[str, float]:
    """The lowest cosine of a position's logits and those in float32."""
    make_gpt2(folder)
    checkpoint = open_checkpoint(str(folder))
    tokens = np.random.default_rng(0).integers(VOCABULARY, size=TOKENS).tolist()
    exact = None
    found = {}
    for dtype in dtypes:
        logits = scores(checkpoint, dtype)(tokens)
        unit = logits / np.linalg.norm(logits, axis=1, keepdims=True)
        exact = unit if exact is None else exact
        found[dtype] = float((unit * exact).sum(axis=1).min())
    return found


def main() -> None:
    """Measure, print and keep what was measured."""
    dtypes = [*(dtype.name for dtype in solution(17).WEIGHT_DTYPES), FOUR_BITS]
    found = on_stories(open_checkpoint(str(DEMO_MODEL)), dtypes)
    with tempfile.TemporaryDirectory() as scratch:
        for dtype, cosine in angles(Path(scratch) / "gpt2", dtypes).items():
            found[dtype]["cosine"] = cosine
    for dtype, figures in found.items():
        Console().print(dtype, figures)
    print(keep("exactness.json", {"machine": machine(), "dtypes": found}))


if __name__ == "__main__":
    main()
