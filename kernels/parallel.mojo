"""Sharing work between the processor's cores."""

from max.algorithm import sync_parallelize
from std.math import ceildiv
from std.runtime import parallelism_level

comptime WORK_PER_TASK = 100_000
"""Multiplications that take about as long as starting a second task (16 µs)."""


def parallel_ranges[
    Body: def(Int, Int) -> None, //
](body: Body, count: Int, work: Int, unit: Int = 1):
    """Calls body(first, last) on ranges that together cover range(count).

    Work too small to be worth a second task stays on the calling thread.

    Args:
        body: What to do with one range.
        count: The number of items to share out.
        work: The multiplications that all items take together.
        unit: Every range but the last is a multiple of this long.
    """
    var units = ceildiv(count, unit)
    var tasks = min(units, parallelism_level(), max(1, work // WORK_PER_TASK))
    if tasks <= 1:
        body(0, count)
        return

    def run_task(task: Int) {imm}:
        var first = task * units // tasks * unit
        var last = min(count, (task + 1) * units // tasks * unit)
        body(first, last)

    sync_parallelize(run_task, tasks)
