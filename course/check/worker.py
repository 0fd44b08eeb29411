"""The process that imports MAX and runs checks, so that nothing can hurt the rest.

It is started by `course.check.runner`, whose messages are requests: a list of arguments
for pytest. It answers with:

    {"event": "ready"}                                           MAX is imported
    {"event": "check", "step": 7, "name": "output shape: ..."}   a check begins
    {"event": "doing", "what": "compile"}                        twice a second
    {"event": "stuck", "frames": [["steps/step_07.py", 41]]}     and it ends itself
    {"event": "result", "result": {...}}                         a step is done
    {"event": "done", "again": true}                             the request is done
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType

import numpy as np
import pytest
from max.experimental import functional as F
from max.experimental import nn
from max.experimental.tensor import Tensor

from course.check import answers, plugin
from course.check.activity import Activity
from course.check.kernel import run
from course.process import parent, server

# Whoever is in one of these has MAX compile, which may take minutes.
COMPILING = {
    importlib.import_module(name).__file__
    for name in ("max._interpreter_ops.gc_compile", "max.experimental.compilation")
}
HEARTBEAT = 0.5
STUCK = 3  # The exit status after an endless loop.
REQUESTS = 100  # Each leaves about a megabyte behind, in MAX and in pytest.


class Events:
    """Tells the parent process what happens, also as a pytest plugin.

    Attributes:
        busy: Whether a request is being answered.
        requests: How many requests there were.
    """

    def __init__(self) -> None:
        self.busy = False
        self.requests = 0

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Say which check begins."""
        step = plugin.step_of(item.path)
        if step is not None:
            name = plugin.check_name(item)
            parent.tell(event="check", step=step.number, name=name)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_teardown(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> None:
        """Send what was found about a step, after its last check."""
        if nextitem is not None and nextitem.path == item.path:
            return
        step = plugin.step_of(item.path)
        results = item.config.stash[plugin.RESULTS]
        if step is not None and step.number in results:
            parent.tell(event="result", result=results[step.number].to_dict())


def watch_main_thread(events: Events, time_limit: float) -> None:
    """Say what the main thread does, and end the process if it does not end.

    The time in which MAX or Mojo compiles, the server starts or Hugging Face computes
    does not count.
    """
    main = threading.main_thread().ident
    assert main is not None
    running = 0.0
    last_check: object = None
    while True:
        time.sleep(HEARTBEAT)
        if not events.busy:
            running = 0.0
            continue
        frame = sys._current_frames().get(main)
        what = _activity(frame)
        current = os.environ.get("PYTEST_CURRENT_TEST")
        same = what is Activity.RUN and current is not None and current == last_check
        running = running + HEARTBEAT if same else 0.0
        last_check = current
        parent.tell(event="doing", what=what.name)
        if running >= time_limit:
            parent.tell(event="stuck", frames=_lines(frame))
            os._exit(STUCK)


def _activity(frame: FrameType | None) -> Activity:
    while frame is not None:
        name = frame.f_code.co_filename
        if name in COMPILING:
            return Activity.COMPILE
        if name == run.__file__:
            return Activity.MOJO
        if name == answers.__file__:
            return Activity.REFERENCE
        if name == server.__file__:
            return Activity.SERVE
        frame = frame.f_back
    return Activity.RUN


def _lines(frame: FrameType | None) -> list[tuple[str, int]]:
    lines = []
    while frame is not None:
        lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return lines


def answer(arguments: list[str], events: Events) -> None:
    """Run the checks of one request, and say whether another may follow.

    It may not where what the reader's code did could affect the next check, or
    where there were very many.
    """
    before = _Snapshot()
    events.requests += 1
    events.busy = True
    with _put_back():
        status = pytest.main(
            [
                # No tracebacks: the words of the plugin take their place.
                *("-q", "--tb=no", "-p", "no:cacheprovider", "--rootdir=."),
                # Not what else may lie here: a pytest.ini, a conftest.py.
                *("-c", "pyproject.toml", "--confcutdir=tests"),
                *arguments,
            ],
            plugins=[events],
        )
    events.busy = False
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        end(status)
    again = before.holds() and events.requests < REQUESTS
    parent.tell(event="done", again=again)


@contextlib.contextmanager
def _put_back() -> Iterator[None]:
    """Undo what a check does to the process, and forget the modules it imported."""
    folder, environment, path = os.getcwd(), dict(os.environ), list(sys.path)
    try:
        yield
    finally:
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        for name in list(sys.modules):
            if re.fullmatch(r"((checked_|test_)?step|solution)_(\d\d|[a-z]+)", name):
                del sys.modules[name]


class _Snapshot:
    """Threads, and what MAX and NumPy define: changed, they would change checks."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._spaces = [
            (space, dict(vars(space))) for space in (F, nn, nn.Module, Tensor, np)
        ]

    def holds(self) -> bool:
        """Whether no thread was left behind and no definition replaced."""
        return set(threading.enumerate()) <= self._threads and all(
            vars(space).get(name) is value
            for space, values in self._spaces
            for name, value in values.items()
        )


def end(status: int) -> None:
    """End the process."""
    # Not sys.exit: threads that the reader's code left behind would keep us here.
    sys.stdout.flush()
    os._exit(status)


def main() -> None:
    """Answer requests until there are no more."""
    events = Events()
    threading.Thread(
        target=watch_main_thread, args=(events, float(sys.argv[1])), daemon=True
    ).start()
    gc.freeze()
    parent.tell(event="ready")
    for arguments in parent.messages():
        answer(arguments, events)
        # What is still there stays, above all MAX: from now on, the many garbage
        # collections of pytest need not look at it.
        gc.collect()
        gc.freeze()
    end(0)


if __name__ == "__main__":
    main()
