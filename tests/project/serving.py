"""A running `course serve`, for the tests that ask it something."""

import json
import os
import re
import select
import signal
import subprocess
import sys
import time

import httpx
import openai
import pytest

COLD = 900
"""How many seconds a start may take: MAX may have to compile everything first."""


class Served:
    """A `course serve` of its own, on a port that was free."""

    def __init__(self, *options):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "course", "serve", "--port", "0", *options],
            cwd="/",
            env={**os.environ, "COLUMNS": "100"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.said = ""
        end = time.monotonic() + COLD
        while not re.search("curl .*\n", self.said):
            left = max(0, end - time.monotonic())
            readable, _, _ = select.select([self.process.stdout], [], [], left)
            piece = os.read(self.process.stdout.fileno(), 4096) if readable else b""
            if not piece:
                self.process.kill()
                pytest.fail(f"it does not start:\n{self.said}")
            self.said += piece.decode()
        self.port = int(re.search(r":(\d+)/v1", self.said)[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.address}/v1"

    def client(self, **options):
        return openai.OpenAI(
            base_url=self.base, api_key="none", max_retries=0, timeout=300, **options
        )

    def family(self):
        """The IDs of all processes that belong to it: they are in one group."""
        children = [pid for pid, parent, _ in processes() if parent == self.process.pid]
        return [pid for pid, _, group in processes() if group in children]

    def stop(self, number=signal.SIGTERM):
        """End it; return its exit status and what else it said."""
        self.process.send_signal(number)
        rest, _ = self.process.communicate(timeout=120)
        return self.process.returncode, rest.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.stop()


def processes():
    """The ID, the parent and the group of every process that is alive."""
    listed = subprocess.run(
        ["ps", "-A", "-o", "pid=,ppid=,pgid=,stat="],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    rows = [line.split() for line in listed.splitlines()]
    return [tuple(map(int, row[:3])) for row in rows if not row[3].startswith("Z")]


def post(served, body, path="/v1/completions", **headers):
    """Post something that no client library would."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = {"content-type": "application/json", **headers}
    return httpx.post(
        served.address + path, content=content, headers=headers, timeout=60
    )
