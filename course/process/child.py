"""A process that this one starts, talks to and ends."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

from rich.text import Text

from course.process.launcher import ROOT, command, environment

KEPT = 20_000  # Bytes of what it prints.


class Child:
    """A module of the course in a process of its own, which ends with this one.

    It leads a session: keys that are pressed in the terminal do not reach it, and all
    that it starts is ended with it. Each side sends the other messages, one line of
    JSON each; `course.process.parent` is the child's side.

    Args:
        module: What it runs, as `python -m` does, in the project's folder.
        arguments: Those of the module.
        variables: Its environment; by default, `environment()`.
        prints_to: The file that takes what it prints. By default, `printed`.
        inherits: Open files of this process that it can use.

    Attributes:
        printed: The end of what it has printed, if no file has taken it.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        variables: Mapping[str, str] | None = None,
        prints_to: int = subprocess.PIPE,
        inherits: Sequence[int] = (),
    ) -> None:
        self._channel, its_end = socket.socketpair()
        with its_end:
            self._process = subprocess.Popen(
                command("course.process.attached", f"{its_end.fileno()}", module)
                + list(arguments),
                cwd=ROOT,
                env=environment() if variables is None else variables,
                # Nothing is written to it: its end is the end of this process.
                stdin=subprocess.PIPE,
                stdout=prints_to,
                stderr=subprocess.STDOUT,
                pass_fds=(its_end.fileno(), *inherits),
                start_new_session=True,
            )
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._channel, selectors.EVENT_READ)
        if self._process.stdout:
            self._selector.register(self._process.stdout, selectors.EVENT_READ)
        self._unread = b""
        self.printed = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """The ID of the process, of its group and of its session."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def has_ended(self) -> bool:
        """Whether it runs no more, and all that it said was heard.

        What it has started may still hold its pipes, so their end is not awaited.
        """
        return self.status is not None and not self._selector.select(0)

    def descriptors(self) -> list[int]:
        """What to wait for until there is something to hear."""
        return [key.fd for key in self._selector.get_map().values()]

    def send(self, message: Any) -> None:
        """Send a message; `has_ended` tells whether there is somebody to read it."""
        with contextlib.suppress(ConnectionError):
            self._channel.sendall(json.dumps(message).encode() + b"\n")

    def hear(self, seconds: float) -> list[Any]:
        """Wait at most so long for it to say something, and return its messages."""
        messages: list[Any] = []
        if not self.descriptors():  # It says nothing more, and is about to end.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
            return messages
        for key, _ in self._selector.select(seconds):
            data = _read(key.fd)
            if not data:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._channel:
                *lines, self._unread = (self._unread + data).split(b"\n")
                messages += map(json.loads, lines)
            else:
                self.printed = (self.printed + data)[-KEPT:]
        return messages

    def messages(self) -> Iterator[Any]:
        """What it says until it ends; to be asked for once."""
        while not self.has_ended:
            yield from self.hear(1.0)

    def log(self) -> str:
        """What it has printed, or the end of it."""
        return self.printed.decode(errors="replace")

    def last_line(self) -> str:
        """The last that it has printed: where it ended by an error, that error."""
        line = self.log().rstrip().rpartition("\n")[2]
        return Text.from_ansi(line).plain or "nothing."

    def with_last_line(self, what: str) -> str:
        """What is said of its end, and then the last that it has printed."""
        return f"{what} The last that it wrote is: {self.last_line()}"

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process itself."""
        self._process.send_signal(number)

    def wait(self) -> int:
        """Wait until it has ended, and return its exit status."""
        for _ in self.messages():
            pass
        return self._process.wait()

    def finish(self) -> int:
        """Let it do what it was asked and end by itself; return its exit status."""
        self._channel.shutdown(socket.SHUT_WR)
        return self.wait()

    def kill(self) -> None:
        """End it and all that it has started, by force."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self, grace: float = 0.0) -> None:
        """End it and all that it has started, whatever it does; again does nothing.

        Args:
            grace: How many seconds it has to end by itself.
        """
        try:
            if grace:
                self._process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(grace)
        finally:
            self.kill()
            self._selector.close()
            self._channel.close()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe:
                    pipe.close()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except ConnectionError:  # It ended and left messages unread.
        return b""
