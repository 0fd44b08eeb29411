"""Processes for work that is given out to whoever is free."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor


def process_pool(workers: int) -> ProcessPoolExecutor:
    """Fresh processes, which leave Ctrl-C to this one and end with it.

    Fresh, as MAX must not be forked once it has started its threads.
    """
    spawning = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, spawning, initializer=_attach)


def _attach() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Wait for the end of the parent; `ProcessPoolExecutor` would wait for work."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
