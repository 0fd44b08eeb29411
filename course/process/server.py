"""A server in a process of its own."""

from __future__ import annotations

import http.client
import os
import tempfile
import time
from collections.abc import Mapping
from typing import Self

from course.errors import CourseError
from course.process.child import Child
from course.process.ports import HOST

START = 1200.0  # Seconds that starting may take; a slow machine compiles that long.
GRACE = 10.0  # Seconds that it may take to end by itself.


class ServerProcess(Child):
    """A server that listens at a port of this machine; `with` waits until it is ready.

    Args:
        name: What messages call it.
        module: What it runs; it answers at `/health` once it is ready.
        arguments: Those of the module.
        port: Where it listens.
        variables: Its environment; by default, `environment()`.

    Attributes:
        address: Its URL.
    """

    def __init__(
        self,
        name: str,
        module: str,
        *arguments: str,
        port: int,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.port = port
        self.address = f"http://{HOST}:{port}"
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        super().__init__(
            module, *arguments, variables=variables, prints_to=self._log.fileno()
        )

    def __enter__(self) -> Self:
        """Wait until it is ready.

        Raises:
            Exception: That of `failure`: it has ended, or takes too long.
        """
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def failure(self, what: str) -> Exception:
        """An error of this server, with what it said last."""
        return CourseError(self.with_last_line(what))

    def log(self) -> str:
        """All that it has printed."""
        size = os.fstat(self._log.fileno()).st_size
        return os.pread(self._log.fileno(), size, 0).decode(errors="replace")

    def stop(self, grace: float = GRACE) -> None:
        """End it, if need be by force."""
        super().stop(grace)
        self._log.close()

    def _wait_until_ready(self) -> None:
        began = time.monotonic()
        while not self._is_healthy():
            if self.status is not None:
                raise self.failure(f"{self.name} does not start.")
            if time.monotonic() - began > START:
                raise self.failure(f"{self.name} did not start in {START:.0f} s.")
            time.sleep(0.2)

    def _is_healthy(self) -> bool:
        connection = http.client.HTTPConnection(HOST, self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
