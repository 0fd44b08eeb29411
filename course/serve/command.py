"""`course serve`: start the server, say where it is, and end it cleanly."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console

from course import child
from course.console import COMPILING, say
from course.errors import CourseError, Misuse, assert_text
from course.model.checkpoint import open_checkpoint
from course.model.modules import assert_done
from course.plain_path import plain_path
from course.runtime import assert_device
from course.serve.handover import hand_over
from course.serve.server import GRACE, Order
from course.signals import what_ended
from course.steps import DEMO_MODEL, ROOT, get_step

# Of the reader's steps: the model and its weights, and serving.
NEEDED = (*range(1, 14), 18)

# The addresses that stand for all of this machine's, and where to find it then.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True)
class Request:
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


def serve(request: Request, notes: Console) -> None:
    """Do what `course serve` says, until Ctrl-C or SIGTERM.

    Raises:
        CourseError: The model or the port cannot be used, or the server has died.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    assert_device(request.device, notes)
    architecture = find_architecture(request.code)
    with say(notes, "checking the model"):
        model = open_checkpoint(request.model or str(DEMO_MODEL))
    try:
        with contextlib.ExitStack() as stack:
            made = tempfile.TemporaryDirectory(prefix="course-served-")
            folder = Path(stack.enter_context(made))
            hand_over(model, folder)
            with listen(request.host, request.port) as listener:
                bound, port, *_ = listener.getsockname()
                folder = stack.enter_context(plain_path(folder))
                server = Server(request, folder, architecture, listener)
            stack.enter_context(server)
            server.wait_until_ready(notes)
            announce(request, bound, port, notes)
            server.wait()
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


class Server:
    """MAX's server in a process group of its own.

    So Ctrl-C reaches only the parent, which ends the server, and nothing that belongs
    to it is left behind.
    """

    def __init__(
        self,
        request: Request,
        folder: Path,
        architecture: str,
        listener: socket.socket,
    ) -> None:
        """Start the process.

        Args:
            request: What `course serve` is asked for.
            folder: Holds the model, from `hand_over`.
            architecture: Where MAX finds it.
            listener: The socket; the caller closes its own copy.
        """
        descriptor, self.log_file = tempfile.mkstemp(prefix="course-serve-")
        reading, writing = os.pipe()
        order = Order(
            folder=str(folder),
            name=request.name,
            architecture=architecture,
            device=request.device,
            max_batch_size=request.max_batch_size,
            listener=listener.fileno(),
            report=writing,
        )
        with os.fdopen(descriptor) as log:
            self.process = subprocess.Popen(
                child.command("course.serve.server", order.write()),
                cwd=ROOT,
                env=child.environment(),
                # The server ends with the standard input, should this process die.
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(order.listener, order.report),
                start_new_session=True,
            )
        os.close(writing)
        self.reports = os.fdopen(reading, encoding="utf-8")
        self.ready = False
        self.has_died = False

    def __enter__(self) -> Server:
        """Have the process ended at the end."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the process: with time for running requests, unless it is dead."""
        try:
            if kind is KeyboardInterrupt:
                self.process.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    # MAX itself needs up to 6 seconds for the model's process.
                    self.process.wait(timeout=GRACE + 10)
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.reports.close()
            if not self.has_died:
                Path(self.log_file).unlink(missing_ok=True)

    def wait_until_ready(self, notes: Console) -> None:
        """Wait until requests are answered, and show what is being done.

        Raises:
            CourseError: The server cannot start.
        """
        doing, later = "starting MAX", ""
        while not self.ready:
            with say(notes, doing, later):
                message = next(self._messages())
            self.ready = "ready" in message
            doing, later = message.get("doing", doing), COMPILING

    def wait(self) -> None:
        """Wait for the end of the server, which is an error.

        Raises:
            CourseError: It has died.
        """
        for _ in self._messages():
            pass

    def _messages(self) -> Iterator[dict[str, Any]]:
        """What the server says, until it dies.

        Raises:
            CourseError: It has died, or says why it cannot go on.
        """
        for line in self.reports:
            message = json.loads(line)
            if "error" in message:
                kind = Misuse if message["status"] == Misuse.exit_code else CourseError
                raise kind(message["error"])
            if "died" in message:
                raise self._died(message["died"])
            yield message
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=5)
        raise self._died(f"{what_ended(self.process.returncode or 0)}.")

    def _died(self, why: str) -> CourseError:
        self.has_died = True
        log = Path(self.log_file).read_text(encoding="utf-8", errors="replace")
        last = log.rstrip().rpartition("\n")[2] or "nothing"
        what = "The server has died" if self.ready else "The server cannot start"
        return CourseError(
            f"{what}: {why} The last that it wrote is: {last}\n"
            f"All of it is in {self.log_file}."
        )


def announce(request: Request, bound: str, port: int, notes: Console) -> None:
    """Say where the server is, and show how it is used.

    Args:
        request: What `course serve` is asked for.
        bound: The IP address at which it listens.
        port: Its port.
        notes: Where it is said.
    """
    # In a URL, what stands behind % in an IPv6 address is written %25.
    host = EVERYWHERE.get(bound, request.host).replace("%", "%25")
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    body = {"model": request.name, "prompt": "Once upon a time", "max_tokens": 60}
    # The server is near, and a proxy that the shell knows of may not find it.
    curl = ["curl", "--noproxy", "*", f"{address}/v1/completions"]
    curl += ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    lines = [
        f"The model {request.name} is at {address}/v1 (stop with Ctrl-C).",
        f"Write with it in the browser: {address}/",
        "Or from the command line:",
        shlex.join(curl),
    ]
    if bound in EVERYWHERE:
        lines.insert(1, "Everyone who can reach this machine can use it.")
    for line in lines:
        # In one piece and as it is, for it to be copied.
        notes.print(line, markup=False, emoji=False, soft_wrap=True)
