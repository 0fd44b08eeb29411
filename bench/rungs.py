"""How fast the rungs of step 17 read weights, from the solution's Mojo file.

python bench/rungs.py
"""

from __future__ import annotations

from dataclasses import asdict

from course.bench.machine import machine
from course.bench.results import keep
from course.check.kernel.run import as_written
from course.check.kernel.speed import measure
from course.steps import MOJO_STEP, get_step

RUNS = 5


def main() -> None:
    """Measure, and keep what was measured."""
    path = get_step(MOJO_STEP).parts[0].solution
    kernel = as_written(path, path.read_text(encoding="utf-8"))
    runs = [measure(kernel) for _ in range(RUNS)]
    for run in runs:
        print(run)
    speeds = [asdict(run) for run in runs if run]
    print(keep("rungs.json", {"machine": machine(), "runs": speeds}))


if __name__ == "__main__":
    main()
