"""The Mojo kernels beside NumPy, for awkward shapes; and machines without them."""

import io
import itertools

import ml_dtypes
import numpy as np
import pytest
from max.driver import CPU, Buffer
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.compilation import compile
from max.experimental.tensor import Tensor
from max.graph import BufferType, DeviceRef, TensorType
from rich.console import Console

from course.errors import Misuse
from course.generate import engine
from course.generate.request import Request
from course.model import instructions
from course.model.four_bits import quantize_groups
from course.model.kernel_package import (
    KernelsUnavailable,
    changed,
    package,
    portable,
)

ROWS = (1, 2, 3, 7, 8, 9, 17, 33, 130)
SHAPES = [
    (m, n, k) for m, n, k in itertools.product(ROWS, (1, 3, 5, 97), (1, 3, 17, 48, 770))
]
MOST_ROWS = 8  # Of x that meet codes of 4 bits; see kernels/four_bits.mojo.
LARGE = [(1, 50257, 768), (8, 2304, 768), (300, 768, 3072)]


def tensor(array):
    return Tensor.from_dlpack(np.ascontiguousarray(array).reshape(np.shape(array)))


TILED = [(m, n, k) for m, n, k in itertools.product(ROWS, (16, 33, 97), (64, 768))]


@pytest.fixture(
    scope="module",
    params=["as they are", pytest.param("no tiles", marks=pytest.mark.thorough)],
)
def kernels(request):
    """The kernels, and as they are for a processor without fast instructions."""
    if request.param == "as they are":
        return package()
    return package(portable())


def narrow(x, dtype):
    """What is left of rows of float32 that meet weights of this dtype."""
    if dtype == DType.bfloat16:
        return x.astype(ml_dtypes.bfloat16).astype(np.float32)
    scale = np.abs(x).max(axis=1, keepdims=True) / np.float32(127)
    scale[scale == 0] = 1
    return np.rint(x / scale) * scale


def operation(kernels, activation, dtype=DType.float32):
    """The linear operation, compiled for all shapes."""
    vector = TensorType(DType.float32, ["n"], device=CPU())
    operands = [
        TensorType(DType.float32, ["m", "k"], device=CPU()),
        TensorType(dtype, ["n", "k"], device=CPU()),
        vector,
        vector,
    ]

    def run(x, weight, scale, bias):
        [y] = F.custom(
            "gpt2_linear",
            device=x.device,
            values=[x, weight, scale, bias],
            out_types=[
                TensorType(
                    DType.float32, [x.shape[0], weight.shape[0]], device=x.device
                )
            ],
            parameters={"activation": activation},
        )
        return y

    return compile(run, custom_extensions=[kernels])(*operands)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def draw(m, n, k):
    random = np.random.default_rng([m, n, k])
    draw = lambda *shape: random.standard_normal(shape, dtype=np.float32)  # noqa: E731
    return draw(m, k), draw(n, k), draw(n)


def assert_close(actual, expected, k):
    np.testing.assert_allclose(actual, expected, rtol=0, atol=4e-6 * max(1, k) ** 0.5)


def test_linear(kernels):
    """Every row and column of awkward matrices, with GELU."""
    linear = operation(kernels, "gelu_tanh")
    for m, n, k in SHAPES + LARGE:
        x, weight, bias = draw(m, n, k)
        scale = np.ones(n, dtype=np.float32)
        actual = linear(*map(tensor, (x, weight, scale, bias))).to_numpy()
        assert_close(actual, gelu(x @ weight.T + bias), k)


def test_linear_bfloat16(kernels):
    """The same without GELU, from weights of 16 bits, which meet x in 16 bits."""
    linear = operation(kernels, "none", DType.bfloat16)
    for m, n, k in SHAPES[::3] + TILED + LARGE:
        x, weight, bias = draw(m, n, k)
        bits = weight.view(np.uint32) >> 16
        kept = (bits << 16).view(np.float32)
        buffer = Buffer.from_numpy(bits.astype(np.uint16)).view(DType.bfloat16)
        scale = np.ones(n, dtype=np.float32)
        operands = (tensor(x), Tensor(storage=buffer), tensor(scale), tensor(bias))
        expected = narrow(x, DType.bfloat16) @ kept.T + bias
        assert_close(linear(*operands).to_numpy(), expected, k)


def test_linear_int8(kernels):
    """The same from weights of 8 bits and a scale for each row."""
    linear = operation(kernels, "gelu_tanh", DType.int8)
    for m, n, k in SHAPES[::3] + TILED + LARGE:
        x, weight, bias = draw(m, n, k)
        if m == 3:
            x[1] = 0
        kept = np.clip(weight * 40, -127, 127).astype(np.int8)
        scale = np.abs(bias) / 160
        operands = (x, kept, scale, bias)
        actual = linear(*map(tensor, operands)).to_numpy()
        sums = narrow(x, DType.int8) @ kept.T.astype(np.float32)
        assert_close(actual, gelu(sums * scale + bias), k)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_numbers_that_int8_does_not_have(kernels, bad):
    """A row with one of them is NaN; the other rows are what they are."""
    linear = operation(kernels, "none", DType.int8)
    x, weight, bias = draw(3, 33, 64)
    kept = np.clip(weight * 40, -127, 127).astype(np.int8)
    operands = [kept, np.ones(33, np.float32), bias]
    right = linear(*map(tensor, (x, *operands))).to_numpy()
    x[1, 63] = bad
    found = linear(*map(tensor, (x, *operands))).to_numpy()
    assert np.isnan(found[1]).all()
    np.testing.assert_array_equal(found[[0, 2]], right[[0, 2]])


@pytest.fixture(scope="module")
def four_bits(kernels):
    """The linear operation on weights of 4 bits, compiled for all shapes."""
    matrix = lambda kind, *shape: TensorType(kind, shape, device=CPU())  # noqa: E731
    vector = matrix(DType.float32, "n")
    operands = [
        matrix(DType.float32, "m", "k"),
        matrix(DType.uint8, "n", "bytes"),
        matrix(DType.float32, "n", "groups"),
        vector,
        vector,
    ]

    def run(x, codes, group_scales, scale, bias):
        [y] = F.custom(
            "gpt2_linear_four_bits",
            device=x.device,
            values=[x, codes, group_scales, scale, bias],
            out_types=[matrix(DType.float32, x.shape[0], codes.shape[0])],
            parameters={"activation": "gelu_tanh"},
        )
        return y

    return compile(run, custom_extensions=[kernels])(*operands)


def unpacked(codes, scales, columns):
    """What the codes stand for, number by number."""
    weight = np.zeros((len(codes), columns), dtype=np.float32)
    for column in range(columns):
        line, place = divmod(column, 128)
        byte = codes[:, 64 * line + place % 64]
        code = byte % 16 if place < 64 else byte // 16
        weight[:, column] = (code.astype(np.float32) - 8) * scales[:, column // 64]
    return weight


def rounded(weight):
    """What is left of weights in 16 bits."""
    return weight.astype(ml_dtypes.bfloat16).astype(np.float32)


def test_linear_four_bits(kernels, four_bits):
    """The same from weights of 4 bits, with a scale for every 64 columns."""
    for m, n, k in SHAPES[::3] + TILED + [(2, 33, 128), *LARGE]:
        x, weight, bias = draw(m, n, k)
        weight[0] = 0
        if m == 3:
            x[1] = 0
        codes, scales = quantize_groups(weight)
        kept = unpacked(codes, scales, k)
        scale = np.abs(bias) / 2
        actual = four_bits(*map(tensor, (x, codes, scales, scale, bias))).to_numpy()
        # A few rows of x meet codes, more of them 16 bits; or all of it is float32.
        operands = [
            (x, kept),
            (narrow(x, DType.int8), kept)
            if m <= MOST_ROWS
            else (narrow(x, DType.bfloat16), rounded(kept)),
        ]
        expected = [gelu(a @ b.T * scale + bias) for a, b in operands]
        nearest = min(expected, key=lambda y: np.abs(actual - y).max())
        assert_close(actual, nearest, k)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("rows", [3, MOST_ROWS + 1])
def test_no_numbers_among_four_bits(four_bits, bad, rows):
    """A row of x with one of them has no numbers in it; nor has a row of weights."""
    x, weight, bias = draw(rows, 33, 64)
    scale = np.ones(33, np.float32)
    right = four_bits(
        *map(tensor, (x, *quantize_groups(weight), scale, bias))
    ).to_numpy()
    spoilt = x.copy()
    spoilt[1, 63] = bad
    found = four_bits(
        *map(tensor, (spoilt, *quantize_groups(weight), scale, bias))
    ).to_numpy()
    others = np.arange(rows) != 1
    assert not np.isfinite(found[1]).any()
    np.testing.assert_array_equal(found[others], right[others])
    weight[1, 63] = bad
    found = four_bits(
        *map(tensor, (x, *quantize_groups(weight), scale, bias))
    ).to_numpy()
    assert not np.isfinite(found[:, 1]).any()
    columns = np.arange(33) != 1
    np.testing.assert_array_equal(found[:, columns], right[:, columns])


def test_groups_of_weights():
    """No weight is further from its code than a scale, and most half of one."""
    weight = draw(5, 33, 770)[1]
    weight[0] = 0
    weight[1, :64] = np.arange(64) - 32
    codes, scales = quantize_groups(weight)
    kept = unpacked(codes, scales, 770)
    steps = np.abs(np.repeat(scales, 64, axis=1)[:, :770])
    errors = np.abs(kept - weight)
    assert (errors <= steps * np.float32(1.0001)).all()
    assert not kept[0].any()
    # 7 is the largest step on the side of the smaller numbers: 8 would be one more.
    assert (errors > steps * np.float32(0.5001)).mean() < 0.02


HEADS, HEAD_DIM, CAPACITY = 3, 20, 23


@pytest.fixture(scope="module")
def attention():
    """The attention operation, compiled for all batches and lengths."""
    cache = BufferType(
        DType.float32,
        ["batch", HEADS, "capacity", HEAD_DIM],
        device=DeviceRef.CPU(),
    )
    wide = TensorType(
        DType.float32, ["batch", "tokens", 3 * HEADS * HEAD_DIM], device=CPU()
    )
    ids = TensorType(DType.int64, ["batch", "tokens"], device=CPU())
    start = TensorType(DType.int64, [], device=CPU())

    def run(qkv, keys, values, start, position_ids):
        [y] = F.inplace_custom(
            "gpt2_attention",
            device=qkv.device,
            values=[
                qkv.__tensorvalue__(),
                keys.__buffervalue__(),
                values.__buffervalue__(),
                start.__tensorvalue__(),
                position_ids.__tensorvalue__(),
            ],
            out_types=[
                TensorType(
                    DType.float32, [*qkv.shape[:2], HEADS * HEAD_DIM], device=CPU()
                )
            ],
        )
        return y

    return compile(run, custom_extensions=[package()])(wide, cache, cache, start, ids)


@pytest.mark.parametrize("tokens", [1, 2, 5, 9])
@pytest.mark.parametrize("start", [0, 1, 7, 14])
@pytest.mark.parametrize("padding", [[0], [0, 0, 0], [3, 0, 1]], ids=str)
def test_attention(attention, tokens, start, padding):
    """It stores what is new and nothing else, and sees neither padding nor later."""
    random = np.random.default_rng([tokens, start, *padding])
    batch, end = len(padding), start + tokens
    shape = (batch, HEADS, CAPACITY, HEAD_DIM)
    caches = [random.standard_normal(shape).astype(np.float32) for _ in range(2)]
    for cache in caches:  # What must not be read is not a number.
        cache[:, :, end:] = np.nan
        for row, first in enumerate(padding):
            cache[row, :, :first] = np.nan
    width = 3 * HEADS * HEAD_DIM
    qkv = random.standard_normal((batch, tokens, width)).astype(np.float32)
    query, *new = (
        part.reshape(batch, tokens, HEADS, HEAD_DIM).swapaxes(1, 2)
        for part in np.split(qkv, 3, axis=-1)
    )
    expected_caches = [cache.copy() for cache in caches]
    for cache, part in zip(expected_caches, new, strict=True):
        cache[:, :, start:end] = part
    positions = np.arange(start, end) - np.array(padding)[:, None]

    buffers = [tensor(cache) for cache in caches]
    output = attention(
        tensor(qkv),
        *buffers,
        tensor(np.array(start)),
        tensor(np.maximum(positions, 0)),
    ).to_numpy()

    for buffer, cache in zip(buffers, expected_caches, strict=True):
        np.testing.assert_array_equal(buffer.to_numpy(), cache)
    for row, i in itertools.product(range(batch), range(tokens)):
        if positions[row, i] < 0:
            continue
        seen = slice(padding[row], start + i + 1)
        keys, values = (cache[row, :, seen] for cache in expected_caches)
        scores = np.einsum("hd,hsd->hs", query[row, :, i], keys) / np.sqrt(HEAD_DIM)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        expected = np.einsum("hs,hsd->hd", weights, values).ravel()
        np.testing.assert_allclose(output[row, i], expected, atol=3e-6)


@pytest.mark.parametrize(("start", "tokens"), [(CAPACITY, 1), (20, 4), (-1, 1)])
def test_attention_beyond_the_cache(attention, start, tokens):
    """What does not fit is refused, and nothing is written."""
    cache = np.zeros((1, HEADS, CAPACITY, HEAD_DIM), dtype=np.float32)
    qkv = np.ones((1, tokens, 3 * HEADS * HEAD_DIM), dtype=np.float32)
    buffers = [tensor(cache), tensor(cache.copy())]
    ids = tensor(np.arange(tokens)[None])
    with pytest.raises(ValueError, match="do not fit"):
        attention(tensor(qkv), *buffers, tensor(np.array(start)), ids)
    assert not buffers[0].to_numpy().any()


def test_kernels_that_do_not_compile(tmp_path, monkeypatch):
    """An error of the Mojo compiler is said in one line."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broken = changed({"__init__.mojo": b"def broken(:\n"})
    with pytest.raises(KernelsUnavailable, match=r"__init__\.mojo:1") as caught:
        package(broken)
    assert "\n" not in str(caught.value)


def test_kernels_are_compiled_once(tmp_path, monkeypatch):
    """The second time, the same package is found; without a cache it works as well."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    first = package()
    written = first.stat().st_mtime_ns
    assert package() == first
    assert first.stat().st_mtime_ns == written
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert package().is_file()


def test_no_compiler(tmp_path, monkeypatch):
    """Without the compiler, that is what is said."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MODULAR_MOJO_MAX_DRIVER_PATH", "/nowhere/mojo")
    with pytest.raises(KernelsUnavailable, match="no Mojo compiler"):
        package()


def test_without_kernels(demo, solutions, monkeypatch):
    """Where the kernels do not compile, MAX's own operations do, after one warning."""

    def unavailable(_):
        raise KernelsUnavailable("They do not compile.")

    monkeypatch.setattr(engine, "package", unavailable)
    notes = Console(file=io.StringIO(), width=200)
    chosen = engine.choose_engine(demo, solutions, Request("The"), notes)
    assert type(chosen) is engine.Cached
    said = notes.file.getvalue().splitlines()
    assert said == ["They do not compile. Using MAX's own operations instead."]
    with pytest.raises(Misuse, match="--dtype int8 needs the kernels"):
        engine.choose_engine(demo, solutions, Request("The", dtype="int8"), notes)


@pytest.mark.parametrize(
    ("trial", "trouble"),
    [
        ('raise Error("a sum of int8 is wrong")', "a sum of int8 is wrong"),
        ('llvm_intrinsic["llvm.trap", NoneType]()', "execution crashed"),
        ("there is no such thing", "use of unknown declaration"),
    ],
)
def test_processor_that_lies(trial, trouble, tmp_path, monkeypatch, caplog):
    """Where an instruction fails that the processor says it has, none is used."""
    lies = tmp_path / "trial.mojo"
    lies.write_text(
        "from std.sys import llvm_intrinsic\n\n\ndef main() raises:\n    " + trial
    )
    monkeypatch.setattr(instructions, "TRIAL", lies)
    assert package() == package(portable())
    [record] = caplog.records
    assert trouble in record.getMessage()
    assert "the kernels do without" in record.getMessage()
