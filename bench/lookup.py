"""What lookup gains and costs, step 19, with weights of the size of GPT-2 124M.

python bench/lookup.py

Random weights write nothing that makes sense. So the passes are real, and what is
chosen in them is given: the text that a model would write which does as it is told.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from max.driver import CPU

from course.bench.machine import machine
from course.bench.models import make_gpt2
from course.bench.results import keep
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.model.compile import compile_kernels, last_position, some_positions
from course.model.kernel_package import package
from course.model.modules import Code, load_code
from course.runtime import prepare
from course.steps import DEMO_MODEL, ROOT, STEPS, get_step

DTYPES = ("float32", "bfloat16", "int8")
ROWS = range(1, 10)
PROPOSALS = 8
NEW_TOKENS = 160
ROUNDS = 5


def texts() -> dict[str, tuple[str, str]]:
    """What is given, and what a model would write that does what it was asked for."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    paragraph = readme[readme.index("A hands-on course") : readme.index("```")]
    edited = paragraph.replace("You fill in", "We fill in").replace("your", "our")
    table = [
        f'{{"step": {s.number}, "title": "{s.title}", "minutes": {s.minutes}}}'
        for s in STEPS
    ]
    norm = get_step(3).solution.read_text(encoding="utf-8")
    intro = (ROOT / "book" / "src" / "introduction.md").read_text(encoding="utf-8")
    return {
        "editing": (f"{paragraph}\n\nCorrected:\n\n", edited),
        "a list": ("\n".join(table[:6]) + "\n", "\n".join(table[6:])),
        "code": (f"{norm}\n\n\n", norm.replace("LayerNorm", "ScaledNorm")),
        "prose": (intro[:800], intro[800:3000]),
    }


class Replay:
    """A decoder that reads everything, and says what was to be chosen.

    Args:
        decoder: Of step 15 or of step 19.
        text: The token IDs of the prompt and of what follows it.
        vocab_size: How many tokens there are.
    """

    def __init__(self, decoder: Any, text: Sequence[int], vocab_size: int) -> None:
        self.decoder = decoder
        self.text = text
        self.rows = np.zeros((PROPOSALS + 1, vocab_size), dtype=np.float32)

    @property
    def length(self) -> int:
        """How many tokens are in the cache."""
        return int(self.decoder.length)

    def roll_back(self, length: int) -> None:
        """Forget all tokens but the first ones."""
        self.decoder.roll_back(length)

    def read(self, token_ids: Sequence[int], keep: int) -> Any:
        """Step 19's: several rows, each of which wants the next token of the text."""
        self.decoder.read(token_ids, keep)
        return self._wanted(range(self.length - keep + 1, self.length + 1))

    def prefill(self, prompts: Sequence[Sequence[int]]) -> Any:
        """Step 15's, for one text."""
        self.decoder.prefill(prompts)
        return self._wanted([self.length])

    def decode(self, token_ids: Sequence[int]) -> Any:
        """Step 15's, for one text."""
        self.decoder.decode(token_ids)
        return self._wanted([self.length])

    def _wanted(self, places: Sequence[int]) -> Any:
        rows = self.rows[: len(places)]
        rows[:] = 0
        for row, place in zip(rows, places, strict=True):
            row[self.text[min(place, len(self.text) - 1)]] = 1
        return rows


def measure(checkpoint: Checkpoint, code: Code, dtype: str) -> dict[str, Any]:
    """Measure one dtype: what a pass costs by its rows, and each of the texts."""
    config, kernels = code.config(checkpoint.config), package(code.kernels)
    plain, several = (
        compile_kernels(checkpoint, code, kernels, dtype, ending)
        for ending in (last_position, some_positions)
    )
    size: dict[str, Any] = {"capacity": config.n_positions, "device": CPU()}
    decoder = code.cache.Decoder(plain, config, **size)
    looking = code.speculation.LookupDecoder(several, config, **size)
    tokenizer = open_checkpoint(str(DEMO_MODEL))
    found: dict[str, Any] = {"rows": cost_of_rows(looking), "texts": {}}
    for name, (given, written) in texts().items():
        prompt = tokenizer.encode(given)
        text = [*prompt, *tokenizer.encode(written)]
        new = min(NEW_TOKENS, len(text) - len(prompt))
        replays = [Replay(one, text, config.vocab_size) for one in (decoder, looking)]
        found["texts"][name] = compare(code, prompt, new, *replays)
        print(dtype, name, found["texts"][name], flush=True)
    return found


def cost_of_rows(decoder: Any) -> dict[str, float]:
    """Seconds for a pass of each number of rows after 256 tokens, taken in turns."""
    tokens = np.random.default_rng(0).integers(0, 1000, 256 + max(ROWS)).tolist()
    decoder.roll_back(0)
    decoder.read(tokens[:256], 1)
    seconds: dict[int, list[float]] = {rows: [] for rows in ROWS}
    for _ in range(4 * ROUNDS):
        for rows in ROWS:
            decoder.roll_back(256)
            new = tokens[256 : 256 + rows]
            seconds[rows].append(timed(lambda new=new: decoder.read(new, len(new))))
    return {str(rows): statistics.median(times) for rows, times in seconds.items()}


def compare(
    code: Code, prompt: list[int], new: int, plain: Replay, looking: Replay
) -> dict[str, Any]:
    """Tokens a second after the prompt, without lookup and with it, in turns."""
    greedy, rng = code.sampling.Sampling(temperature=0.0), np.random.default_rng(0)
    speeds: dict[str, list[float]] = {"without": [], "with": []}
    passes = 0
    for _ in range(ROUNDS):
        tokens = code.sampling.generate_tokens(plain, [prompt], new, greedy, rng)
        next(tokens)
        speeds["without"].append((new - 1) / timed(lambda: list(tokens)))  # noqa: B023
        chosen = code.speculation.generate_with_lookup(
            looking, prompt, new, greedy, rng, num_proposals=PROPOSALS
        )
        first, made = next(chosen), []
        seconds = timed(lambda: made.extend(chosen))  # noqa: B023
        assert [*first, *chain(*made)] == looking.text[len(prompt) :][:new]
        speeds["with"].append((new - len(first)) / seconds)
        passes = 1 + len(made)
    ratios = [b / a for a, b in zip(speeds["without"], speeds["with"], strict=True)]
    return {
        "tokens": new,
        "passes": passes,
        "without": statistics.median(speeds["without"]),
        "with": statistics.median(speeds["with"]),
        "ratio": statistics.median(ratios),
        "ratios": [min(ratios), max(ratios)],
    }


def timed(run: Callable[[], object]) -> float:
    """How long something takes, in seconds."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def main() -> None:
    """Measure, and keep what was measured."""
    prepare()
    code = load_code("solutions")
    with tempfile.TemporaryDirectory(prefix="gpt2-lookup-") as folder:
        make_gpt2(Path(folder))
        checkpoint = open_checkpoint(folder)
        dtypes = {dtype: measure(checkpoint, code, dtype) for dtype in DTYPES}
    print(keep("lookup.json", {"machine": machine(), "dtypes": dtypes}))


if __name__ == "__main__":
    main()
