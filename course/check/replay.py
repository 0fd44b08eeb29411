"""A trace of MAX's server, gone through with the reader's classes of step 18."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.traces import Moment, Trace

Batch = list[str] | None  # Sorted names; None if there is no page for a running text.


class Replay:
    """A trace, and the reader's pages and texts in it.

    Attributes:
        step: The reader's module.
        trace: The trace.
        pages: The reader's pages.
        texts: The reader's texts, by name.
    """

    def __init__(self, step: Any, trace: Trace) -> None:
        self.step = step
        self.trace = trace
        self.pages = step.Pages(trace.pages, trace.page_size)
        self.texts: dict[str, Any] = {}

    def come(self, moment: Moment) -> None:
        """Let the texts come that come before a step."""
        for name, prompt in moment.come.items():
            self.texts[name] = self.step.Text(list(prompt))

    def go_on(self, moment: Moment) -> None:
        """After the step: the texts of the batch go on."""
        for name, token_id in moment.chosen.items():
            self.texts[name].go_on(token_id)

    def growing(self, moment: Moment) -> list[str]:
        """The texts that get pages in a step, in their order."""
        if moment.batch:
            return moment.batch
        # There is none: of those that are running, one finds no page.
        running = list(self.texts)
        return running[: running.index(moment.refused)]

    def table(self, name: str) -> list[int]:
        """The page table of a text, in the reader's pages."""
        table = self.pages.tables.get(self.texts[name], [])
        return _numbers(table, "The page table of a text")

    def free_pages(self) -> list[int]:
        """The pages that no text has, in the reader's pages."""
        return _numbers(self.pages.free, "Pages.free")

    def says(self, name: str) -> str:
        """A text in words."""
        size = self.trace.page_size
        return f"Text {tokens(name, self.texts)}; a page has room for {size}."


def _numbers(pages: Any, what: str) -> list[int]:
    """A list of the reader's, as it should be: the numbers of pages."""
    numbers = list(pages) if hasattr(pages, "__iter__") else None
    if numbers is None or not all(hasattr(number, "__index__") for number in numbers):
        raise CheckFailed(
            f"{what} is {pages!r}: it should hold the numbers of pages.",
            short="no numbers of pages",
        )
    return numbers


def tokens(name: str, texts: Mapping[str, Any]) -> str:
    """A text and how long it is: "A (1 token)"."""
    count = len(texts[name])
    return f"{name} ({count} token{'s' if count > 1 else ''})"


def scheduled(replay: Replay) -> Iterator[Batch]:
    """The batches of the reader's scheduler, step by step."""
    step, trace = replay.step, replay.trace
    scheduler = step.Scheduler(replay.pages, trace.max_batch_size)
    for moment in trace.moments:
        for name in moment.leave:
            scheduler.finish(replay.texts[name])
        replay.come(moment)
        for name in moment.come:
            scheduler.add(replay.texts[name])
        try:
            batch = scheduler.next_batch()
        except step.NoFreePage:
            yield None
        else:
            yield _names(replay, batch)
        replay.go_on(moment)


def _names(replay: Replay, batch: Any) -> list[str]:
    """The names of the texts of a batch, which have all their pages."""
    if not isinstance(batch, list | tuple):
        kind = "None" if batch is None else f"a {type(batch).__name__}"
        raise CheckFailed(f"next_batch returns {kind}, not a list.", short=kind)
    names = {id(text): name for name, text in replay.texts.items()}
    if strange := [text for text in batch if id(text) not in names]:
        raise CheckFailed(
            f"next_batch returns a list with {strange[0]!r} in it, which is none of "
            "the texts that run or wait.",
            short="not the texts",
        )
    found = [names[id(text)] for text in batch]
    if Counter(found).total() > len(set(found)):
        detail = f"The batch is {', '.join(found)}."
        raise known(18, "still-waiting", replay.step, detail=detail)
    for name in found:
        if replay.pages.missing(replay.texts[name]) > 0:
            detail = f"{replay.says(name)} It has {replay.table(name)}."
            raise known(18, "scheduled-without-pages", replay.step, detail=detail)
    return sorted(found)


def expected(moment: Moment) -> Batch:
    """The batch of MAX's scheduler."""
    return sorted(moment.batch) if moment.batch else None


def until_different(replay: Replay) -> list[Batch]:
    """The reader's batches, up to the first that is not MAX's."""
    found = []
    for moment, batch in zip(replay.trace.moments, scheduled(replay), strict=False):
        found.append(batch)
        if batch != expected(moment):
            break
    return found


def first_difference(replay: Replay) -> str:
    """Where the reader's batches differ from MAX's first, in words; "" if nowhere."""
    batches, trace = until_different(replay), replay.trace
    moment = trace.moments[len(batches) - 1]
    if batches[-1] == expected(moment):
        return ""
    before = trace.moments[: len(batches)]
    gone = {name for one in before for name in one.leave}
    begun = {name for one in before[:-1] for name in one.batch}
    here = [name for one in before for name in one.come if name not in gone]
    running = [tokens(name, replay.texts) for name in here if name in begun]
    waiting = [tokens(name, replay.texts) for name in here if name not in begun]
    return (
        f"There are {trace.pages} pages, with room for {trace.page_size} tokens in "
        f"each, and a batch has room for {trace.max_batch_size} texts. "
        f"Finished just now: {listed(moment.leave)}. Running: {listed(running)}. "
        f"Waiting: {listed(waiting)}.\n"
        f"In the next step MAX has {listed(expected(moment))}; you have "
        f"{listed(batches[-1])}."
    )


def listed(names: Sequence[str] | None) -> str:
    """Texts in words."""
    return "NoFreePage" if names is None else ", ".join(names) or "none"
