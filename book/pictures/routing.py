"""What is drawn for step 20."""

from __future__ import annotations

from book.numbers.routing import PROMPTS, scene
from book.pictures.svg import WIDTH, Drawing
from course.check.loading import load_solution


def router() -> Drawing:
    """Three workers, a prompt, and where it goes."""
    found = scene()
    keys = load_solution(20).page_keys(PROMPTS["q"], 8)
    chosen = found.choose(keys, 5.0)
    drawing = Drawing(
        "A router and three workers",
        f"The prompt {PROMPTS['q']} comes to the router. Worker a shares two pages "
        f"with it, b one; c is left alone for a while, since it has failed. The prompt "
        f"goes to {chosen.name}.",
        WIDTH,
        206,
    )
    drawing.text(0, 14, PROMPTS["q"], "mono small")
    drawing.arrow([(52, 22), (52, 84)])
    drawing.box(0, 84, 104, 34, "router", "violet", "mid")
    drawing.text(0, 134, "loads, pages,", "tiny dim")
    drawing.text(0, 146, "pauses", "tiny dim")
    for place, worker in enumerate(found.workers):
        top = 34 + place * 58
        able = worker.breaker.allows(5.0)
        hue = "green" if worker is chosen else "plain"
        drawing.box(170, top, 60, 34, worker.name, hue, "mid")
        shared = worker.index.count(keys)
        says = f"has requests: {worker.load}" if able else "is left alone"
        drawing.text(238, top + 14, says, "tiny")
        for page in range(2):
            known = "blue" if page < shared else "plain"
            drawing.box(238 + page * 22, top + 20, 18, 14, "", known, "mid tiny")
        if able:
            drawing.text(284, top + 31, f"shared: {shared}", "tiny dim")
        if worker is chosen:
            drawing.arrow([(104, 101), (170, top + 17)])
    return drawing


DRAWINGS = (router,)
