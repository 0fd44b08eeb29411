"""A terminal that gives keys one by one, and gets back its settings in any case."""

from __future__ import annotations

import os
import signal
import sys
import termios
import tty
from collections.abc import Callable
from types import FrameType
from typing import Self


class Terminal:
    """Reads single keys while the `with` block runs.

    Ctrl-Z gives the terminal back to the shell, and `fg` takes it again.

    Args:
        redraw: Called when the program goes on after Ctrl-Z.
    """

    def __init__(self, redraw: Callable[[], None]) -> None:
        self.descriptor = sys.stdin.fileno()
        self._redraw = redraw
        self._settings = termios.tcgetattr(self.descriptor)

    def __enter__(self) -> Self:
        signal.signal(signal.SIGTSTP, self._suspend)
        tty.setcbreak(self.descriptor)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        self._restore()

    def keys(self) -> str | None:
        """Return the keys that were pressed, or None if the terminal is gone."""
        try:
            data = os.read(self.descriptor, 1024)
        except OSError:
            return None
        if not data:
            return None
        # Arrows and the like come as an escape character and more: not our keys.
        is_key = len(data) == 1 or not data.startswith(b"\x1b")
        return data.decode(errors="ignore") if is_key else ""

    def _suspend(self, signum: int, frame: FrameType | None) -> None:
        self._restore()
        os.kill(os.getpid(), signal.SIGSTOP)  # Sleeps here until `fg`.
        tty.setcbreak(self.descriptor)
        self._redraw()

    def _restore(self) -> None:
        termios.tcsetattr(self.descriptor, termios.TCSADRAIN, self._settings)
