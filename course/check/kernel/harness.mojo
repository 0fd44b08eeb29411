"""Calls the functions of a step 17, each on a case that `course/check/kernel/calls.py` lays out.

    mojo run harness.mojo CASES RESULTS

Both are files of numbers. CASES begins with the number of cases and that of all results,
then come the headers of the cases and their data. RESULTS begins with WIDTH, as a
float32, then come the results y of all cases, one behind the other.
"""

from std.ffi import external_call
from std.sys import argv

from kernel.few_rows import (
    dot,
    dot_four,
    dot_numbers,
    dot_registers,
    dot_rows,
    load_weights,
)
from kernel.matrix import Matrix
from kernel.vector import WIDTH

comptime SECONDS = UInt32(20)
"""After which the system ends this: the functions take milliseconds."""

comptime CANARY = Float32(-12345)
"""What stands where nothing is to be written."""


@fieldwise_init
struct Case(TrivialRegisterPassable):
    """What to call, and the sizes; all places are counted in bytes."""

    var function: Int64
    var dtype: Int64
    var x_rows: Int64
    var w_rows: Int64
    var k: Int64
    var x_stride: Int64
    var w_stride: Int64
    var y_stride: Int64
    var y_size: Int64
    var x: Int64
    var w: Int64


def main() raises:
    _ = external_call["alarm", UInt32](SECONDS)
    var cases: List[UInt8]
    with open(argv()[1], "r") as file:
        cases = file.read_bytes()
    var numbers = cases.unsafe_ptr().unsafe_bitcast[Int64]()
    var results = List[Float32](
        length=1 + Int(numbers[unsafe_offset=1]), fill=CANARY
    )
    results[0] = Float32(WIDTH)
    var headers = numbers.unsafe_offset(2).unsafe_bitcast[Case]()
    var y = results.unsafe_ptr().unsafe_offset(1)
    for i in range(Int(numbers[])):
        var this = headers[unsafe_offset=i]
        comptime for d in range(3):
            comptime dtype = [DType.float32, DType.bfloat16, DType.int8][d]
            if Int(this.dtype) == d:
                call[dtype](this, cases.unsafe_ptr(), y)
        y = y.unsafe_offset(Int(this.y_size))
    with open(argv()[2], "w") as file:
        file.write_bytes(
            Span(
                unsafe_ptr=results.unsafe_ptr().unsafe_bitcast[UInt8](),
                length=4 * len(results),
            )
        )


def call[
    dtype: DType
](this: Case, data: Pointer[mut=False, UInt8, _], y: Pointer[mut=True, Float32, _]):
    """Calls a function on a case."""
    var k = Int(this.k)
    var x = data.unsafe_offset(Int(this.x)).unsafe_bitcast[Float32]()
    var w = data.unsafe_offset(Int(this.w)).unsafe_bitcast[Scalar[dtype]]()
    var xs = Matrix(x, Int(this.x_rows), k, Int(this.x_stride))
    var ws = Matrix(w, Int(this.w_rows), k, Int(this.w_stride))
    var ys = Matrix(y, Int(this.x_rows), Int(this.w_rows), Int(this.y_stride))
    if this.function == 0:
        y[] = load_weights[1](w, k)
        y.unsafe_store(1, load_weights[WIDTH](w, k))
    elif this.function == 1:
        y[] = dot_numbers(x, w, k)
    elif this.function == 2:
        y[] = dot_registers(x, w, k)
    elif this.function == 3:
        y[] = dot(x, w, k)
    elif this.function == 4:
        y.unsafe_store(dot_four(x, ws))
    else:
        comptime for x_rows in [1, 3]:
            if this.x_rows == Int64(x_rows):
                dot_rows[x_rows](ys, xs, ws)
