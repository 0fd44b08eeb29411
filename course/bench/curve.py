"""What one more token costs, by the length of the text: without a cache, and with two.

`python -m course.bench.curve` runs the reader's step 15 on random weights, operation by
operation; `--solutions` runs ours. `--keep` writes what was measured to bench/results.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from max.driver import CPU
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor, default_device, default_dtype
from rich.console import Console

from course.bench.machine import machine
from course.bench.results import keep
from course.check.loading import load_solution, load_step
from course.errors import CourseError
from course.runtime import prepare
from course.steps import get_step

# As wide as GPT-2 small, but with fewer layers and tokens.
SIZES = {"vocab_size": 1000, "n_positions": 1024, "n_embd": 768, "n_layer": 3}
LENGTHS = (16, 128, 256, 512, 1000)
REPEATS = 5

Read = Callable[[], object]


def ways(step: Any) -> dict[str, Callable[[int], Read]]:
    """Ways to read one more token after so many others, by name."""
    config = load_solution(1).GPT2Config(**SIZES)
    with default_dtype(DType.float32), default_device(CPU()), F.lazy():
        whole = load_solution(11).MaxGPT2LMHeadModel(config)
        cached = step.CachedGPT2(config)
    random = np.random.default_rng(0)
    weights = {
        name: 0.02 * random.standard_normal([int(dim) for dim in weight.shape], "f4")
        for name, weight in whole.parameters
    }
    whole.load_state_dict(weights)
    cached.load_state_dict(weights)

    def ids(count: int) -> Tensor:
        return Tensor.from_dlpack(np.zeros((1, count), np.int64))

    def again(length: int) -> Read:
        return lambda: _numbers(lambda: whole(ids(length + 1)))

    def after(kind: Any, capacity: int) -> Callable[[int], Read]:
        def fill(length: int) -> Read:
            caches = step.empty_caches(
                kind, config, batch=1, capacity=capacity, device=CPU()
            )
            filled = iter(range(length, SIZES["n_positions"]))

            def read(past: int, new: int) -> object:
                positions = step.positions_after(past, new, CPU())
                return _numbers(lambda: cached(ids(new), positions, caches))

            read(0, length)
            return lambda: read(next(filled), 1)

        return fill

    return {
        "no cache": again,
        "grows": after(step.GrowingCache, 0),
        "in place": after(step.LayerCache, SIZES["n_positions"]),
    }


def measure(step: Any) -> Iterator[tuple[int, dict[str, float]]]:
    """The seconds that one more token takes, in each way, by length."""
    each = ways(step)
    for length in LENGTHS:
        seconds = {}
        for name, prepared in each.items():
            read = prepared(length)
            read()
            seconds[name] = statistics.median(_timed(read) for _ in range(REPEATS))
        yield length, seconds


def _timed(read: Read) -> float:
    start = time.perf_counter()
    read()
    return time.perf_counter() - start


def _numbers(call: Callable[[], Tensor]) -> object:
    with F.lazy():
        logits = call()
    return logits.to_numpy()


def main() -> None:
    """Measure, and print a line for each length."""
    parser = argparse.ArgumentParser(prog="python -m course.bench.curve")
    parser.add_argument("--solutions", action="store_true")
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    prepare()
    this, console = get_step(15), Console()
    path = this.solution if options.solutions else this.skeleton
    try:
        found: dict[int, dict[str, float]] = {}
        for length, seconds in measure(load_step(this, path)):
            if not found:
                console.print("".join(f"{name:>12}" for name in ("after", *seconds)))
            figures = (f"{1000 * value:.1f} ms" for value in seconds.values())
            console.print("".join(f"{text:>12}" for text in (str(length), *figures)))
            found[length] = seconds
    except CourseError as error:
        raise SystemExit(str(error)) from None
    if options.keep:
        console.print(str(keep("curve.json", {"machine": machine(), "seconds": found})))


if __name__ == "__main__":
    main()
