"""How fast a reader's kernel reads weights, beside others; no verdict depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from course.check.kernel.run import USED, Kernel, run_mojo, staged
from course.model.kernel_package import KERNELS, READERS_FILE

PROGRAM = Path(__file__).with_name("speed.mojo")


@dataclass(frozen=True)
class Speeds:
    """Gigabytes of float32 weights read a second, on all cores.

    Attributes:
        one_at_a_time: By the reader's `dot_numbers`.
        yours: By the reader's `dot_rows`.
        ours: By that of kernels/.
        memory: If the weights are read and nothing else is done.
    """

    one_at_a_time: float
    yours: float
    ours: float
    memory: float

    def __str__(self) -> str:
        return (
            f"one at a time {self.one_at_a_time:.1f} · yours {self.yours:.1f} · ours "
            f"{self.ours:.1f} · memory {self.memory:.1f} GB/s"
        )


def measure(kernel: Kernel) -> Speeds | None:
    """Measure, for some seconds; None if that cannot be done."""
    with staged(kernel.text) as folder:
        ours = folder / "ours"
        ours.mkdir()
        (ours / "__init__.mojo").touch()
        for name in (*USED, READERS_FILE):
            (ours / name).write_bytes((KERNELS / name).read_bytes())
        ran = run_mojo(folder, PROGRAM)
    return Speeds(*map(float, ran.stdout.split())) if ran.returncode == 0 else None
