"""The pages, ragged batches and scheduler of step 18, each with one mistake."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np

from course.check.mistakes.wrong_gpt2 import Array

Span = tuple[int, int]  # The positions of a text's new tokens: from, and up to.

MISSING: Mapping[str, Callable[[int, int, int, int], int]] = {
    "tokens-not-pages": lambda length, cached, page_size, had: length - had,
    "page-rounded-down": lambda length, cached, page_size, had: (
        length // page_size - had
    ),
    "page-too-early": lambda length, cached, page_size, had: (
        length // page_size + 1 - had
    ),
    "page-too-late": lambda length, cached, page_size, had: (
        -(-cached // page_size) - had
    ),
    "pages-of-new-tokens": lambda length, cached, page_size, had: (
        -(-(length - cached) // page_size) - had
    ),
    "pages-given-again": lambda length, cached, page_size, had: -(-length // page_size),
}
"""How many pages a text is missing then: its length, how much of it is cached, the size
of a page, and how many it has."""

WHERE: Mapping[str, Callable[[Sequence[int], int, int], Span]] = {
    "page-and-slot-swapped": lambda table, position, page_size: (
        position % page_size,
        table[position // page_size],
    ),
    "entry-not-page": lambda table, position, page_size: divmod(position, page_size),
    "slot-not-in-page": lambda table, position, page_size: (
        table[position // page_size],
        position,
    ),
    "position-as-entry": lambda table, position, page_size: (
        table[position],
        position % page_size,
    ),
    "divided-the-wrong-way": lambda table, position, page_size: (
        table[position % page_size],
        position // page_size,
    ),
}
"""Where a token then is, by the page table and its position."""


def positions(spans: Sequence[Span]) -> dict[str, Callable[[], Array]]:
    """What known mistakes give for the positions."""

    def each(span: Callable[[int, int], Sequence[int]]) -> Array:
        return np.array([i for start, end in spans for i in span(start, end)], np.int64)

    return {
        "positions-through-the-batch": lambda: np.arange(
            sum(end - start for start, end in spans)
        ),
        "positions-from-0": lambda: each(lambda start, end: range(end - start)),
        "positions-of-the-next": lambda: each(
            lambda start, end: range(start + 1, end + 1)
        ),
        "positions-of-the-whole-text": lambda: each(lambda start, end: range(end)),
        "positions-all-the-same": lambda: each(
            lambda start, end: [start] * (end - start)
        ),
    }


def offsets(spans: Sequence[Span]) -> dict[str, Callable[[], Array]]:
    """What known mistakes give for the offsets."""
    lengths = [end - start for start, end in spans]
    ends = np.cumsum(lengths, dtype=np.uint32)
    return {
        "offsets-are-lengths": lambda: np.array(lengths, np.uint32),
        "offsets-without-0": lambda: ends,
        "offsets-without-the-end": lambda: np.array([0, *ends[:-1]], np.uint32),
        "offsets-of-whole-texts": lambda: np.array(
            [0, *np.cumsum([end for _, end in spans])], np.uint32
        ),
    }


ARRAYS: Mapping[str, Callable[[Sequence[Span]], dict[str, Callable[[], Array]]]] = {
    "tokens": lambda spans: {},
    "positions": positions,
    "offsets": offsets,
}

SchedulerMistake = Literal[
    "batch-limit-forgotten",
    "batch-limit-one-off",
    "admitted-without-pages",
    "last-page-kept",
    "lost-while-waiting",
    "one-admitted-at-a-time",
    "waits-for-the-batch",
    "overtaken",
    "last-come-first-served",
    "running-left-out",
    "admitted-before-growing",
    "finished-keeps-its-pages",
    "finished-goes-on",
]
MISTAKES: tuple[SchedulerMistake, ...] = get_args(SchedulerMistake)


class WrongScheduler:
    """A scheduler that counts pages and knows nothing else; with one mistake.

    Args:
        trace: Which pages there are, and how large a batch may be.
        mistake: What it does wrong.
    """

    def __init__(self, trace: Any, mistake: SchedulerMistake | None) -> None:
        self.mistake = mistake
        self.page_size = trace.page_size
        self.room = trace.max_batch_size + (mistake == "batch-limit-one-off")
        self.free = trace.pages
        self.lengths: dict[str, int] = {}
        self.tables: dict[str, int] = {}
        self.waiting: list[str] = []
        self.running: list[str] = []

    def add(self, name: str, length: int) -> None:
        """Let a text wait."""
        self.lengths[name] = length
        self.waiting.append(name)

    def finish(self, name: str) -> None:
        """Let a text leave."""
        if self.mistake != "finished-goes-on":
            self.running.remove(name)
        if self.mistake != "finished-keeps-its-pages":
            self.free += self.tables.pop(name)

    def go_on(self, names: Sequence[str]) -> None:
        """Make texts one token longer."""
        for name in names:
            self.lengths[name] += 1

    def missing(self, name: str) -> int:
        """How many pages a text needs that it does not have."""
        return -(-self.lengths[name] // self.page_size) - self.tables.get(name, 0)

    def next_batch(self) -> list[str] | None:
        """The texts of the next step; None if there is no page for one of them."""
        before = list(self.running)
        if self.mistake == "admitted-before-growing":
            enough = self._admit() and self._grow(before)
        else:
            enough = self._grow(before) and self._admit()
        if not enough:
            return None
        if self.mistake == "running-left-out":
            return [name for name in self.running if name not in before]
        return list(self.running)

    def _grow(self, names: Sequence[str]) -> bool:
        return all(self._give_pages(name) for name in names)

    def _give_pages(self, name: str) -> bool:
        missing = self.missing(name)
        if missing > self.free:
            return False
        self.free -= missing
        self.tables[name] = self.tables.get(name, 0) + missing
        return True

    def _admit(self) -> bool:
        """Let waiting texts begin; False if one does for which there are no pages."""
        if self.mistake == "waits-for-the-batch" and self.running:
            return True
        waiting = list(self.waiting)
        if self.mistake == "last-come-first-served":
            waiting.reverse()
        for name in waiting:
            limited = self.mistake != "batch-limit-forgotten"
            if limited and len(self.running) >= self.room:
                break
            if self.mistake == "last-page-kept" and self.missing(name) == self.free:
                break
            if not self._give_pages(name):
                if self.mistake == "lost-while-waiting":
                    self.waiting.remove(name)
                if self.mistake == "admitted-without-pages":
                    return False
                if self.mistake == "overtaken":
                    continue
                break
            self.waiting.remove(name)
            self.running.append(name)
            if self.mistake == "one-admitted-at-a-time":
                break
        return True


def batches(trace: Any, mistake: SchedulerMistake | None) -> list[list[str] | None]:
    """What a scheduler with a mistake makes of a trace.

    Returns:
        The names of the texts in each step, sorted; None if there is no page for one.
    """
    scheduler = WrongScheduler(trace, mistake)
    found: list[list[str] | None] = []
    for moment in trace.moments:
        for name in moment.leave:
            if name in scheduler.tables:
                scheduler.finish(name)
        for name, prompt in moment.come.items():
            scheduler.add(name, len(prompt))
        batch = scheduler.next_batch()
        found.append(None if batch is None else sorted(batch))
        scheduler.go_on(moment.batch)
    return found
