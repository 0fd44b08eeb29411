"""A module that `Child` runs: it ends when the process that started it does.

    python -m course.process.attached CHANNEL MODULE ARGUMENT…

Its standard input is a pipe to which nobody writes, and which ends when the parent
does, however that comes about. A second process waits for it and then ends the whole
group. No thread could: it stands still while its process is stopped, and while other
code keeps Python's lock.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import signal
import sys
import time

from course.process import parent

GRACE = 3.0  # Seconds that it may take to end by itself.


def end_with_parent() -> None:
    """Wait for the end of the standard input, then end the group, this included.

    The one that leads it has some time to tidy up.
    """
    for descriptor in map(int, os.listdir("/dev/fd")):
        if descriptor:  # Not to keep open what the others close.
            with contextlib.suppress(OSError):
                os.close(descriptor)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    leader = os.getppid()
    os.read(0, 1)
    os.killpg(0, signal.SIGTERM)
    end = time.monotonic() + GRACE
    while os.getppid() == leader and time.monotonic() < end:
        time.sleep(0.02)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    del sys.argv[0]
    parent.connect(int(sys.argv.pop(0)))
    if os.fork() == 0:
        end_with_parent()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
