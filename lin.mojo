from std.time import perf_counter_ns
from std.ffi import external_call
from std.sys import argv
from kernels.linear import linear
from kernels.finish import Finish
from kernels.matrix import Matrix
from kernels.tiles import allow_tiles

def run[dtype: DType](m: Int, n: Int, k: Int) raises:
    var x = List[Float32](length=m * k, fill=0)
    for i in range(m * k):
        x[i] = Float32((i * 7919) % 201 - 100) / 50
    var w = List[Scalar[dtype]](length=n * k, fill=0)
    for i in range(n * k):
        w[i] = Scalar[dtype]((i * 104729) % 255 - 127)
    var y = List[Float32](length=m * n, fill=0)
    var scale = List[Float32](length=n, fill=0.01)
    var bias = List[Float32](length=n, fill=1)
    var finish = Finish["none"](scale.unsafe_ptr(), bias.unsafe_ptr())
    var best = Float64.MAX
    for _ in range(9):
        var t = perf_counter_ns()
        linear(
            Matrix(y.unsafe_ptr(), m, n, n), Matrix(x.unsafe_ptr(), m, k, k),
            Matrix(w.unsafe_ptr(), n, k, k), finish,
        )
        best = min(best, Float64(perf_counter_ns() - t))
    var worst = Float64(0)
    var largest = Float64(0)
    for i in range(0, m, max(1, m // 5)):
        for j in range(0, n, max(1, n // 37)):
            var total = Float64(0)
            for c in range(k):
                total += Float64(x[i * k + c]) * Float64(w[j * k + c].cast[DType.float32]())
            total = total * 0.01 + 1
            worst = max(worst, abs(total - Float64(y[i * n + j])))
            largest = max(largest, abs(total))
    print(dtype, m, n, k, "ms", best / 1e6, "GB/s", Float64(n * k) * Float64(1 if dtype == DType.int8 else 2) / best, "off", worst, "of", largest)

def main() raises:
    print("allowed", allow_tiles())
    for m in [1, 8, 512]:
        run[DType.int8](m, 2304, 768)
        run[DType.int8](m, 50257, 768)
        run[DType.bfloat16](m, 3072, 768)
