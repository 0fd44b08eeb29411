"""What is said while something takes its time, and that it is so."""

import io
import time

import pytest
from rich.console import Console

from course.check import command
from course.check.activity import Activity
from course.check.runner import Doing
from course.console import COMPILING, say


class Log(io.StringIO):
    """A log that says when each line came."""

    def __init__(self):
        super().__init__()
        self.console = Console(file=self, width=100)

    @property
    def lines(self):
        return self.getvalue().splitlines()


@pytest.mark.parametrize("seconds", [0.0, 0.3])
def test_compiling_is_said_only_when_it_takes_long(seconds, monkeypatch):
    """What MAX finds in its cache takes seconds, and is not called compiling."""
    monkeypatch.setattr("course.console.PATIENCE", 0.1)
    log = Log()
    with say(log.console, "preparing the model", COMPILING):
        time.sleep(seconds)
    time.sleep(0.2)
    expected = ["preparing the model …"]
    if seconds:
        expected.append(f"{COMPILING} …")
    assert log.lines == expected


def test_compiling_is_said_in_a_terminal(monkeypatch):
    """There, the text changes in its place."""
    monkeypatch.setattr("course.console.PATIENCE", 0.1)
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=100)
    with say(console, "preparing", "compiling"):
        time.sleep(0.05)
        assert "compiling" not in out.getvalue()
        time.sleep(0.4)
        assert "compiling" in out.getvalue()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [0.0]
    monkeypatch.setattr(command.time, "monotonic", lambda: now[0])
    return now


def test_a_log_says_once_what_takes_long(clock):
    """A cold check says what it does, in lines that do not repeat."""
    log = Log()
    waiting = command.Waiting(log.console, None)
    for second in range(60):
        clock[0] = float(second)
        waiting.tell(Doing(Activity.RUN if second < 20 else Activity.COMPILE, 15))
    waiting.over()
    assert log.lines == [
        "step 15: running your code …",
        "step 15: MAX compiles an operation that your code uses for the first time …",
    ]


def test_a_log_is_silent_about_what_is_quick(clock):
    """A warm check leaves no line in a log."""
    log = Log()
    waiting = command.Waiting(log.console, None)
    for what in (a for a in Activity if a is not Activity.SERVE):
        clock[0] += 1.0
        waiting.tell(Doing(what, 3))
    waiting.over()
    assert log.lines == []


def test_what_is_in_the_cache_is_not_compiled():
    """The worker cannot tell; the time can."""
    assert Activity.COMPILE.describe(1.0) == Activity.RUN.value
    assert Activity.COMPILE.describe(9.0) == Activity.COMPILE.value
    assert Activity.SERVE.describe(1.0) == Activity.SERVE.value
