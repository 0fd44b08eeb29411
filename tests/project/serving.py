"""A running `course serve`, for the tests that ask it something."""

import json
import re
import subprocess
import time

import httpx
import openai
import pytest

from course.process.child import Child
from course.process.launcher import environment

COLD = 900
"""How many seconds a start may take: MAX may have to compile everything first."""


class Served(Child):
    """A `course serve` of its own, on a port that was free."""

    def __init__(self, *options):
        super().__init__(
            *("course", "serve", "--port", "0", *options),
            variables=environment(COLUMNS="100"),
        )
        end = time.monotonic() + COLD
        while not re.search("curl .*\n", self.log()):
            self.hear(1.0)
            if self.has_ended or time.monotonic() > end:
                self.stop()
                pytest.fail(f"it does not start:\n{self.log()}")
        self.port = int(re.search(r":(\d+)/v1", self.log())[1])
        self.address = f"http://127.0.0.1:{self.port}"
        self.base = f"{self.address}/v1"

    def client(self, **options):
        return openai.OpenAI(
            base_url=self.base, api_key="none", max_retries=0, timeout=300, **options
        )

    def family(self):
        """The IDs of all processes of MAX's server: they are in one group."""
        [leader] = [
            pid for pid, parent, group in processes() if parent == self.pid != group
        ]
        return [pid for pid, _, group in processes() if group == leader]

    def __exit__(self, *_):
        """End it as a supervisor of services does."""
        self.stop(grace=60)


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
