"""MAX's server as its parent sees it: started, waited for and ended."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from course.console import COMPILING, say
from course.errors import CourseError, Misuse, assert_text
from course.process.child import Child
from course.process.signals import what_ended
from course.serve.server_process import Order


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
    dtype: str = "float32"
    device: str = "auto"
    replicas: int = 1
    workers: tuple[str, ...] = ()
    policy: str = "cache_aware"

    def __post_init__(self) -> None:
        """Refuse what cannot be done before anything is."""
        assert_text(self.model or "", "--model")
        assert_text(self.host, "--host")
        for url in self.workers:
            assert_text(url, "--worker")
            if not re.fullmatch(r"https?://[^/?#\s]+(/[^?#\s]*[^/?#\s])?", url):
                raise Misuse(f"--worker {url}: not a URL; write http://HOST:PORT.")
        if not self.replicas and not self.workers:
            raise Misuse(
                "--replicas 0 starts no server here; name one elsewhere with --worker."
            )

    @property
    def name(self) -> str:
        """What clients call the model."""
        if self.model is None:
            return "demo"
        folder = Path(self.model).expanduser()
        name = folder.resolve().name if folder.is_dir() else self.model
        # A name that is not UTF-8 is in no JSON.
        return os.fsencode(name).decode(errors="replace")


class ModelServer(Child):
    """MAX's server. Ctrl-C reaches only the parent, which has it end in peace.

    Args:
        options: What `course serve` is asked for.
        folder: Holds the model, from `hand_over`.
        architecture: Where MAX finds it.
        kernels: The Mojo sources; None for MAX's own operations.
        listener: The socket; the caller closes its own copy.
        cores: On which it computes; by default, on all.
    """

    def __init__(
        self,
        options: ServeOptions,
        folder: Path,
        architecture: str,
        kernels: Path | None,
        listener: socket.socket,
        cores: Sequence[int] = (),
    ) -> None:
        order = Order(
            folder=str(folder),
            name=options.name,
            architecture=architecture,
            kernels=str(kernels) if kernels else None,
            dtype=options.dtype,
            device=options.device,
            max_batch_size=options.max_batch_size,
            listener=listener.fileno(),
            cores=list(cores),
        )
        descriptor, log_file = tempfile.mkstemp(prefix="course-serve-")
        with os.fdopen(descriptor) as log:
            super().__init__(
                *("course.serve.server_process", order.write()),
                prints_to=log.fileno(),
                inherits=[order.listener],
            )
        self._log_file = Path(log_file)
        self._reports = self._read_reports()
        self._is_ready = False
        self._has_died = False

    def log(self) -> str:
        """All that it has printed."""
        return self._log_file.read_text(encoding="utf-8", errors="replace")

    def stop(self, grace: float = 0.0) -> None:
        """End it, and delete its log unless it has died."""
        super().stop(grace)
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
            if "note" in report:
                notes.print(report["note"], style="dim", markup=False)
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
        what = "The server has died" if self._is_ready else "The server cannot start"
        told = self.with_last_line(f"{what}: {why}")
        return CourseError(f"{told}\nAll of it is in {self._log_file}.")
