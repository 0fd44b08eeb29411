"""What is drawn for step 18."""

from __future__ import annotations

from book.pictures.svg import WIDTH, Drawing
from course.check.loading import load_solution

HUES = {"A": "blue", "B": "orange", "C": "green", "D": "violet"}
PAGE_SIZE, PAGES = 4, 6


def paged_cache() -> Drawing:
    """Three texts, and the pages that hold what is kept of them."""
    lengths, tables = in_step_4()
    owner = {number: name for name, pages in tables.items() for number in pages}

    drawing = Drawing(
        "Three texts in a paged cache",
        f"Above, a page table: {told(tables)}. Below, the memory of the cache: "
        f"{PAGES} pages with {PAGE_SIZE} slots each. A slot that is filled shows "
        "which token of its text it holds, counted from 0. The pages of a text need "
        "not lie side by side, nor in order.",
        WIDTH,
        228,
    )
    drawing.text(0, 14, "page tables", "strong small")
    drawing.text(340, 14, "which pages, in their order", "end small dim")
    for row, (name, pages) in enumerate(tables.items()):
        y = 24 + 26 * row
        drawing.text(0, y + 15, f"{name}, {lengths[name]} tokens", "small")
        for place, number in enumerate(pages):
            drawing.box(92 + 40 * place, y, 34, 21, str(number), HUES[name])

    drawing.text(0, 124, "memory", "strong small")
    drawing.text(340, 124, "keys and values of all layers", "end small dim")
    cell, gap = 26, 118
    for number in range(PAGES):
        left = number % 3 * gap
        top = 134 + 48 * (number // 3)
        drawing.text(left + 2 * cell, top + 38, f"page {number}", "mid tiny dim")
        name = owner[number]
        for slot in range(PAGE_SIZE):
            token = tables[name].index(number) * PAGE_SIZE + slot
            filled = token < lengths[name]
            hue = HUES[name] if filled else "plain"
            drawing.rect(left + slot * cell, top, cell, 22, hue)
            if filled:
                x = left + (slot + 0.5) * cell
                drawing.text(x, top + 15.5, f"{name}{token}", "mid mono tiny")
    return drawing


def in_step_4() -> tuple[dict[str, int], dict[str, list[int]]]:
    """How long the texts of the worked example are in step 4, and their page tables."""
    step_18 = load_solution(18)
    pages = step_18.Pages(PAGES, PAGE_SIZE)
    scheduler = step_18.Scheduler(pages, max_batch_size=3)
    texts = {
        name: step_18.Text([0] * count)
        for name, count in {"A": 4, "B": 2, "C": 3, "D": 5}.items()
    }
    for coming in ("AB", "C", "D"):
        for name in coming:
            scheduler.add(texts[name])
        for text in scheduler.next_batch():
            text.go_on(0)
    scheduler.finish(texts.pop("B"))
    scheduler.next_batch()
    lengths = {name: len(text) for name, text in texts.items()}
    return lengths, {name: pages.tables[text] for name, text in texts.items()}


def told(tables: dict[str, list[int]]) -> str:
    """Page tables in words."""
    return "; ".join(
        f"text {name} has page{'s' if len(pages) > 1 else ''} "
        f"{' and '.join(map(str, pages))}"
        for name, pages in tables.items()
    )


def continuous_batching() -> Drawing:
    """The same four texts, in batches that wait and in batches that do not."""
    steps = {"A": 7, "B": 2, "C": 4, "D": 3}
    slots = 3
    waiting = schedule(steps, slots, wait=True)
    joining = schedule(steps, slots, wait=False)
    drawing = Drawing(
        "Batches that wait, and continuous batching",
        f"Four texts of {', '.join(f'{n} steps ({t})' for t, n in steps.items())}, "
        f"and room for {slots} at a time. Above, a batch has to end before the next "
        f"begins: D waits until A is done, and all takes {length(waiting)} steps, with "
        "many places empty. Below, D takes the place of B as soon as B is done: "
        f"{length(joining)} steps.",
        WIDTH,
        242,
    )

    def panel(top: int, title: str, rows: list[list[str]]) -> None:
        drawing.text(0, top + 13, title, "small strong")
        drawing.text(340, top + 13, f"{length(rows)} steps", "end small dim")
        for slot, row in enumerate(rows):
            y = top + 22 + 26 * slot
            for step in range(length(waiting)):
                name = row[step] if step < len(row) else ""
                if name:
                    drawing.box(step * 34, y, 32, 22, name, HUES[name])
                elif step < length(rows):
                    drawing.rect(step * 34, y, 32, 22, "plain")

    panel(0, "a batch waits for its longest text", waiting)
    panel(116, "continuous: texts join and leave", joining)
    drawing.arrow([(0, 222), (length(waiting) * 34 - 2, 222)])
    drawing.text(340, 238, "step by step", "end small dim")
    return drawing


def schedule(steps: dict[str, int], slots: int, *, wait: bool) -> list[list[str]]:
    """Which text is in which place of the batch at each step."""
    rows: list[list[str]] = [[] for _ in range(slots)]
    for name, count in steps.items():
        row = min(rows, key=len)
        if wait and row:
            # Nobody begins before all of the batch have ended.
            end = length(rows)
            for other in rows:
                other += [""] * (end - len(other))
            row = rows[0]
        row += [name] * count
    return rows


def length(rows: list[list[str]]) -> int:
    """How many steps it takes until all are done."""
    return max(map(len, rows))


DRAWINGS = (paged_cache, continuous_batching)
