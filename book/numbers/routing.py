"""The worked example of step 20."""

from __future__ import annotations

from typing import Any

from book.numbers.example import columns, page, text
from course.check.loading import load_solution

PAGE_SIZE = 8
PROMPTS = {
    "p": "You are a pirate. Sing!",
    "q": "You are a pirate. Swim!",
    "r": "You are a poet. Sing!",
}
FAILURES = 6


def scene() -> Any:
    """Three workers: a and b have read a prompt each, and c has failed."""
    step = load_solution(20)
    router = step.Router(["a", "b", "c"], page_size=PAGE_SIZE, slack=1, first_pause=1.0)
    a, b, c = router.workers
    a.index.add(step.page_keys(PROMPTS["p"], PAGE_SIZE))
    b.index.add(step.page_keys(PROMPTS["r"], PAGE_SIZE))
    a.load, b.load = 2, 1
    c.breaker.failed(4.5, 5.0)
    return router


def step_20(_: Any) -> str:
    """Pages, a choice, and pauses."""
    return page(pages=text(pages()), chosen=text(chosen()), pauses=text(pauses()))


def pages() -> str:
    """Which pages the prompts have, and what is left over."""
    rows = []
    for name, prompt in PROMPTS.items():
        full = len(load_solution(20).page_keys(prompt, PAGE_SIZE)) * PAGE_SIZE
        ends = range(PAGE_SIZE, full + 1, PAGE_SIZE)
        row = [f"[{prompt[end - PAGE_SIZE : end]}]" for end in ends]
        rows.append([name, *row, prompt[full:]])
    return columns(["", "page 0", "page 1", "left over"], rows, [3, 12, 12, 10])


def chosen() -> str:
    """Who gets the prompt q at 5 s, and who gets it if a has one request more."""
    router, rows = scene(), []
    keys = load_solution(20).page_keys(PROMPTS["q"], PAGE_SIZE)
    first = router.choose(keys, 5.0).name
    for worker in router.workers:
        able = worker.breaker.allows(5.0)
        rows.append(
            [
                worker.name,
                str(worker.load),
                str(worker.index.count(keys)),
                "yes" if able else f"from {worker.breaker.until:g} s on",
            ]
        )
    router.workers[0].load += 1
    then = router.choose(keys, 5.0).name
    table = columns(["worker", "load", "shares", "may be asked"], rows, [6, 5, 7, 14])
    return f"{table}\nchosen: {first}; with one request more at a: {then}"


def pauses() -> str:
    """How long a worker is left alone that fails each time it is asked."""
    breaker, now, rows = load_solution(20).Breaker(1.0, 30.0), 0.0, []
    for number in range(1, FAILURES + 1):
        breaker.begin(now)
        breaker.failed(now, now + 0.1)
        rows.append([str(number), f"{now:.1f}", f"{breaker.pause:g}"])
        now = breaker.until
    return columns(["trial", "asked at (s)", "pause (s)"], rows, [5, 13, 10])
