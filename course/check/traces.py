"""What MAX's own scheduler and cache manager do with texts that come and go.

Recorded once and kept, as Hugging Face's answers are: MAX's server takes seconds to
import. No model runs: which tokens are chosen does not matter here.
"""

from __future__ import annotations

import functools
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import numpy as np

from course.check.answers import Expected, reference

GROWING, COMING_AND_GOING = 16, 48
STEPS = 12
VOCAB_SIZE = 100


@dataclass(frozen=True)
class Moment:
    """One step of MAX's server.

    Attributes:
        leave: The texts that are done, and leave before it.
        come: The texts that come before it, with their prompts.
        batch: The texts that MAX's scheduler puts into it, in their order.
        refused: The text for which there are too few pages: one that runs, and then
            there is no batch, or the first of those that wait; "" if there is none.
        tables: The page tables, after MAX's cache manager has given out pages.
        free: How many pages are free then.
        tokens: The new tokens of the batch, end to end.
        positions: Where each stands in its text.
        offsets: Where each text begins in the batch, and where the last one ends.
        chosen: The tokens with which the texts of the batch go on.
    """

    leave: list[str]
    come: dict[str, list[int]]
    batch: list[str]
    refused: str
    tables: dict[str, list[int]]
    free: int
    tokens: list[int]
    positions: list[int]
    offsets: list[int]
    chosen: dict[str, int]


@dataclass(frozen=True)
class Trace:
    """A while of MAX's server.

    Attributes:
        page_size: How many tokens a page has room for.
        pages: How many pages there are.
        max_batch_size: How many texts a step has room for.
        leaving: Whether texts leave. If not, the last step may be one without a batch,
            for want of pages.
        moments: Its steps.
    """

    page_size: int
    pages: int
    max_batch_size: int
    leaving: bool
    moments: list[Moment]


@functools.cache
def traces(*, leaving: bool) -> tuple[Trace, ...]:
    """Those in which texts leave, or those in which none does."""
    found: list[dict[str, Any]] = json.loads(str(_recorded(MAX).output))
    return tuple(
        Trace(**trace | {"moments": [Moment(**moment) for moment in trace["moments"]]})
        for trace in found
        if trace["leaving"] == leaving
    )


MAX = f"MAX {version('max')}"


@reference([MAX])
def _recorded(_: str) -> Expected:
    found = [record(seed, leaving=False) for seed in range(GROWING)]
    found += [record(seed, leaving=True) for seed in range(COMING_AND_GOING)]
    return Expected(output=np.array(json.dumps([asdict(trace) for trace in found])))


def record(seed: int, *, leaving: bool) -> Trace:
    """Let texts come, run, and perhaps leave, at random."""
    from course.check.max_server import MaxServer

    random = np.random.default_rng([seed, leaving])
    page_size = int(random.choice([1, 2, 4, 8]))
    longest = int(random.choice([1, 3])) * page_size
    pages, max_batch_size = int(random.integers(4, 13)), int(random.integers(2, 6))
    server = MaxServer(page_size, pages, max_batch_size)
    names = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    moments: list[Moment] = []
    while len(moments) < STEPS and (not moments or moments[-1].batch):
        done = [n for n in server.running() if leaving and random.random() < 0.2]
        for name in done:
            server.leave(name)
        while leaving and server.lacking():
            done.append(server.running()[-1])
            server.leave(done[-1])
        count = int(random.choice([0, 0, 1, 1, 2, 4])) or int(not server.texts)
        lengths = random.integers(1, longest + 1, size=count)
        come = {
            next(names): random.integers(VOCAB_SIZE, size=length).tolist()
            for length in lengths
        }
        for name, prompt in come.items():
            server.come(name, prompt)
        moments.append(_step(server, max_batch_size, done, come, random))
    return Trace(page_size, pages, max_batch_size, leaving, moments)


def _step(
    server: Any,
    max_batch_size: int,
    leave: list[str],
    come: dict[str, list[int]],
    random: np.random.Generator,
) -> Moment:
    """One step of MAX's server, for the texts that are there."""
    refused = server.lacking()
    batch = [] if refused else server.next_batch()
    waiting = [name for name in server.waiting() if name not in batch]
    if batch and waiting and len(batch) < max_batch_size:
        refused = waiting[0]
    tokens, positions, offsets = server.ragged(batch)
    moment = Moment(
        leave=leave,
        come=come,
        batch=batch,
        refused=refused,
        tables=server.tables(),
        free=server.free(),
        tokens=tokens,
        positions=positions,
        offsets=offsets,
        chosen={name: int(random.integers(VOCAB_SIZE)) for name in batch},
    )
    if batch:
        server.go_on(moment.chosen)
    return moment
