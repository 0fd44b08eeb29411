"""Whether a process that this one has started has died, and nobody has noticed.

multiprocessing writes a new process its orders through a pipe, and keeps the end from
which they are read open itself. If they are longer than a pipe holds (64 KB: those for
some twenty layers are) and the process dies before it has read them, that write never
ends. Meanwhile the dead process waits for its parent to ask how it ended; that it waits
for long is how it is noticed here.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable

PATIENCE = 2.0
"""How many seconds a process that has died may wait to be noticed."""


def watch(tell: Callable[[int], None]) -> threading.Event:
    """Watch the processes that this one starts, in a thread.

    Args:
        tell: Called with the exit status of the first one that has failed unnoticed,
            as `subprocess` has it.

    Returns:
        To be set when there is nothing to watch for any more.
    """
    over = threading.Event()
    threading.Thread(target=_watch, args=[tell, over], daemon=True).start()
    return over


def _watch(tell: Callable[[int], None], over: threading.Event) -> None:
    if sys.platform == "darwin":  # Its Python has no `waitid` before 3.13.
        return
    ended = os.WEXITED | os.WNOWAIT
    while not over.is_set():
        try:
            died = os.waitid(os.P_ALL, 0, ended)
            time.sleep(PATIENCE)
            still = died and os.waitid(os.P_PID, died.si_pid, ended | os.WNOHANG)
        except ChildProcessError:  # There is none, or somebody has noticed.
            time.sleep(PATIENCE)
            continue
        if still and still.si_status and not over.is_set():
            by_signal = still.si_code != os.CLD_EXITED
            tell(-still.si_status if by_signal else still.si_status)
            return
