"""The parts of step 20's router, each with one mistake."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

Keys = Sequence[int]

COUNTS: Mapping[str, Callable[[Keys, Sequence[int]], int]] = {
    "counted-anywhere": lambda keys, known: sum(key in known for key in keys),
    "all-or-nothing": lambda keys, known: len(keys) * all(key in known for key in keys),
    "counted-one-too-few": lambda keys, known: max(_leading(keys, known) - 1, 0),
    "all-counted": lambda keys, known: len(keys),
    "size-of-the-index": lambda keys, known: len(known),
}
"""How many pages are shared then, by the prompt's keys and those that are known."""


def _leading(keys: Keys, known: Sequence[int]) -> int:
    count = 0
    while count < len(keys) and keys[count] in known:
        count += 1
    return count


IndexMistake = Literal[
    "never-forgets",
    "newest-forgotten",
    "use-not-noted",
    "first-page-forgotten-first",
    "forgets-all",
    "one-page-too-many",
    "one-page-too-few",
]
INDEX_MISTAKES: tuple[IndexMistake, ...] = get_args(IndexMistake)


def remembered(
    prompts: Sequence[Keys], room: int, mistake: IndexMistake | None
) -> list[int]:
    """The keys that are known after these prompts; those used last stand last."""
    known: list[int] = []
    room += {"one-page-too-many": 1, "one-page-too-few": -1}.get(mistake or "", 0)
    for keys in prompts:
        first = mistake == "first-page-forgotten-first"
        for key in keys if first else reversed(keys):
            if key in known:
                if mistake == "use-not-noted":
                    continue
                known.remove(key)
            known.append(key)
        if len(known) > room:
            if mistake == "newest-forgotten":
                del known[room:]
            elif mistake == "forgets-all":
                known.clear()
            elif mistake != "never-forgets":
                del known[: len(known) - room]
    return known


BreakerMistake = Literal[
    "failures-not-noted",
    "pause-does-not-grow",
    "pause-not-doubled",
    "pause-without-bound",
    "first-pause-too-long",
    "pause-from-the-beginning",
    "every-failure-counts",
    "last-failure-not-noted",
    "old-success-counts",
    "success-not-noted",
    "pause-remembered",
    "still-waits",
    "everybody-is-a-trial",
]
BREAKER_MISTAKES: tuple[BreakerMistake, ...] = get_args(BreakerMistake)


@dataclass
class WrongBreaker:
    """A circuit breaker with a mistake.

    Attributes:
        first: How long the first pause is.
        longest: How long a pause is at most.
        mistake: What it does wrong.
    """

    first: float
    longest: float
    mistake: BreakerMistake | None
    pause: float = 0.0
    until: float = -math.inf
    last_failure: float = -math.inf

    def allows(self, now: float) -> bool:
        """Whether the worker may be asked."""
        return now >= self.until

    def begin(self, now: float) -> None:
        """Note that a request goes out."""
        if self.mistake != "everybody-is-a-trial":
            self.until = now + self.pause

    def succeeded(self, began: float) -> None:
        """Note that one was answered."""
        if self.mistake == "success-not-noted":
            return
        if began > self.last_failure or self.mistake == "old-success-counts":
            if self.mistake != "pause-remembered":
                self.pause = 0.0
            if self.mistake != "still-waits":
                self.until = began

    def failed(self, began: float, now: float) -> None:
        """Note that one failed."""
        if self.mistake == "failures-not-noted":
            return
        if began <= self.last_failure and self.mistake != "every-failure-counts":
            return
        self.pause = self._next_pause()
        start = began if self.mistake == "pause-from-the-beginning" else now
        self.until = start + self.pause
        if self.mistake != "last-failure-not-noted":
            self.last_failure = now

    def _next_pause(self) -> float:
        if self.mistake == "pause-does-not-grow":
            return self.first
        if self.mistake == "pause-not-doubled":
            return min(self.pause + self.first, self.longest)
        if self.mistake == "first-pause-too-long" and not self.pause:
            return 2 * self.first
        longer = 2 * self.pause or self.first
        bounded = self.mistake != "pause-without-bound"
        return min(longer, self.longest) if bounded else longer


@dataclass(frozen=True)
class Situation:
    """One worker, where another request is to be placed.

    Attributes:
        name: The worker.
        shared: How many pages of the prompt it knows.
        load: How many requests it is answering.
        allowed: Whether its breaker allows one more.
        tried: Whether the request has been there before.
    """

    name: str
    shared: int
    load: int
    allowed: bool
    tried: bool


Workers = Sequence[Situation]
OF_NONE = "the best of none"


def _best(
    workers: Workers,
    slack: float,
    *,
    able: Callable[[Situation], bool] = lambda w: w.allowed and not w.tried,
    least_of: Callable[[Situation], bool] | None = None,
    rank: Callable[[Situation], tuple[int, ...]] = lambda w: (-w.shared, w.load),
) -> set[str | None]:
    """The names of those that may be chosen; None, if NoWorker is raised."""
    found = [worker for worker in workers if able(worker)]
    if not found:
        return {None}
    least = min(worker.load for worker in workers if (least_of or able)(worker))
    near = [worker for worker in found if worker.load <= least + slack]
    best = min(map(rank, near), default=None)
    return {worker.name for worker in near if rank(worker) == best} or {OF_NONE}


CHOICES: Mapping[str, Callable[[Workers, int], set[str | None]]] = {
    "nobody-not-said": lambda w, slack: {
        OF_NONE if name is None else name for name in _best(w, slack)
    },
    "pause-ignored": lambda w, slack: _best(w, slack, able=lambda one: not one.tried),
    "tried-again": lambda w, slack: _best(w, slack, able=lambda one: one.allowed),
    "prefix-ignored": lambda w, slack: _best(w, slack, rank=lambda one: (one.load,)),
    "load-ignored": lambda w, slack: _best(w, math.inf),
    "bound-one-too-low": lambda w, slack: _best(w, slack - 1),
    "bound-one-too-high": lambda w, slack: _best(w, slack + 1),
    "least-of-all": lambda w, slack: _best(w, slack, least_of=lambda one: True),
    "load-before-prefix": lambda w, slack: _best(
        w, slack, rank=lambda one: (one.load, -one.shared)
    ),
    "fewest-shared": lambda w, slack: _best(
        w, slack, rank=lambda one: (one.shared, one.load)
    ),
    "most-loaded-of-equals": lambda w, slack: _best(
        w, slack, rank=lambda one: (-one.shared, -one.load)
    ),
    "any-of-equals": lambda w, slack: _best(w, slack, rank=lambda one: (-one.shared,)),
}
"""Who may be chosen then, of these workers and with this slack."""
