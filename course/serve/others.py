"""Servers on other machines, before a router is given them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import httpx
from rich.console import Console

from course.console import say
from course.errors import CourseError

PATIENCE = 10.0
"""How many seconds they may take to answer, where others can do their work."""
LONGEST = 60.0
"""How many they may take, where nobody can."""
ANSWER = 3.0


def meet(workers: Sequence[str], name: str, own: int, notes: Console) -> int:
    """Wait until servers elsewhere answer, and say which do not.

    Args:
        workers: Their URLs.
        name: What the model is called that they serve.
        own: How many servers this machine has.
        notes: Where it is said.

    Returns:
        How many of them answer.

    Raises:
        CourseError: Nobody can serve, or one of them serves another model.
    """
    began = time.monotonic()
    silent = list(workers)
    told = f"waiting for {', '.join(workers)}"
    with say(notes, told), ThreadPoolExecutor(len(workers)) as pool:
        while True:
            served = dict(zip(silent, pool.map(_model, silent), strict=True))
            for worker, model in served.items():
                if model not in {name, None}:
                    raise CourseError(
                        f"{worker} serves {model}, and not {name}: texts would come "
                        "from either. Start both with the same --model."
                    )
            silent = [worker for worker, model in served.items() if model is None]
            is_alone = not own and len(silent) == len(workers)
            patience = LONGEST if is_alone else PATIENCE
            if not silent or time.monotonic() - began > patience:
                break
            time.sleep(0.2)
    if is_alone:
        raise CourseError(
            f"Nobody can serve: no answer from {', '.join(silent)} in {LONGEST:.0f} s. "
            "Start `course serve --host ADDRESS` there first, and see that this "
            "machine can reach it (`curl URL/health`)."
        )
    for worker in silent:
        notes.print(
            f"{worker} does not answer. Texts go to the others until it does.",
            markup=False,
            soft_wrap=True,
        )
    return len(workers) - len(silent)


def _model(worker: str) -> str | None:
    """What a server calls its model; None if it does not answer."""
    try:
        answer = httpx.get(f"{worker}/v1/models", timeout=ANSWER, trust_env=False)
        answer.raise_for_status()
    except httpx.HTTPError:
        return None
    try:
        return str(answer.json()["data"][0]["id"])
    except (ValueError, LookupError, TypeError):
        return "something else"
