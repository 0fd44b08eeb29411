"""How many bytes of weights a second each way of multiplying matrix and vector reads.

    mojo run speed.mojo

Prints five numbers, in GB/s: the reader's one number at a time, a register at a time and
four rows at once, what kernels/ has for that, and only reading. All cores share the rows.
Every way has its turn in every round, and its best round counts.
"""

from max.algorithm import sync_parallelize
from std.runtime import parallelism_level
from std.sys import prefetch, PrefetchOptions
from std.time import perf_counter_ns

from kernel.few_rows import dot, dot_numbers, dot_rows
from kernel.matrix import Matrix
from kernel.vector import Vector, WIDTH
from ours.few_rows import dot_rows as our_dot_rows
from ours.matrix import Matrix as OurMatrix

comptime COLUMNS = 768
comptime ROWS = 1 << 16
"""192 MB of float32, more than the caches hold."""
comptime BLOCK = 32
comptime AHEAD = 1024
"""How far ahead of its use a weight is asked for, where weights are only read."""
comptime ROUNDS = 7


def main():
    var w = List[Float32](length=COLUMNS * ROWS, fill=0.5)
    var x = List[Float32](length=COLUMNS, fill=0.25)
    var y = List[Float32](length=ROWS, fill=0)
    var weights = w.unsafe_ptr()
    var values = x.unsafe_ptr()
    var sums = y.unsafe_ptr()

    def one_at_a_time(row: Int) {imm}:
        for i in range(row, row + BLOCK):
            sums[unsafe_offset=i] = dot_numbers(
                values, weights.unsafe_offset(i * COLUMNS), COLUMNS
            )

    def a_register(row: Int) {imm}:
        for i in range(row, row + BLOCK):
            sums[unsafe_offset=i] = dot(
                values, weights.unsafe_offset(i * COLUMNS), COLUMNS
            )

    def four_rows(row: Int) {imm}:
        dot_rows[1](
            Matrix(sums.unsafe_offset(row), 1, BLOCK, BLOCK),
            Matrix(values, 1, COLUMNS, COLUMNS),
            Matrix(
                weights.unsafe_offset(row * COLUMNS), BLOCK, COLUMNS, COLUMNS
            ),
        )

    def ours(row: Int) {imm}:
        our_dot_rows[1](
            OurMatrix(sums.unsafe_offset(row), 1, BLOCK, BLOCK),
            OurMatrix(values, 1, COLUMNS, COLUMNS),
            OurMatrix(
                weights.unsafe_offset(row * COLUMNS), BLOCK, COLUMNS, COLUMNS
            ),
        )

    def only_read(row: Int) {imm}:
        var found = Array[Vector, 4](fill=0)
        for four in range(row, row + BLOCK, 4):
            var block = weights.unsafe_offset(four * COLUMNS)
            for column in range(0, COLUMNS, WIDTH):
                comptime for i in range(4):
                    var place = block.unsafe_offset(i * COLUMNS + column)
                    prefetch[PrefetchOptions().for_read().to_data_cache()](
                        place.unsafe_offset(AHEAD)
                    )
                    found[i] = max(found[i], place.unsafe_load[width=WIDTH]())
        comptime for i in range(4):
            sums[unsafe_offset=row + i] = found[i].reduce_max()

    var best = Array[Float64, 5](fill=Float64.MAX)
    for _ in range(ROUNDS):
        best[0] = min(best[0], seconds(one_at_a_time))
        best[1] = min(best[1], seconds(a_register))
        best[2] = min(best[2], seconds(four_rows))
        best[3] = min(best[3], seconds(ours))
        best[4] = min(best[4], seconds(only_read))
    for i in range(5):
        print(Float64(COLUMNS * ROWS * 4) / best[i] / 1e9)


def seconds[Body: def(Int) -> None, //](body: Body) -> Float64:
    """Returns how long body(row) takes for the first row of every block."""
    comptime blocks = ROWS // BLOCK
    var tasks = parallelism_level()

    def run_task(task: Int) {imm}:
        for block in range(task * blocks // tasks, (task + 1) * blocks // tasks):
            body(block * BLOCK)

    var start = perf_counter_ns()
    sync_parallelize(run_task, tasks)
    return Float64(perf_counter_ns() - start) / 1e9
