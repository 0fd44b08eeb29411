"""MAX's server with the reader's architecture, for as long as the check needs it."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from course import child
from course.check.compare import CheckFailed
from course.check.server_process import FILE
from course.plain_path import plain_path
from course.ports import HOST, free_ports
from course.steps import DEMO_MODEL, from_root

START = 1200.0  # Seconds that starting may take; a slow machine compiles that long.
STOP = 10.0  # Seconds that it may take to stop by itself.
LAST_LINES = 8
LONGEST = 600


class Server:
    """MAX's server, in processes of its own that end with this one.

    Attributes:
        address: Where it answers, as the client of `openai` wants it.
    """

    def __init__(self, path: Path) -> None:
        """Start it on the demo model, on the CPU.

        Args:
            path: A step 18; the siblings that it imports are the solutions.
        """
        self._path = path
        self._port, metrics_port = free_ports(2)
        self.address = f"http://{HOST}:{self._port}/v1"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._stack = contextlib.ExitStack()
        model = self._stack.enter_context(plain_path(DEMO_MODEL))
        environment = {
            FILE: str(path.resolve()),
            "HF_HUB_OFFLINE": "1",
            "MAX_SERVE_DISABLE_TELEMETRY": "1",
            "MAX_SERVE_METRIC_RECORDING_METHOD": "NOOP",
            "MAX_SERVE_METRICS_ENDPOINT_PORT": str(metrics_port),
        }
        self._process = subprocess.Popen(
            [
                *child.command("course.check.server_process", "serve"),
                *("--custom-architectures", "checked_step_18"),
                *("--model", str(model), "--served-model-name", str(DEMO_MODEL)),
                *("--devices", "cpu"),
                *("--host", HOST, "--port", str(self._port)),
                *("--max-batch-size", "8"),
            ],
            env=child.environment(**environment),
            # It ends when this pipe does, whatever ends this process.
            stdin=subprocess.PIPE,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            process_group=0,
        )

    def __enter__(self) -> Self:
        try:
            self.wait()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait until it answers.

        Raises:
            CheckFailed: It has ended; the message is its own.
        """
        began = time.monotonic()
        while not self._is_healthy():
            if self._process.poll() is not None:
                raise self.failure("MAX's server does not start.")
            if time.monotonic() - began > START:
                raise self.failure(f"MAX's server did not start in {START:.0f} s.")
            time.sleep(0.2)

    def failure(self, what: str) -> CheckFailed:
        """What went wrong, with what the server said last."""
        said = explain(self.said(), self._path)
        return CheckFailed(f"{what} It says:\n{said}", short="the server failed")

    def said(self) -> str:
        """All that it has printed."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def stop(self) -> None:
        """End it, if need be by force."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.terminate()
            self._process.wait(STOP)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._log.close()
        self._stack.close()

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self._port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


def explain(log: str, path: Path) -> str:
    """The error that ended a server, and the reader's lines on the way to it.

    Args:
        log: What the server has printed.
        path: The reader's file.
    """
    traceback = re.search(r"^Traceback .*?\n((?:.*\n)*?)(?=\S)", log, re.M)
    if traceback is None:
        return "\n".join(f"    {line}" for line in log.splitlines()[-LAST_LINES:])
    # The first is the cause: what follows it are the processes that wait for that one.
    rest = log[traceback.end() :]
    message = re.split(r"\n\n|\n(?=Traceback|\d\d:\d\d:\d\d|\s+File )", rest)[0]
    message = message.strip()
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]} …"
    own = re.findall(
        rf'File "{re.escape(str(path.resolve()))}", line (\d+).*\n +(.*)', traceback[1]
    )
    lines = [f"    {number} │ {line}" for number, line in own]
    return "\n".join([message, *(lines or [f"    (not in {from_root(path)} itself)"])])
