"""Texts that come and go in a paged cache, and who is in the next step."""

from __future__ import annotations

from typing import Any

from book.explorers.demo import Data, Demo
from book.pictures.serving import PAGE_SIZE, PAGES
from course.check.loading import load_solution

PLACES = 3  # in a batch
# By step: which texts come, and how many tokens their prompts have. The first four
# steps are those of the chapter's worked example.
COMING: list[dict[str, int]] = [
    *({"A": 4, "B": 2}, {"C": 3}, {"D": 5}, {}, {"E": 9}, {"F": 2}),
    *({}, {}, {}, {}, {}),
]
# A text is done when so many of its tokens are in the cache.
DONE_AT = {"A": 8, "B": 4, "C": 8, "D": 9, "E": 11, "F": 5}
STATIC = 5  # the step in the picture: a text waits for pages
CAPTION = (
    "Pages and scheduler of step 18’s solution. A cell is a slot of a page and says "
    "which token of its text it holds; what this step reads is framed."
)


def compute(_: Demo) -> Data:
    """Run step 18's scheduler, and look at it in each step."""
    step = load_solution(18)
    pages = step.Pages(PAGES, PAGE_SIZE)
    scheduler = step.Scheduler(pages, max_batch_size=PLACES)
    texts: dict[str, Any] = {}
    steps: list[Data] = []
    gone: list[str] = []
    for coming in COMING:
        done = [name for name, text in texts.items() if text.cached == DONE_AT[name]]
        left = {name: list(pages.tables[texts[name]]) for name in done}
        for name in done:
            scheduler.finish(texts.pop(name))
        gone += done
        had = {name: len(pages.tables.get(text, [])) for name, text in texts.items()}
        for name, length in coming.items():
            texts[name] = step.Text([0] * length)
            scheduler.add(texts[name])
        scheduler.next_batch()
        running = [name for name in texts if texts[name] in scheduler.running]
        tables = {name: list(pages.tables[texts[name]]) for name in running}
        steps.append(
            {
                "came": list(coming),
                "left": left,
                "got": {name: tables[name][had.get(name, 0) :] for name in running},
                "cached": {name: texts[name].cached for name in running},
                "tables": tables,
                "tokens": {name: len(text) for name, text in texts.items()},
                "waiting": reasons(scheduler, texts),
                "done": list(gone),
                "free": list(pages.free),
            }
        )
        for text in scheduler.running:
            text.go_on(0)
    return {
        "texts": list(DONE_AT),
        "pages": PAGES,
        "page_size": PAGE_SIZE,
        "steps": steps,
    }


def reasons(scheduler: Any, texts: dict[str, Any]) -> dict[str, str]:
    """Why each text waits that does."""
    names = {text: name for name, text in texts.items()}
    found: dict[str, str] = {}
    for text in scheduler.waiting:
        missing, free = scheduler.pages.missing(text), len(scheduler.pages.free)
        if found:
            found[names[text]] = f"{next(iter(found))} comes first"
        elif len(scheduler.running) == scheduler.max_batch_size:
            found[names[text]] = "the batch is full"
        else:
            assert missing > free
            plural = "s" if missing > 1 else ""
            found[names[text]] = f"{missing} page{plural} needed, {free} free"
    return found


def draw(data: Data) -> str:
    """One step: every text with its page table, and the memory."""
    step = data["steps"][STATIC]
    texts = "\n".join(
        f'<tr><th scope="row" class="text-{name}">{name}</th>'
        f"<td>{step['tokens'].get(name, '')}</td><td>{standing(step, name)}</td></tr>"
        for name in data["texts"]
    )
    memory = "\n".join(
        f'<tr><th scope="row">page {page}</th>'
        + "".join(slot_cell(*slot) for slot in slots(data, step, page))
        + "</tr>"
        for page in range(data["pages"])
    )
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("text", "tokens", "pages")
    )
    return (
        f'<div class="pages">\n<table>\n<caption>Texts in step {STATIC + 1}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{texts}\n</tbody>\n</table>\n"
        '<table class="pool" aria-label="The memory of the cache">\n'
        f"<tbody>\n{memory}\n</tbody>\n</table>\n</div>"
    )


def standing(step: Data, name: str) -> str:
    """The page table of a text, or why it has none."""
    if name in step["tables"]:
        return ", ".join(map(str, step["tables"][name]))
    if name in step["waiting"]:
        return f"waits: {step['waiting'][name]}"
    return "done" if name in step["done"] else ""


def slots(data: Data, step: Data, page: int) -> list[tuple[str, int, bool]]:
    """What the slots of a page hold: text, token, and whether this step reads it."""
    size = data["page_size"]
    for name, table in step["tables"].items():
        if page in table:
            first = table.index(page) * size
            return [
                (name, place, place >= step["cached"][name])
                if place < step["tokens"][name]
                else ("", place, False)
                for place in range(first, first + size)
            ]
    return [("", 0, False)] * size


def slot_cell(name: str, place: int, new: bool) -> str:
    """A slot as a cell of the table."""
    if not name:
        return "<td></td>"
    return f'<td class="text-{name}{" new" if new else ""}">{name}{place}</td>'
