"""The solutions' model with a cache, ready to run on the demo model's weights."""

from __future__ import annotations

from rich.console import Console

from course.generate.engine import Cached, choose_engine
from course.generate.request import Request
from course.model.checkpoint import open_checkpoint
from course.model.modules import load_code
from course.steps import DEMO_MODEL


def engine(prompt: str, lookup: int = 0) -> Cached:
    """What `course generate --greedy` generates with.

    Args:
        prompt: The text to go on with.
        lookup: How many tokens are proposed at most; 0 for none.
    """
    request = Request(prompt, lookup=lookup, sampling={"temperature": 0.0})
    chosen = choose_engine(
        open_checkpoint(str(DEMO_MODEL)),
        load_code("solutions"),
        request,
        Console(stderr=True),
    )
    assert isinstance(chosen, Cached)
    return chosen
