"""MAX's server with the reader's architecture, for as long as the check needs it."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

from course.check.failure import CheckFailed
from course.check.server_process import FILE
from course.plain_path import plain_path
from course.process.launcher import environment
from course.process.ports import HOST, free_ports
from course.process.server import GRACE, ServerProcess
from course.steps import DEMO_MODEL, from_root

LAST_LINES = 8
LONGEST = 600


class CheckedServer(ServerProcess):
    """MAX's server on the demo model, on the CPU, with a step 18.

    Args:
        path: The step 18; the siblings that it imports are the solutions.
        port: Where it listens; by default, at one that is free.
    """

    def __init__(self, path: Path, port: int | None = None) -> None:
        self._path = path
        self._stack = contextlib.ExitStack()
        model = self._stack.enter_context(plain_path(DEMO_MODEL))
        free_port, metrics_port = free_ports(2)
        port = port or free_port
        super().__init__(
            "MAX's server",
            *("course.check.server_process", "serve"),
            *("--custom-architectures", "checked_step_18"),
            *("--model", str(model), "--served-model-name", str(DEMO_MODEL)),
            *("--devices", "cpu"),
            *("--host", HOST, "--port", str(port)),
            *("--max-batch-size", "8"),
            port=port,
            variables=environment(
                **{FILE: str(path.resolve())},
                MAX_SERVE_METRIC_RECORDING_METHOD="NOOP",
                MAX_SERVE_METRICS_ENDPOINT_PORT=str(metrics_port),
            ),
        )

    def failure(self, what: str) -> CheckFailed:
        """What went wrong, with what the server said last."""
        said = explain(self.log(), self._path)
        return CheckFailed(f"{what} It says:\n{said}", short="the server failed")

    def stop(self, grace: float = GRACE) -> None:
        """End it, if need be by force."""
        super().stop(grace)
        self._stack.close()


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
