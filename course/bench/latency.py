"""What is worked out from the answers of a server: throughput and latency."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from course.bench.clients import TimedAnswer


def figures(answers: Sequence[TimedAnswer]) -> dict[str, Any]:
    """Work out throughput and latency.

    Args:
        answers: All answers to requests that went out together.

    Returns:
        Tokens per second, from the first request to the last token of all; and, in
        seconds, the percentiles of the time to the first token and of the time
        between two tokens of a text.
    """
    begin = min(answer.asked for answer in answers)
    end = max(answer.arrivals[-1][0] for answer in answers)
    return {
        "tokens_per_second": sum(len(answer.tokens) for answer in answers)
        / (end - begin),
        "first": percentiles([a.arrivals[0][0] - a.asked for a in answers]),
        "between": percentiles([gap for a in answers for gap in gaps(a)]),
    }


def gaps(answer: TimedAnswer) -> list[float]:
    """The time between two tokens, for all tokens behind the first piece.

    Tokens that came in one piece share the time since the piece before.
    """
    return [
        (then - before) / len(tokens)
        for (before, _), (then, tokens) in itertools.pairwise(answer.arrivals)
        for _ in tokens
    ]


def percentiles(seconds: Sequence[float]) -> dict[str, float]:
    """Return the 50th and the 99th percentile."""
    middle, high = np.percentile(seconds, [50, 99])
    return {"p50": float(middle), "p99": float(high)}


def speedup(by_clients: dict[str, dict[str, Any]], clients: int) -> float:
    """How many times as many tokens per second so many clients get as one alone.

    Args:
        by_clients: The figures of one server, by the number of clients.
        clients: How many.
    """
    alone = by_clients["1"]["tokens_per_second"]
    return float(by_clients[str(clients)]["tokens_per_second"] / alone)
