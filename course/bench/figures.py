"""What is worked out from the measured seconds."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from course.bench.contenders import CONTENDERS, Kernels, peers
from course.bench.decoding import EAGER, TASKS
from course.model.config import GPT2Config

Results = dict[str, Any]
LONG = 950  # Tokens of context; what is decoded after them must fit as well.
GPT2 = GPT2Config()
POSITIONS_BYTES = 4 * GPT2.n_positions * GPT2.n_embd
OURS = {
    entry.dtype: name for name, entry in CONTENDERS.items() if entry.kind is Kernels
}
"""Step 17 by dtype."""
COMPARED = ("prompt 16", "prefill 512", "batch 8", "prompt 512")
WIDTHS = {"float32": 4, "bfloat16": 2, "int8": 1}
"""Bytes of a weight."""


def tokens_per_second(results: Results, name: str, task: str) -> list[float]:
    """What a contender reached in each round."""
    asked = next(t for t in TASKS if t.name == task) if name != "eager" else EAGER
    count = asked.batch * asked.new_tokens
    return [count / seconds for seconds in results["seconds"][name][task]]


def time_per_token(results: Results, name: str, context: int) -> list[float]:
    """Seconds for each further token after a prompt, in each round."""
    of = results["seconds"][name]
    whole, first, count = {
        16: ("prompt 16", "first token at 16", 63),
        LONG: ("tokens at 950", "first token at 950", 64),
    }[context]
    return [(a - b) / count for a, b in zip(of[whole], of[first], strict=True)]


def bandwidth(results: Results) -> float:
    """Bytes a second that the machine's cores read together at best."""
    return float(max(results["read_bandwidth"]))


def bytes_read(results: Results, dtype: str = "float32") -> float:
    """Bytes of weights that one token needs."""
    # Of the table of positions, one row is looked up. (`wte` is also the head, which
    # needs every row.) Next to the matrices, biases and scales are nothing.
    in_float32 = float(results["weights_bytes"] - POSITIONS_BYTES)
    return in_float32 * WIDTHS[dtype] / WIDTHS["float32"]


@dataclass(frozen=True)
class Goal:
    """One line of the table of goals.

    Attributes:
        name: What is compared.
        goal: The bound.
        most: Whether the figure must stay below it, and not reach it.
        figures: The figure of each round; none if somebody did not take part.
    """

    name: str
    goal: float
    most: bool
    figures: list[float]

    @property
    def middle(self) -> float:
        """The median."""
        return statistics.median(self.figures)

    @property
    def verdict(self) -> str:
        """Whether the median meets the goal."""
        if not self.figures:
            return "not measured"
        good = self.middle <= self.goal if self.most else self.middle >= self.goal
        return "won" if good else "lost"

    @property
    def bound(self) -> str:
        """The goal, as it is written."""
        return f"{'≤' if self.most else '≥'} {self.goal}"

    def shown(self) -> tuple[str, str, str]:
        """Median, lowest and highest with two decimals, or three close to the goal."""
        if not self.figures:
            return "", "", ""
        digits = 3 if f"{self.middle:.2f}" == f"{self.goal:.2f}" else 2
        lowest, highest = min(self.figures), max(self.figures)
        return (
            f"{self.middle:.{digits}f}",
            f"{lowest:.{digits}f}",
            f"{highest:.{digits}f}",
        )


def goals(results: Results) -> list[Goal]:
    """The table of goals; where somebody was missing, a line has no figures."""
    lines = []
    for what, dtype, task, rival, goal in (
        ("decode", "float32", "prompt 16", None, 1.05),
        ("decode", "bfloat16", "prompt 16", None, 2.0),
        ("decode", "int8", "prompt 16", None, 1.2),
        ("prefill of 512", "float32", "prefill 512", None, 1.2),
        ("prefill of 512", "bfloat16", "prefill 512", "Hugging Face bfloat16", 1.0),
        ("prefill of 512", "int8", "prefill 512", "CTranslate2 int8", 1.1),
        ("decode of 8 texts", "int8", "batch 8", "CTranslate2 int8", 1.1),
        ("64 tokens after 512", "int8", "prompt 512", "CTranslate2 int8", 1.1),
    ):
        other = rival or best_peer(results, dtype, task)
        name = f"{what}, {dtype}, over {other or 'the best'}"
        if other and not rival:
            name += ", the best of the others"
        figures = over(results, OURS[dtype], other, task) if other else []
        lines.append(Goal(name, goal, False, figures))
    table: list[tuple[str, float, bool, Callable[[], list[float]]]] = [
        (
            "decode, int8, share of the read bandwidth",
            0.75,
            False,
            lambda: bandwidth_share(results, "int8"),
        ),
        (
            "decode, float32, share of the read bandwidth",
            0.6,
            False,
            lambda: bandwidth_share(results, "float32"),
        ),
        (
            f"time per token at {LONG} tokens over that at 16",
            1.5,
            True,
            lambda: ratios(
                time_per_token(results, "kernels", LONG),
                time_per_token(results, "kernels", 16),
            ),
        ),
        (
            "peak memory, float32, over the weights",
            1.4,
            True,
            lambda: [results["peak_bytes"]["kernels"] / results["weights_bytes"]],
        ),
        *(
            (
                f"second start to the first token, {size}, seconds",
                goal,
                True,
                lambda size=size: results["start"][f"first token, {size}"],
            )
            for size, goal in (("demo", 3.0), ("124M", 6.0))
        ),
        *(
            (
                f"second start, {size}, over Hugging Face's",
                1.0,
                True,
                lambda size=size: ratios(
                    results["start"][f"first token, {size}"],
                    results["start"][f"first token, {size}, Hugging Face"],
                ),
            )
            for size in ("demo", "124M")
        ),
    ]
    for name, goal, most, compute in table:
        try:
            lines.append(Goal(name, goal, most, compute()))
        except KeyError:
            lines.append(Goal(name, goal, most, []))
    return lines


@dataclass(frozen=True)
class Comparison:
    """Ours beside another in one dtype and task.

    Attributes:
        task: The task.
        dtype: How weights are kept.
        peer: Who the other is.
        seconds: Ours and the other's, medians.
        ratios: How many times as fast we are, round by round.
    """

    task: str
    dtype: str
    peer: str
    seconds: tuple[float, float]
    ratios: list[float]

    @property
    def verdict(self) -> str:
        """Who is faster, by the median."""
        return "won" if statistics.median(self.ratios) >= 1 else "lost"


def comparisons(results: Results, portable: bool = False) -> Iterator[Comparison]:
    """Step 17's kernels beside everybody else, dtype with dtype.

    Args:
        results: What was measured.
        portable: Whether the kernels are those without their fast paths.
    """
    seconds = results["seconds"]
    for dtype, ours in OURS.items():
        name = f"portable {ours}" if portable else ours
        for task in COMPARED:
            for peer in peers(dtype):
                if name in seconds and peer in seconds:
                    medians = [
                        statistics.median(seconds[n][task]) for n in (name, peer)
                    ]
                    found = over(results, name, peer, task)
                    yield Comparison(task, dtype, peer, (medians[0], medians[1]), found)


def best_peer(results: Results, dtype: str, task: str) -> str | None:
    """Who is the fastest of the others, by the median; None if nobody took part."""
    seconds = results["seconds"]
    there = [peer for peer in peers(dtype) if peer in seconds]
    return min(
        there, key=lambda peer: statistics.median(seconds[peer][task]), default=None
    )


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def over(results: Results, ours: str, theirs: str, task: str) -> list[float]:
    """How many times as fast one is as the other, round by round, if both are there."""
    seconds = results["seconds"]
    if ours not in seconds or theirs not in seconds:
        return []
    return ratios(seconds[theirs][task], seconds[ours][task])


def bandwidth_share(results: Results, dtype: str) -> list[float]:
    """Bytes of weights per second, over what the machine reads at best."""
    seconds = time_per_token(results, OURS[dtype], 16)
    return [bytes_read(results, dtype) / s / bandwidth(results) for s in seconds]
