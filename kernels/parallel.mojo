"""Sharing work between the processor's cores."""

from max.algorithm import sync_parallelize
from std.atomic import Atomic
from std.math import ceildiv
from std.runtime import parallelism_level

comptime WORK_PER_TASK = 100_000
"""Multiplications that take about as long as starting a second task (16 µs)."""

comptime SHARES_PER_TASK = 4
"""A core that something else keeps busy leaves the rest of its shares to others."""


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

    var shares = min(units, SHARES_PER_TASK * tasks)
    var taken = Atomic[Int64](0)
    var counter = Pointer(to=taken)

    def run_task(task: Int) {imm}:
        while True:
            var share = Int(counter[].fetch_add(1))
            if share >= shares:
                return
            var first = share * units // shares * unit
            var last = min(count, (share + 1) * units // shares * unit)
            body(first, last)

    sync_parallelize(run_task, tasks)
