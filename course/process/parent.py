"""The process that started this one, for a module that `Child` runs.

Where somebody runs such a module by hand, the terminal stands in its place.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
from collections.abc import Iterator
from typing import Any

_asks, _listens = sys.stdin, sys.stdout
_lock = threading.Lock()


def connect(descriptor: int) -> None:
    """Talk through a socket from now on."""
    global _asks, _listens
    channel = socket.socket(fileno=descriptor)
    channel.set_inheritable(False)
    _asks = channel.makefile("r", encoding="utf-8")
    _listens = channel.makefile("w", encoding="utf-8")


def tell(**message: object) -> None:
    """Send it a message; a parent that is gone does not matter any more."""
    with _lock, contextlib.suppress(OSError):
        _listens.write(json.dumps(message) + "\n")
        _listens.flush()


def messages() -> Iterator[Any]:
    """What it sends, until there will be no more."""
    return map(json.loads, _asks)
