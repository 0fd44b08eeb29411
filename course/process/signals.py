"""What the signals say that end a process."""

from __future__ import annotations

import signal
from collections.abc import Iterable

REASONS = {
    "SIGKILL": "the system stopped it, most often because memory ran out, or somebody "
    "did (`kill -9`)",
    "SIGILL": "this processor lacks an instruction that was made for another one; "
    "a cache from another machine is best deleted (`~/.cache/modular`)",
    "SIGBUS": "a file that it reads in place was cut short, or the disk is full",
    "SIGXFSZ": "a file grew beyond the limit that is set (`ulimit -f`)",
    "SIGXCPU": "it used all the processor time that is allowed (`ulimit -t`)",
    "SIGTERM": "somebody ended it",
    "SIGHUP": "its terminal was closed",
    "SIGINT": "somebody pressed Ctrl-C",
}


def name_of(status: int) -> str:
    """The name of the signal that gave a negative exit status."""
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def what_ended(status: int, who: str = "a process") -> str:
    """Why a process ended that should have gone on, as a sentence without its end.

    Args:
        status: Its exit status, as `subprocess` has it.
        who: What it is called.
    """
    if status >= 0:
        return f"{who} ended with status {status}"
    name = name_of(status)
    reason = REASONS.get(name, "it crashed")
    return f"{who} ended by {name}: {reason}"


def first_to_end(statuses: Iterable[int | None]) -> int | None:
    """The exit status that explains the others.

    Where one process of several breaks down, the rest are told to end (SIGTERM).
    """
    known = [status for status in statuses if status is not None]
    unasked = [status for status in known if status not in {0, -signal.SIGTERM}]
    return next(iter(unasked or known), None)
