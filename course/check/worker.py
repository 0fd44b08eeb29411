"""The process that imports MAX and runs checks, so that nothing can hurt the rest.

It is started by `course.check.runner`, which reads one JSON object per line from
the pipe given as the first argument:

    {"event": "check", "step": 7, "name": "output shape: ..."}   a check begins
    {"event": "doing", "what": "compile"}                        twice a second
    {"event": "stuck", "frames": [["steps/step_07.py", 41]]}      and it ends itself
    {"event": "result", "result": {...}}                         a step is done
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from types import FrameType
from typing import Any

import pytest

from course.check import answers, plugin
from course.steps import ROOT

HEARTBEAT = 0.5
STUCK = 3  # The exit status after an endless loop.


class Events:
    """Tells the parent process what happens, also as a pytest plugin."""

    def __init__(self, descriptor: int) -> None:
        self._pipe = os.fdopen(descriptor, "w", encoding="utf-8")
        self._lock = threading.Lock()

    def send(self, event: str, **values: Any) -> None:
        """Send one event."""
        with self._lock:
            self._pipe.write(json.dumps({"event": event, **values}) + "\n")
            self._pipe.flush()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Say which check begins."""
        step = plugin.step_of(item.path)
        if step is not None:
            name = plugin.check_name(item)
            self.send("check", step=step.number, name=name)

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
            self.send("result", result=results[step.number].to_dict())


def watch_main_thread(events: Events, time_limit: float) -> None:
    """Say what the main thread does, and end the process if it does not end.

    The time in which MAX compiles or Hugging Face computes does not count.
    """
    main = threading.main_thread().ident
    assert main is not None
    busy = 0.0
    last_check: object = None
    while True:
        time.sleep(HEARTBEAT)
        frame = sys._current_frames().get(main)
        what = _what(frame)
        current = os.environ.get("PYTEST_CURRENT_TEST")
        busy = busy + HEARTBEAT if what == "run" and current == last_check else 0.0
        last_check = current
        events.send("doing", what=what)
        if busy >= time_limit:
            events.send("stuck", frames=_lines(frame))
            os._exit(STUCK)


def _what(frame: FrameType | None) -> str:
    while frame is not None:
        name = frame.f_code.co_filename
        if name.endswith(("gc_compile.py", "compilation.py")):
            return "compile"
        if name == answers.__file__:
            return "reference"
        frame = frame.f_back
    return "run"


def _lines(frame: FrameType | None) -> list[tuple[str, int]]:
    lines = []
    while frame is not None:
        lines.append((frame.f_code.co_filename, frame.f_lineno))
        frame = frame.f_back
    return lines


def main() -> None:
    """Run the checks that the command line names."""
    descriptor, time_limit, *arguments = sys.argv[1:]
    events = Events(int(descriptor))
    threading.Thread(
        target=watch_main_thread, args=(events, float(time_limit)), daemon=True
    ).start()
    status = pytest.main(
        ["-q", "-p", "no:cacheprovider", f"--rootdir={ROOT}", *arguments],
        plugins=[events],
    )
    # Not sys.exit: threads that the reader's code left behind would keep us here.
    sys.stdout.flush()
    os._exit(int(status))


if __name__ == "__main__":
    main()
