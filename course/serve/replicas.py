"""Several servers behind one address: `course serve --replicas`.

    clients → front → vllm-router, or the reader's step 20 → worker, worker, …
                                                           → relay → workers elsewhere

All but the clients are processes of ours, which end with this one. All but the front
listen on a loopback address of their own, drawn by lot, so that their ports are free
and no page in a browser can guess them. Whatever dies is started anew.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Self

import httpx
from rich.console import Console

from course.console import say
from course.errors import CourseError
from course.model.modules import assert_done
from course.process.child import Child
from course.process.signals import what_ended
from course.serve.others import meet
from course.serve.server import ModelServer, ServeOptions
from course.steps import ROUTING, get_step

METRICS_PORT, RELAY_PORT, ROUTER_PORT, FIRST_WORKER_PORT = 7998, 7999, 8000, 8001
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
STEADY = 60.0
"""Who has lived for so many seconds has the shortest pause when it dies."""
GRACE = 15.0
START = 120.0

MISSING = (
    "--replicas and --worker need vllm-router, or aiohttp with --code steps, which is "
    "not installed: `pip install -e '.[router]'`. vllm-router is made for Linux on "
    "x86-64 processors; elsewhere, start one `course serve` a machine, and any load "
    "balancer for HTTP."
)


class Member:
    """One process of several, started anew when it ends, after growing pauses.

    Args:
        name: What notes call it.
        start: Starts it.
        notes: Where it is said that it has died.
    """

    def __init__(self, name: str, start: Callable[[], Child], notes: Console) -> None:
        self.name = name
        self._start = start
        self._notes = notes
        self._pause = FIRST_PAUSE
        self._said = ""
        self._began = self._again = time.monotonic()
        self.child: Child | None = start()

    def look(self) -> None:
        """Start it again if it has ended, and the pause is over."""
        now = time.monotonic()
        if self.child is None:
            if now >= self._again:
                self._restart(now)
            return
        # Unread, what it prints would fill its pipe, and it would stand still.
        for message in self.child.hear(0):
            self._said = message.get("died") or message.get("error") or self._said
        if self.child.status is not None:
            why = self._said or f"{what_ended(self.child.status)}."
            told = self.child.with_last_line(why)
            self.child.stop()
            self.child = None
            if now - self._began > STEADY:
                self._pause = FIRST_PAUSE
            self._wait(now, told)

    def stop(self, grace: float = 0.0) -> None:
        """End it."""
        if self.child is not None:
            self.child.stop(grace)

    def _restart(self, now: float) -> None:
        self._began, self._said = now, ""
        try:
            self.child = self._start()
        except (CourseError, OSError) as error:
            self._wait(now, str(error))

    def _wait(self, now: float, why: str) -> None:
        self._again = now + self._pause
        self._notes.print(
            f"{self.name} has died: {why}\nIt is started again in {self._pause:.0f} s.",
            markup=False,
            soft_wrap=True,
        )
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


def assert_router(code: str) -> None:
    """Refuse to go on without a router.

    Args:
        code: Whose it is: "solutions" for vllm-router, "steps" for the reader's.

    Raises:
        CourseError: It is not installed, or step 20 is not done, or this is not Linux.
    """
    if sys.platform != "linux":
        raise CourseError(
            "--replicas and --worker need Linux, where each server can have cores and "
            "an address of its own."
        )
    if code == "steps":
        assert_done(get_step(ROUTING))
    for needed in ("aiohttp",) if code == "steps" else ("aiohttp", "vllm_router"):
        if importlib.util.find_spec(needed) is None:
            raise CourseError(MISSING)


class Replicas:
    """Servers, the router and the front, for as long as it is entered.

    Args:
        options: What `course serve` is asked for.
        start_worker: Starts a server at a bound socket, on some cores.
        listener: The socket at which clients ask.
        address: Its URL for clients on this machine.
        notes: Where it is said what is done, and who has died.

    Attributes:
        listener: As above.
        address: As above.
        workers: Those of the servers, each with the one by which the router finds it;
            those of this machine come first.
    """

    def __init__(
        self,
        options: ServeOptions,
        start_worker: Callable[[socket.socket, list[int]], Child],
        listener: socket.socket,
        address: str,
        notes: Console,
    ) -> None:
        self._options = options
        self._start_worker = start_worker
        self.listener = listener
        self._notes = notes
        self.address = address
        self._host = ".".join(["127", *(str(random.randint(1, 254)) for _ in range(3))])
        own = [self._url(FIRST_WORKER_PORT + n) for n in range(options.replicas)]
        relayed = {
            url: f"{self._url(RELAY_PORT)}/{n}" for n, url in enumerate(options.workers)
        }
        self.workers = {url: url for url in own} | relayed
        self._members: list[Member] = []
        self._ending = threading.Event()
        self._watch = threading.Thread(target=self._look_after, daemon=True)

    def __enter__(self) -> Self:
        """Start everything, and wait until the workers answer, or enough of them.

        Raises:
            CourseError: Something cannot start.
        """
        able = self._options.replicas
        try:
            for number in range(self._options.replicas):
                self._add(f"Worker {number + 1}", partial(self._worker, number))
                # One after the other: the first compiles what the others find.
                server = self._members[-1].child
                if isinstance(server, ModelServer):
                    server.wait_until_ready(self._notes)
            self._watch.start()
            if others := self._options.workers:
                able += meet(others, self._options.name, able, self._notes)
                self._add("The relay", self._relay)
            self._add("The router", self._router)
            self._add("The front", self._front)
            with say(self._notes, "starting the router"):
                self.wait_until_ready(able, START)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop(GRACE)

    def healthy(self) -> int:
        """How many workers answer now."""
        try:
            answer = httpx.get(f"{self.address}/health", timeout=30, trust_env=False)
            return sum(answer.json()["workers"].values())
        except httpx.HTTPError:
            return 0

    def wait_until_ready(self, workers: int, seconds: float = START) -> None:
        """Wait until so many workers, and the router, answer.

        Raises:
            CourseError: They do not.
        """
        end = time.monotonic() + seconds
        while self.healthy() < workers:
            if time.monotonic() > end:
                raise CourseError(
                    f"{self.healthy()} of {workers} workers answer after "
                    f"{seconds:.0f} s."
                )
            time.sleep(0.1)

    def kill(self, number: int) -> None:
        """End a worker of this machine at once, as a crash would: 0 is the first."""
        child = self._members[number].child
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)

    def stop(self, grace: float = 0.0) -> None:
        """End everything; again does nothing."""
        self._ending.set()
        if self._watch.is_alive():
            self._watch.join()
        # The front first: running requests still need the others.
        for member in reversed(self._members):
            member.stop(grace)
        self.listener.close()

    def _add(self, name: str, start: Callable[[], Child]) -> None:
        self._members.append(Member(name, start, self._notes))

    def _url(self, port: int) -> str:
        return f"http://{self._host}:{port}"

    def _look_after(self) -> None:
        while not self._ending.wait(0.2):
            for member in self._members:
                member.look()

    def _worker(self, number: int) -> Child:
        with socket.socket() as bound:
            # Not listening before it can answer: until then, the router is refused.
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind((self._host, FIRST_WORKER_PORT + number))
            return self._start_worker(bound, share(number, self._options.replicas))

    def _relay(self) -> Child:
        port = f"{RELAY_PORT}"
        return Child("course.serve.relay", self._host, port, *self._options.workers)

    def _router(self) -> Child:
        workers = self.workers.values()
        if self._options.code == "steps":
            return Child(
                *("course.serve.routing", str(get_step(ROUTING).skeleton)),
                *(self._host, f"{ROUTER_PORT}", *workers),
            )
        return Child(
            "vllm_router.launch_router",
            *("--host", self._host, "--port", f"{ROUTER_PORT}"),
            *("--prometheus-host", self._host, "--prometheus-port", f"{METRICS_PORT}"),
            *("--worker-urls", *workers, "--worker-startup-check-interval", "1"),
            *("--policy", self._options.policy),
            # With more texts than it writes at once, a worker has enough of them.
            *("--balance-abs-threshold", f"{self._options.max_batch_size}"),
            # No limit of the router's on requests, and none on their time.
            *("--max-concurrent-requests", "65536", "--request-timeout-secs", "86400"),
            # A request is tried for longer than it takes to find out who has died.
            *("--retry-max-retries", "12", "--retry-initial-backoff-ms", "100"),
            *("--retry-max-backoff-ms", "500"),
            # Who is ill is known by asking, and forgiven as soon as it is well.
            "--disable-circuit-breaker",
            *("--health-check-interval-secs", "1", "--health-failure-threshold", "2"),
            *("--health-success-threshold", "1", "--log-level", "warning"),
        )

    def _front(self) -> Child:
        descriptor = self.listener.fileno()
        return Child(
            *("course.serve.front", f"{descriptor}", self._options.name),
            *(self._url(ROUTER_PORT), json.dumps(self.workers)),
            inherits=[descriptor],
        )


def share(number: int, replicas: int) -> list[int]:
    """The cores of one of several workers: each has its own, if there are enough."""
    cores = sorted(os.sched_getaffinity(0))
    if replicas > len(cores):
        return [cores[number % len(cores)]]
    return cores[number::replicas]
