"""MAX's polling thread, kept from interrupting the threads that compute.

The first graph that runs on the CPU makes MAX 26.7 start a thread that looks for work
5,000 times a second. Each time it takes a core from a kernel in the middle of its
loop: on two cores, a fifth of the time of a token. With the priority of idle work it
waits until a core is free.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

THREADS = Path("/proc/self/task")


def first_run_alone(model: Callable[..., Any]) -> Callable[..., Any]:
    """Make a compiled model put the thread to rest that its first run starts."""
    runs = 0

    def run(*arguments: Any) -> Any:
        nonlocal runs
        runs += 1
        with new_threads_at_rest() if runs == 1 else contextlib.nullcontext():
            return model(*arguments)

    return run


@contextlib.contextmanager
def new_threads_at_rest() -> Iterator[None]:
    """Let the threads that start in this block run only where a core is free.

    MAX's thread has no name to know it by, so nothing else may start threads in the
    meantime. Does nothing where the operating system has no such priority.
    """
    before = _threads()
    yield
    for thread in _threads() - before:
        with contextlib.suppress(OSError):  # It may have ended.
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))


def _threads() -> set[int]:
    """The threads of this process, as Linux numbers them."""
    if not THREADS.is_dir():
        return set()
    return {int(path.name) for path in THREADS.iterdir()}
