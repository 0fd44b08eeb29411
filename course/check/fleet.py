"""A fleet of servers in no time: what step 20's router is tried on.

The clock is the event loop's, which jumps from one event to the next. `Books` keeps, in
the plainest way, what a router has to know; whatever the reader's router does is
compared with it.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from course.check.failure import CheckFailed


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop that does not wait: where nothing is to be done, it is later."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__(_Skipping(self))

    def time(self) -> float:
        """The time of this loop, in seconds, from 0."""
        return self.now


class _Skipping(selectors.SelectSelector):
    def __init__(self, loop: InstantLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        """What is ready; if nothing is, the time has come for what comes next."""
        if timeout is None:
            raise RuntimeError("Nothing will ever happen again.")
        self._loop.now += timeout
        return super().select(0)


@dataclass(frozen=True)
class Asked:
    """A request.

    Attributes:
        at: When it comes.
        prompt: Its prompt.
        pieces: How many pieces its answer has.
        leaves: After how many of them the client goes away; never, if None.
    """

    at: float
    prompt: str
    pieces: int
    leaves: int | None = None


@dataclass(frozen=True)
class Trace:
    """Requests, and when workers are down.

    Attributes:
        options: What the router is made with.
        outages: For each worker, from when to when it is down.
        requests: In the order in which they come.
        seconds: How long each piece takes.
    """

    options: dict[str, Any]
    outages: dict[str, list[tuple[float, float]]]
    requests: list[Asked]
    seconds: float = 0.1

    def is_down(self, name: str, now: float) -> bool:
        """Whether a worker is down."""
        return any(start <= now < end for start, end in self.outages[name])


BEGINNINGS = ("You are a pirate. ", "You are a poet. ", "Once upon a time, ", "")


def random_trace(seed: int) -> Trace:
    """A trace with two to four workers, all of which go down at times."""
    random = np.random.default_rng(seed)
    names = "abcd"[: random.integers(2, 5)]
    outages = {}
    for name in names:
        starts = np.sort(random.uniform(0, 12, random.integers(0, 4)))
        outages[name] = [(s, s + random.uniform(0.5, 4)) for s in starts.tolist()]
    requests = [
        Asked(
            at=at,
            prompt=BEGINNINGS[random.integers(0, 4)]
            + "ab"[random.integers(0, 2)] * int(random.integers(0, 20)),
            pieces=int(random.integers(1, 9)),
            leaves=int(random.integers(1, 4)) if random.random() < 0.1 else None,
        )
        for at in np.sort(random.uniform(0, 15, 120)).tolist()
    ]
    options = {
        "page_size": int(random.integers(2, 9)),
        "room": int(random.integers(4, 30)),
        "slack": int(random.integers(0, 3)),
        "max_tries": int(random.integers(1, 4)),
        "first_pause": 0.5,
        "longest_pause": 3.0,
    }
    return Trace(options, outages, requests)


@dataclass
class Notes:
    """What is to be known of a worker.

    Attributes:
        load: How many requests it is answering.
        known: The beginnings that it has read, up to the end of a page; the last ones
            it has used stand last.
        pause: How long the current pause is.
        until: When it may be asked again.
        last_failure: When it failed last.
    """

    load: int = 0
    known: list[str] = field(default_factory=list)
    pause: float = 0.0
    until: float = -math.inf
    last_failure: float = -math.inf


class Books:
    """What is to be known of all workers.

    Args:
        names: Their names.
        options: What the router is made with.
    """

    def __init__(self, names: Sequence[str], options: dict[str, Any]) -> None:
        self.options = options
        self.workers = {name: Notes() for name in names}

    def pages(self, prompt: str) -> list[str]:
        """The beginnings of a prompt up to the end of each page."""
        size = self.options["page_size"]
        return [prompt[:end] for end in range(size, len(prompt) + 1, size)]

    def shared(self, name: str, prompt: str) -> int:
        """How many pages of a prompt a worker knows."""
        known, count = self.workers[name].known, 0
        for page in self.pages(prompt):
            if page not in known:
                break
            count += 1
        return count

    def able(self, now: float, tried: Sequence[str]) -> list[str]:
        """The workers that may be asked."""
        return [
            name
            for name, notes in self.workers.items()
            if now >= notes.until and name not in tried
        ]

    def wrong(self, chosen: str, prompt: str, now: float, tried: Sequence[str]) -> str:
        """What is wrong with a choice, in words; nothing, if it is right."""
        if chosen in tried:
            return f"{chosen} is asked again, by the same request."
        able = self.able(now, tried)
        if chosen not in able:
            until = self.workers[chosen].until
            return (
                f"{chosen} is asked at {now:.2f} s, and is to pause up to {until:.2f}."
            )
        loads = {name: self.workers[name].load for name in able}
        bound = min(loads.values()) + self.options["slack"]
        if loads[chosen] > bound:
            return (
                f"{chosen} has {loads[chosen]} requests already: the bound is {bound}."
            )
        near = [name for name in able if loads[name] <= bound]
        ranks = {name: (-self.shared(name, prompt), loads[name]) for name in near}
        best = min(near, key=lambda name: ranks[name])
        if ranks[chosen] == ranks[best]:
            return ""
        return (
            f"{chosen} shares {-ranks[chosen][0]} pages with the prompt and has "
            f"{loads[chosen]} requests; {best} shares {-ranks[best][0]} and has "
            f"{loads[best]}."
        )

    def begin(self, name: str, prompt: str, now: float) -> None:
        """Note that a request goes to a worker."""
        notes = self.workers[name]
        notes.load += 1
        notes.until = now + notes.pause
        for page in reversed(self.pages(prompt)):
            if page in notes.known:
                notes.known.remove(page)
            notes.known.append(page)
        del notes.known[: -self.options["room"]]

    def end(self, name: str, began: float, now: float, answered: bool | None) -> None:
        """Note how a request ended; None, if the client has gone away."""
        notes = self.workers[name]
        notes.load -= 1
        if answered is False:
            notes.known.clear()
        if answered is None or began <= notes.last_failure:
            return
        if answered:
            notes.pause, notes.until = 0.0, began
        else:
            first, longest = self.options["first_pause"], self.options["longest_pause"]
            notes.pause = min(2 * notes.pause or first, longest)
            notes.until, notes.last_failure = now + notes.pause, now


@dataclass
class Outcome:
    """What became of a request.

    Attributes:
        asked: The request.
        sent: The workers that it was sent to, in this order.
        wrong: What was wrong with a choice, in words.
        pieces: What its client got.
        error: What ended it, if it was an error.
        able: The workers that could have been asked then.
    """

    asked: Asked
    sent: list[str] = field(default_factory=list)
    wrong: str = ""
    pieces: list[bytes] = field(default_factory=list)
    error: Exception | None = None
    able: list[str] = field(default_factory=list)

    @property
    def whole(self) -> list[bytes]:
        """The whole answer."""
        count = range(self.asked.pieces)
        return [f"{self.asked.prompt} {number}".encode() for number in count]


@dataclass
class Fleet:
    """The workers of a trace, behind the reader's router.

    Attributes:
        step: The reader's module.
        trace: What happens.
        at_most: How often a request is sent before that is called endless.
    """

    step: Any
    trace: Trace
    at_most: int = 8

    def run(self) -> tuple[list[Outcome], Any, Books]:
        """Go through the trace.

        Returns:
            What became of each request; the router as it is in the end, and what it
            should know.
        """
        with asyncio.Runner(loop_factory=InstantLoop) as runner:
            return runner.run(self._run())

    async def _run(self) -> tuple[list[Outcome], Any, Books]:
        names = list(self.trace.outages)
        router = self.step.Router(names, **self.trace.options)
        books = Books(names, self.trace.options)
        outcomes = [Outcome(asked) for asked in self.trace.requests]
        await asyncio.gather(*(self._ask(router, books, one) for one in outcomes))
        return outcomes, router, books

    async def _ask(self, router: Any, books: Books, outcome: Outcome) -> None:
        """Be the client of a request."""
        asked, clock = outcome.asked, asyncio.get_running_loop().time
        await asyncio.sleep(asked.at)

        def send(name: str) -> AsyncGenerator[bytes, None]:
            return self._answer(books, outcome, name)

        answer = router.answer(asked.prompt, send, clock)
        try:
            async for piece in answer:
                outcome.pieces.append(piece)
                if len(outcome.pieces) == asked.leaves:
                    break
        except (self.step.NoWorker, self.step.WorkerFailed) as error:
            outcome.error = error
            outcome.able = books.able(clock(), outcome.sent)
        finally:
            await answer.aclose()

    async def _answer(
        self, books: Books, outcome: Outcome, name: str
    ) -> AsyncGenerator[bytes, None]:
        """Be a worker that was sent a request."""
        clock = asyncio.get_running_loop().time
        began, prompt = clock(), outcome.asked.prompt
        outcome.wrong = outcome.wrong or books.wrong(name, prompt, began, outcome.sent)
        if len(outcome.sent) == self.at_most:
            raise CheckFailed(
                f"A request is sent {self.at_most} times and more, to "
                f"{', '.join(outcome.sent)}, …",
                short="sent without end",
            )
        outcome.sent.append(name)
        books.begin(name, prompt, began)
        answered: bool | None = None
        try:
            for piece in outcome.whole:
                if self.trace.is_down(name, clock()):
                    answered = False
                    raise self.step.WorkerFailed(f"{name} is down.")
                await asyncio.sleep(self.trace.seconds)
                yield piece
            answered = True
        finally:
            books.end(name, began, clock(), answered)
