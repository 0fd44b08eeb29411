"""Solution for Step 20: More than one server."""

import math
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass


class NoWorker(Exception):
    """There is no worker that may be asked now."""


class WorkerFailed(Exception):
    """A worker could not be reached, or broke off before the end of its answer."""


def page_keys(prompt: str, page_size: int) -> list[int]:
    """Give each page of a prompt a key that stands for all up to its end.

    Two prompts have the same key in a place if, and only if, they are the same from
    their beginning to the end of that page.

    Args:
        prompt: The text. A router has no tokenizer, so it counts characters.
        page_size: How many of them are a page.

    Returns:
        The keys of the pages that are full, in their order.
    """
    keys: list[int] = []
    key = 0
    for end in range(page_size, len(prompt) + 1, page_size):
        key = hash((key, prompt[end - page_size : end]))
        keys.append(key)
    return keys


class PrefixIndex:
    """Which pages a worker is likely to have in its cache: those of the last prompts.

    Args:
        room: How many pages are remembered at most.

    Attributes:
        pages: Their keys, the one that has gone unused for longest first.
    """

    def __init__(self, room: int) -> None:
        self.room = room
        self.pages: OrderedDict[int, None] = OrderedDict()

    def count(self, keys: Sequence[int]) -> int:
        """Count the pages that a prompt shares with those: from its beginning on."""
        for count, key in enumerate(keys):
            if key not in self.pages:
                return count
        return len(keys)

    def add(self, keys: Sequence[int]) -> None:
        """Remember a prompt, and forget what has gone unused for longest.

        Of one prompt, the last page is forgotten first: without the pages before it,
        it is of no use.
        """
        for key in reversed(keys):
            self.pages[key] = None
            self.pages.move_to_end(key)
        while len(self.pages) > self.room:
            self.pages.popitem(last=False)

    def clear(self) -> None:
        """Forget all: the worker has lost its memory."""
        self.pages.clear()


class Breaker:
    """When a worker may be asked: not for a while, after it has failed.

    A circuit breaker (Nygard, Release It!). It is closed at first: requests pass. A
    failure opens it for a pause. After the pause one request goes through as a trial.
    If that fails, the next pause is twice as long. If it succeeds, the breaker closes.

    Times are in seconds, by a clock that the caller reads.

    Args:
        first_pause: How long the first pause is.
        longest_pause: How long a pause is at most.

    Attributes:
        pause: How long the current pause is; 0 while the breaker is closed.
        until: When the worker may be asked again.
        last_failure: When the failure was noted that began the last pause.
    """

    def __init__(self, first_pause: float, longest_pause: float) -> None:
        self.first_pause = first_pause
        self.longest_pause = longest_pause
        self.pause = 0.0
        self.until = -math.inf
        self.last_failure = -math.inf

    def allows(self, now: float) -> bool:
        """Whether the worker may be asked."""
        return now >= self.until

    def begin(self, now: float) -> None:
        """Note that a request goes to the worker.

        After a pause it is the trial: the next one may follow when as long a pause has
        gone by again, or when this one has succeeded.
        """
        self.until = now + self.pause

    def succeeded(self, began: float) -> None:
        """Note that a request was answered: close the breaker.

        Args:
            began: When the request began. If that was before the last failure, it says
                nothing about the worker as it is now.
        """
        if began > self.last_failure:
            self.pause = 0.0
            self.until = began

    def failed(self, began: float, now: float) -> None:
        """Note that a request failed: pause, each time twice as long as before.

        Args:
            began: When the request began. If that was before the last failure, it is
                the same failure once more.
            now: The time.
        """
        if began > self.last_failure:
            pause = min(max(2 * self.pause, self.first_pause), self.longest_pause)
            self.pause, self.until = pause, now + pause
            self.last_failure = now


@dataclass(eq=False)
class Worker:
    """A server, as the router knows it.

    Attributes:
        name: Where it is.
        index: What is likely to be in its cache.
        breaker: Whether it may be asked.
        load: How many requests it is answering.
    """

    name: str
    index: PrefixIndex
    breaker: Breaker
    load: int = 0


class Router:
    """Says which worker answers a request, and sees to it that one does.

    Args:
        names: The workers' names.
        page_size: How many characters of a prompt are a page.
        room: How many pages a worker's cache has room for.
        slack: How many requests more than the least loaded worker another may have, to
            be asked all the same.
        max_tries: How many workers are asked for one request, at most.
        first_pause: How long a worker is left alone after a failure, in seconds.
        longest_pause: How long it is at most, after many.
    """

    def __init__(
        self,
        names: Sequence[str],
        *,
        page_size: int = 512,
        room: int = 1000,
        slack: int = 4,
        max_tries: int = 3,
        first_pause: float = 1.0,
        longest_pause: float = 30.0,
    ) -> None:
        self.page_size = page_size
        self.slack = slack
        self.max_tries = max_tries
        self.workers = [
            Worker(name, PrefixIndex(room), Breaker(first_pause, longest_pause))
            for name in names
        ]

    def choose(
        self, keys: Sequence[int], now: float, tried: Collection[Worker] = ()
    ) -> Worker:
        """Choose the worker for a prompt.

        Of those that may be asked, and are at most `slack` above the least loaded of
        these: the one that shares the most pages with the prompt. If several share as
        many, the least loaded of them.

        Args:
            keys: The prompt's pages.
            now: The time.
            tried: Workers that this request has been sent to before.

        Raises:
            NoWorker: None may be asked.
        """
        able = [
            worker
            for worker in self.workers
            if worker.breaker.allows(now) and worker not in tried
        ]
        if not able:
            raise NoWorker(f"None of {len(self.workers)} workers can be asked now.")
        least = min(worker.load for worker in able)
        near = [worker for worker in able if worker.load <= least + self.slack]
        return min(near, key=lambda worker: (-worker.index.count(keys), worker.load))

    async def answer(
        self,
        prompt: str,
        send: Callable[[str], AsyncGenerator[bytes, None]],
        clock: Callable[[], float],
    ) -> AsyncGenerator[bytes, None]:
        """Have a request answered; if a worker fails before it has begun, by another.

        Args:
            prompt: The prompt.
            send: Sends the request to the worker of that name; what it yields are the
                pieces of the answer.
            clock: Says what time it is.

        Yields:
            The pieces of one answer.

        Raises:
            NoWorker: None may be asked.
            WorkerFailed: The answer broke off, or as many workers have failed as may
                be tried.
        """
        keys = page_keys(prompt, self.page_size)
        tried: list[Worker] = []
        while True:
            began, has_begun = clock(), False
            worker = self.choose(keys, began, tried)
            tried.append(worker)
            worker.load += 1
            worker.index.add(keys)
            worker.breaker.begin(began)
            try:
                async with aclosing(send(worker.name)) as pieces:
                    async for piece in pieces:
                        has_begun = True
                        yield piece
                worker.breaker.succeeded(began)
                return
            except WorkerFailed:
                worker.breaker.failed(began, clock())
                worker.index.clear()
                if has_begun or len(tried) == self.max_tries:
                    raise
            finally:
                worker.load -= 1
