"""What the project's tests share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from course.steps import DEMO_MODEL, ROOT


class Ran:
    """A command that has ended."""

    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout.decode()
        self.err = process.stderr.decode()
        self.both = self.out + self.err


@pytest.fixture(scope="session")
def course():
    """Run `course` as a user does: in a process of its own, from another folder."""

    def run(*arguments, cwd="/", timeout=600, **environment):
        process = subprocess.run(
            [sys.executable, "-m", "course", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "100", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        ran = Ran(process)
        assert "Traceback" not in ran.both, ran.both
        return ran

    return run


@pytest.fixture(scope="session")
def demo():
    """The demo model as the course reads it."""
    from course.checkpoint import load_checkpoint

    return load_checkpoint(str(DEMO_MODEL))


@pytest.fixture(scope="session")
def solutions():
    """The code of the solutions that generating needs."""
    from course.code import load_code

    return load_code("solutions")


@pytest.fixture(scope="session")
def fast_demo(demo, solutions):
    """The demo model on the Mojo kernels: the decoder of step 15."""
    from course.compiled import compile_kernels
    from course.kernels import package

    capacity = demo.sizes["n_positions"]
    parts = (demo.sizes, demo.weights, solutions, package())
    return compile_kernels(*parts, "float32", capacity)


def solution_with(number: int, old: str, new: str, folder: Path) -> Path:
    """Write a solution with one change, and return its path."""
    source = (ROOT / "solutions" / f"solution_{number:02d}.py").read_text()
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times"
    path = folder / f"changed_{number:02d}.py"
    path.write_text(source.replace(old, new))
    return path
