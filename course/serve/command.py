"""`course serve`: start the server, say where it is, and end it cleanly."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import signal
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console

from course.console import COMPILING, say
from course.errors import CourseError, Misuse, assert_text
from course.model.checkpoint import open_checkpoint
from course.model.modules import assert_done
from course.plain_path import plain_path
from course.process.child import Child
from course.process.signals import what_ended
from course.runtime import assert_device
from course.serve.handover import hand_over
from course.serve.server import GRACE, Order
from course.steps import DEMO_MODEL, get_step

# Of the reader's steps: the model and its weights, and serving.
NEEDED = (*range(1, 14), 18)

# The addresses that stand for all of this machine's, and where to find it then.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class ServeOptions:
    """What `course serve` is asked for; the options are those of the command.

    Raises:
        Misuse: Text is none.
    """

    model: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    max_batch_size: int = 8
    code: str = "solutions"
    device: str = "auto"

    def __post_init__(self) -> None:
        """Refuse what cannot be done before anything is."""
        assert_text(self.model or "", "--model")
        assert_text(self.host, "--host")

    @property
    def name(self) -> str:
        """What clients call the model."""
        if self.model is None:
            return "demo"
        folder = Path(self.model).expanduser()
        name = folder.resolve().name if folder.is_dir() else self.model
        # A name that is not UTF-8 is in no JSON.
        return os.fsencode(name).decode(errors="replace")


def serve(options: ServeOptions, notes: Console) -> None:
    """Do what `course serve` says, until Ctrl-C or SIGTERM.

    Raises:
        CourseError: The model or the port cannot be used, or the server has died.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    assert_device(options.device, notes)
    architecture = find_architecture(options.code)
    with say(notes, "checking the model"):
        model = open_checkpoint(options.model or str(DEMO_MODEL))
    try:
        with contextlib.ExitStack() as stack:
            made = tempfile.TemporaryDirectory(prefix="course-served-")
            folder = Path(stack.enter_context(made))
            hand_over(model, folder)
            with listen(options.host, options.port) as listener:
                bound, port, *_ = listener.getsockname()
                folder = stack.enter_context(plain_path(folder))
                server = ModelServer(options, folder, architecture, listener)
            stack.enter_context(server)
            server.wait_until_ready(notes)
            announce(options, bound, port, notes)
            server.serve_forever()
    except KeyboardInterrupt:
        notes.print("The server has stopped.")


def find_architecture(code: str) -> str:
    """Return where MAX finds the architecture, as FOLDER:MODULE.

    Raises:
        CourseError: The reader's steps are not done.
    """
    step = get_step(NEEDED[-1])
    if code == "solutions":
        return f"{step.solution.parent}:{step.solution.stem}"
    for number in NEEDED:
        assert_done(get_step(number))
    return f"{step.skeleton.parent}:{step.skeleton.stem}"


def listen(host: str, port: int) -> socket.socket:
    """Open the socket, before minutes are spent on the model.

    Clients that come early wait in its queue.

    Raises:
        Misuse: There is no such address on this machine.
        CourseError: The port is taken, or not allowed.
    """
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )
    except (socket.gaierror, UnicodeError):
        raise Misuse(f"--host {host}: there is no such address.") from None
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except PermissionError:
        listener.close()
        raise CourseError(
            f"Port {port} is not open to you: the ports below 1024 seldom are. Choose "
            "another with --port."
        ) from None
    except OSError as error:
        listener.close()
        if error.errno in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
            raise Misuse(f"--host {host}: not an address of this machine.") from None
        raise CourseError(
            f"Port {port} is taken. Choose another with --port; --port 0 takes any "
            "that is free."
        ) from None
    return listener


class ModelServer(Child):
    """MAX's server. Ctrl-C reaches only the parent, which has it end in peace.

    Args:
        options: What `course serve` is asked for.
        folder: Holds the model, from `hand_over`.
        architecture: Where MAX finds it.
        listener: The socket; the caller closes its own copy.
    """

    def __init__(
        self,
        options: ServeOptions,
        folder: Path,
        architecture: str,
        listener: socket.socket,
    ) -> None:
        order = Order(
            folder=str(folder),
            name=options.name,
            architecture=architecture,
            device=options.device,
            max_batch_size=options.max_batch_size,
            listener=listener.fileno(),
        )
        descriptor, log_file = tempfile.mkstemp(prefix="course-serve-")
        with os.fdopen(descriptor) as log:
            super().__init__(
                *("course.serve.server", order.write()),
                prints_to=log.fileno(),
                inherits=[order.listener],
            )
        self._log_file = Path(log_file)
        self._reports = self._read_reports()
        self._is_ready = False
        self._has_died = False

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it: with time for running requests, unless it is dead."""
        # MAX itself needs up to 6 seconds for the model's process.
        self.stop(GRACE + 10 if kind is KeyboardInterrupt else 0)
        if not self._has_died:
            self._log_file.unlink(missing_ok=True)

    def wait_until_ready(self, notes: Console) -> None:
        """Wait until requests are answered, and show what is being done.

        Raises:
            CourseError: The server cannot start.
        """
        doing, later = "starting MAX", ""
        while not self._is_ready:
            with say(notes, doing, later):
                report = next(self._reports)
            self._is_ready = "ready" in report
            doing, later = report.get("doing", doing), COMPILING

    def serve_forever(self) -> None:
        """Wait for the end of the server, which is an error.

        Raises:
            CourseError: It has died.
        """
        for _ in self._reports:
            pass

    def _read_reports(self) -> Iterator[dict[str, Any]]:
        """What the server says, until it dies.

        Raises:
            CourseError: It has died, or says why it cannot go on.
        """
        for report in self.messages():
            if "error" in report:
                kind = Misuse if report["status"] == Misuse.exit_code else CourseError
                raise kind(report["error"])
            if "died" in report:
                raise self._died(report["died"])
            yield report
        raise self._died(f"{what_ended(self.status or 0)}.")

    def _died(self, why: str) -> CourseError:
        self._has_died = True
        log = self._log_file.read_text(encoding="utf-8", errors="replace")
        last = log.rstrip().rpartition("\n")[2] or "nothing"
        what = "The server has died" if self._is_ready else "The server cannot start"
        return CourseError(
            f"{what}: {why} The last that it wrote is: {last}\n"
            f"All of it is in {self._log_file}."
        )


def announce(options: ServeOptions, bound: str, port: int, notes: Console) -> None:
    """Say where the server is, and show how it is used.

    Args:
        options: What `course serve` is asked for.
        bound: The IP address at which it listens.
        port: Its port.
        notes: Where it is said.
    """
    # In a URL, what stands behind % in an IPv6 address is written %25.
    host = EVERYWHERE.get(bound, options.host).replace("%", "%25")
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    body = {"model": options.name, "prompt": "Once upon a time", "max_tokens": 60}
    # The server is near, and a proxy that the shell knows of may not find it.
    curl = ["curl", "--noproxy", "*", f"{address}/v1/completions"]
    curl += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    lines = [
        f"The model {options.name} is at {address}/v1 (stop with Ctrl-C).",
        f"Write with it in the browser: {address}/",
        "Or from the command line:",
        shlex.join(curl),
    ]
    if bound in EVERYWHERE:
        lines.insert(1, "Everyone who can reach this machine can use it.")
    for line in lines:
        # In one piece and as it is, for it to be copied.
        notes.print(line, markup=False, emoji=False, soft_wrap=True)
