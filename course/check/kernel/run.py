"""Compiling a reader's Mojo file with a harness, and running it."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mojo.run import subprocess_run_mojo

from course.check.failure import CheckFailed
from course.check.kernel.calls import Array, Call, lay_out, results_of
from course.check.kernel.compile_errors import first_error
from course.errors import CourseError
from course.model.kernel_package import KERNELS, READERS_FILE
from course.steps import from_root

HARNESS = Path(__file__).with_name("harness.mojo")
USED = ("matrix.mojo", "vector.mojo")
"""What the reader's file imports of kernels/."""

Ran = subprocess.CompletedProcess[str]


@dataclass
class Kernel:
    """The Mojo file that is checked.

    Compiling takes seconds, so it is compiled once, with its open TODOs done. What has
    none does what it does as written.

    Attributes:
        path: The reader's file.
        text: What is compiled.
        numbers: For each line of the text, its number in the file.
        unfinished: The functions that have open TODOs.
    """

    path: Path
    text: str
    numbers: Sequence[int]
    unfinished: Collection[str] = ()
    _ran: tuple[Ran, bytes] | None = field(default=None, init=False, repr=False)

    @property
    def __file__(self) -> str:
        """Where it is, as modules have it: lines are quoted from there."""
        return str(self.path)

    def call_all(self, calls: Sequence[Call]) -> tuple[int, list[Array]]:
        """Call functions of the file; once for each file, and always the same ones.

        Returns:
            WIDTH, and what y is after each call.

        Raises:
            CheckFailed: It does not compile, crashes, or does not end.
        """
        self._ran = self._ran or _run(self.text, calls)
        ran, written = self._ran
        if ran.returncode == -signal.SIGALRM:
            raise CheckFailed(
                f"{from_root(self.path)} does not end: a function that takes "
                "milliseconds ran for 20 seconds. Is there a loop that never ends?",
                short="no end",
            )
        if ran.returncode < 0 or "execution crashed" in ran.stderr:
            raise CheckFailed(
                f"{from_root(self.path)} crashed: it reads or writes where no memory "
                "is. Does a loop go on behind the last column or row?",
                short="crashed",
            )
        if ran.returncode > 0:
            raise first_error(ran.stderr, self.path, self.numbers)
        return results_of(calls, written)


def as_written(path: Path, text: str) -> Kernel:
    """A Mojo file as it is."""
    return Kernel(path, text, range(1, text.count("\n") + 2))


def _run(text: str, calls: Sequence[Call]) -> tuple[Ran, bytes]:
    """Compile a text with the harness, and run it."""
    with staged(text) as folder:
        (folder / "cases").write_bytes(lay_out(calls))
        ran = run_mojo(folder, HARNESS, "cases", "results")
        results = folder / "results"
        return ran, results.read_bytes() if results.exists() else b""


@contextlib.contextmanager
def staged(text: str) -> Iterator[Path]:
    """A folder with the package `kernel`: a reader's file and what it imports."""
    with tempfile.TemporaryDirectory(prefix="step-17-") as name:
        folder = Path(name)
        package = folder / "kernel"
        package.mkdir()
        (package / "__init__.mojo").touch()
        for used in USED:
            (package / used).write_bytes((KERNELS / used).read_bytes())
        (package / READERS_FILE).write_text(text, encoding="utf-8")
        yield folder


def run_mojo(folder: Path, program: Path, *arguments: str) -> Ran:
    """Run a Mojo program in a folder, with the packages that lie there.

    Raises:
        CourseError: There is no Mojo compiler.
    """
    copy = folder / program.name
    copy.write_bytes(program.read_bytes())
    try:
        ran: Ran = subprocess_run_mojo(
            ["run", copy.name, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    except (OSError, RuntimeError):
        raise CourseError(
            "There is no Mojo compiler here. It comes with the packages of the course: "
            "`make setup` or `pixi install` puts it back."
        ) from None
    return ran
