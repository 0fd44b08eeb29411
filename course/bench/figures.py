"""What is worked out from the measured seconds."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course.bench.decoding import EAGER, TASKS
from course.model.config import GPT2Config

Results = dict[str, Any]
LONG = 950  # Tokens of context; what is decoded after them must fit as well.
GPT2 = GPT2Config()
POSITIONS_BYTES = 4 * GPT2.n_positions * GPT2.n_embd


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


def bytes_read(results: Results) -> float:
    """Bytes of float32 weights that one token needs."""
    # Of the table of positions, one row is looked up. (`wte` is also the head, which
    # needs every row.)
    return float(results["weights_bytes"] - POSITIONS_BYTES)


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
    def reached(self) -> bool:
        """Whether the median meets the goal."""
        return self.middle <= self.goal if self.most else self.middle >= self.goal

    def written(self, figure: float) -> str:
        """Write a figure with two decimals, or three where two would be the goal's."""
        close = f"{self.middle:.2f}" == f"{self.goal:.2f}"
        return f"{figure:.3f}" if close else f"{figure:.2f}"


def goals(results: Results) -> list[Goal]:
    """The table of goals, without the lines for which somebody was missing."""
    table: list[tuple[str, float, bool, Callable[[], list[float]]]] = [
        (
            "decode, float32, over Hugging Face",
            2.0,
            False,
            lambda: over(results, "kernels", "Hugging Face", "prompt 16"),
        ),
        (
            "decode, float32, over Hugging Face, prompt 512",
            2.0,
            False,
            lambda: over(results, "kernels", "Hugging Face", "prompt 512"),
        ),
        (
            "decode, float32, over CTranslate2",
            1.2,
            False,
            lambda: over(results, "kernels", "CTranslate2", "prompt 16"),
        ),
        (
            "decode, int8, over CTranslate2 int8",
            1.0,
            False,
            lambda: over(results, "kernels int8", "CTranslate2 int8", "prompt 16"),
        ),
        (
            "decode, float32, share of the read bandwidth",
            0.6,
            False,
            lambda: bandwidth_share(results),
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
            "prefill of 512 tokens over Hugging Face",
            1.3,
            False,
            lambda: over(results, "kernels", "Hugging Face", "prefill 512"),
        ),
        (
            "batch of 8, over Hugging Face",
            1.5,
            False,
            lambda: over(results, "kernels", "Hugging Face", "batch 8"),
        ),
        (
            "peak memory, float32, over the weights",
            1.4,
            True,
            lambda: [results["peak_bytes"]["kernels"] / results["weights_bytes"]],
        ),
        (
            "second start to the first token, demo, seconds",
            3.0,
            True,
            lambda: results["start"]["first token, demo"],
        ),
        (
            "second start to the first token, 124M, seconds",
            6.0,
            True,
            lambda: results["start"]["first token, 124M"],
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
    lines = []
    for name, goal, most, figures in table:
        try:
            lines.append(Goal(name, goal, most, figures()))
        except KeyError:
            continue
    return lines


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Round by round."""
    return [a / b for a, b in zip(ours, theirs, strict=True)]


def over(results: Results, ours: str, theirs: str, task: str) -> list[float]:
    """How many times as fast one is as the other, round by round."""
    return ratios(
        tokens_per_second(results, ours, task), tokens_per_second(results, theirs, task)
    )


def bandwidth_share(results: Results) -> list[float]:
    """Bytes of weights per second, over what the machine reads at best."""
    seconds = time_per_token(results, "kernels", 16)
    return [bytes_read(results) / s / bandwidth(results) for s in seconds]
