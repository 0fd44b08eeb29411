"""Which fast instructions of the processor the kernels use: tried once, and kept.

Mojo compiles for what the processor says that it has. Whether that is so shows when it
is used: so `trial.mojo` uses it, in a process of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from mojo.run import subprocess_run_mojo

from course.cache import written_whole
from course.resources import of_the_processor

TRIAL = Path(__file__).with_name("trial.mojo")
SAID = re.compile(r"^(\w+): (.*)$", re.MULTILINE)
TROUBLE = re.compile(r"(?:error|caught during execution): (.+)")


@dataclass(frozen=True)
class Instructions:
    """What came of the trial.

    Attributes:
        used: For each dtype, what its weights are multiplied by: "dot products, tiles".
        trouble: Why none may be used; empty if all is well.
    """

    used: dict[str, str]
    trouble: str = ""

    def described(self, dtype: str) -> str:
        """How such weights are multiplied, to be said behind them; empty if plainly."""
        used = self.used.get(dtype)
        return f" in {used.replace(', ', ' and ')}" if used else ""


def try_instructions(kernels: Path, kept: Path) -> Instructions:
    """Use the fast instructions, unless that was done before on this processor.

    Args:
        kernels: The folder of the kernels' sources.
        kept: A folder for what came of it.
    """
    processor = of_the_processor("model name") + of_the_processor("flags")
    digest = hashlib.sha256(TRIAL.read_bytes() + processor.encode())
    path = kept / f"tried-{digest.hexdigest()[:16]}.txt"
    with contextlib.suppress(OSError):
        return Instructions(_read(path.read_text(encoding="utf-8")))
    ran = subprocess_run_mojo(
        ["run", "-I", str(kernels.parent), str(TRIAL)],
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode != 0:
        trouble = TROUBLE.search(ran.stderr)
        return Instructions({}, trouble[1] if trouble else "their trial failed")
    with contextlib.suppress(OSError), written_whole(path) as staged:
        staged.write_text(ran.stdout, encoding="utf-8")
    return Instructions(_read(ran.stdout))


def _read(output: str) -> dict[str, str]:
    return {dtype: used for dtype, used in SAID.findall(output) if used}
