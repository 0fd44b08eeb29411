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
        number: By the reader's `dot_numbers`.
        register: By the reader's `dot`.
        four_rows: By the reader's `dot_rows`.
        ours: By that of kernels/.
        memory: If the weights are read and nothing else is done.
    """

    number: float
    register: float
    four_rows: float
    ours: float
    memory: float

    def __str__(self) -> str:
        return (
            f"a number at a time {self.number:.1f} · a register {self.register:.1f} · "
            f"four rows {self.four_rows:.1f} · ours {self.ours:.1f} · memory "
            f"{self.memory:.1f} GB/s"
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
