"""`course serve`: start the server, say where it is, and end it cleanly."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import shlex
import signal
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from rich.console import Console

from course.console import say
from course.errors import CourseError, Misuse
from course.model.checkpoint import open_checkpoint
from course.model.modules import assert_done
from course.plain_path import plain_path
from course.runtime import assert_device
from course.serve.handover import hand_over
from course.serve.kernels import find_sources
from course.serve.replicas import Replicas, assert_router
from course.serve.server import ModelServer, ServeOptions
from course.serve.server_process import GRACE
from course.steps import DEMO_MODEL, get_step

# Of the reader's steps: the model and its weights, and serving.
NEEDED = (*range(1, 14), 18)

# The addresses that stand for all of this machine's, and where to find it then.
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def serve(options: ServeOptions, notes: Console) -> None:
    """Do what `course serve` says, until Ctrl-C or SIGTERM.

    Raises:
        CourseError: The model or the port cannot be used, or the server has died.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if options.replicas == 1 and not options.workers:
            serve_one(options, notes)
        else:
            with replicas(options, notes) as several:
                announce(options, several.listener, notes)
                signal.pause()
    except KeyboardInterrupt:
        notes.print("The server has stopped.")


def serve_one(options: ServeOptions, notes: Console) -> None:
    """Serve without a router.

    Raises:
        CourseError: The model or the port cannot be used, or the server has died.
    """
    with (
        prepared(options, notes) as start,
        listen(options.host, options.port) as listener,
        start(listener, []) as server,
    ):
        try:
            server.wait_until_ready(notes)
            announce(options, listener, notes)
            # Nobody is to wait at a server that has died.
            listener.close()
            server.serve_forever()
        except KeyboardInterrupt:
            # Time for running requests, and for MAX to end the model's process.
            server.stop(GRACE + 10)
            raise


@contextlib.contextmanager
def replicas(options: ServeOptions, notes: Console) -> Iterator[Replicas]:
    """Several servers, ready at one address.

    Raises:
        CourseError: The model or the port cannot be used, or something cannot start.
    """
    assert_router(options.code)
    with (
        prepared(options, notes) as start,
        listen(options.host, options.port) as listener,
    ):
        address = address_of(listener, options.host)
        if address in options.workers:
            # It would ask itself, which would ask itself.
            raise Misuse(f"--worker {address}: that is this server's own address.")
        with Replicas(options, start, listener, address, notes) as several:
            yield several


@contextlib.contextmanager
def prepared(
    options: ServeOptions, notes: Console
) -> Iterator[Callable[[socket.socket, list[int]], ModelServer]]:
    """Lay out the model, and return what starts a server of it.

    Raises:
        CourseError: The model cannot be used.
    """
    assert_device(options.device, notes)
    architecture = find_architecture(options.code)
    kernels = find_sources(options.code, options.dtype)
    with say(notes, "checking the model"):
        model = open_checkpoint(options.model or str(DEMO_MODEL))
    with contextlib.ExitStack() as stack:
        made = tempfile.TemporaryDirectory(prefix="course-served-")
        folder = Path(stack.enter_context(made))
        hand_over(model, folder)
        folder = stack.enter_context(plain_path(folder))
        yield functools.partial(ModelServer, options, folder, architecture, kernels)


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


def address_of(listener: socket.socket, host: str) -> str:
    """The URL of a socket for clients on this machine.

    Args:
        listener: The socket.
        host: What `--host` says.
    """
    bound, port, *_ = listener.getsockname()
    # In a URL, what stands behind % in an IPv6 address is written %25.
    name = EVERYWHERE.get(bound, host).replace("%", "%25")
    return f"http://{f'[{name}]' if ':' in name else name}:{port}"


def announce(options: ServeOptions, listener: socket.socket, notes: Console) -> None:
    """Say where the server is, and show how it is used.

    Args:
        options: What `course serve` is asked for.
        listener: The socket.
        notes: Where it is said.
    """
    address = address_of(listener, options.host)
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
    if listener.getsockname()[0] in EVERYWHERE:
        lines.insert(1, "Everyone who can reach this machine can use it.")
    for line in lines:
        # In one piece and as it is, for it to be copied.
        notes.print(line, markup=False, emoji=False, soft_wrap=True)
