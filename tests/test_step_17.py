"""Step 17: a Mojo kernel alone, then the model on it beside Hugging Face's."""

import itertools
import warnings

import ml_dtypes
import numpy as np
import pytest
from max.driver import CPU, Buffer
from max.dtype import DType
from max.experimental.nn import Module
from max.graph import TensorType

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.assert_array import assert_array
from course.check.building import construct, tensor
from course.check.cases import Case
from course.check.compare import TOLERANCE, agree, assert_same, where_they_differ
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.kernel.calls import Call
from course.check.kernel.speed import measure
from course.check.loading import load_solution
from course.model.kernel_package import package, with_readers_file

DTYPES = [DType.float32, DType.bfloat16, DType.int8]
MODEL = Case("wide", batch=1, length=1)
PROMPTS = [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3]]
NEXT = [[8, 9, 7], [9, 3, 2]]
KINDS = list(itertools.product(DTYPES, [True, False], ["none", "gelu_tanh"]))
ROWS = 5

# Columns that fill registers of 4, 8 or 16 numbers, or leave some over; GPT-2's 768.
WHOLE = [64, 16]
SIZES = [67, 1, 3, 4, 5, 7, 8, 9, 15, 16, 17, 768]


@pytest.fixture(scope="session")
def device():
    """The kernels are for the CPU, whatever else the machine has."""
    return CPU()


def numbers(*shape, dtype=DType.float32, seed=1):
    """Random numbers such as the dtype can hold."""
    random = np.random.default_rng([*shape, seed])
    if dtype == DType.int8:
        return random.integers(-127, 128, shape).astype(np.float32)
    kind = ml_dtypes.bfloat16 if dtype == DType.bfloat16 else np.float32
    return random.normal(size=shape).astype(kind).astype(np.float32)


def weights_from(column, dtype):
    """Load weights of a row from a column on: one, and as many as a register holds."""
    row = numbers(1, 24 * 16, dtype=dtype, seed=2)
    return Call("load_weights", dtype, row, row, column, y_stride=17, y_size=17)


def one_row(function, k, dtype):
    """One row of x times one row of weights."""
    x, w = numbers(1, k), numbers(1, k, dtype=dtype, seed=2)
    return Call(function, dtype, x, w, k, y_stride=1, y_size=4)


def four_rows(k, dtype):
    """One row of x times four rows of weights, with something between the rows."""
    x, w = numbers(1, k), numbers(4, k + 3, dtype=dtype, seed=2)
    return Call("dot_four", dtype, x, w, k, y_stride=4, y_size=8)


def all_rows(x_rows, rows, dtype):
    """Some rows of x times all rows of weights; y has room at the end of its rows."""
    x, w = numbers(x_rows, 19 + 2), numbers(rows, 19 + 3, dtype=dtype, seed=2)
    stride = rows + 6
    return Call("dot_rows", dtype, x, w, 19, y_stride=stride, y_size=12 * stride)


CALLS = [
    call
    for dtype in DTYPES
    for call in [
        *(weights_from(column, dtype) for column in (0, 3, 16)),
        *(one_row("dot_numbers", k, dtype) for k in (3, 19)),
        *(one_row("dot_registers", k, dtype) for k in WHOLE),
        *(one_row("dot", k, dtype) for k in SIZES),
        *(four_rows(k, dtype) for k in (16, 19, 67)),
        *(all_rows(x_rows, n, dtype) for x_rows in (1, 3) for n in (9, 1, 3, 4)),
    ]
]


def right(call, width):
    """What y is to hold, computed in float64."""
    k, x, w = call.k, call.x.astype(float), call.w.astype(float)
    if call.function == "load_weights":
        return call.y([w[0, k], *w[0, k : k + width]])
    return call.y(x[:, :k] @ w[:, :k].T)


def assert_function(step, name):
    """Call a function of the Mojo file, in all dtypes, and look at all of y."""
    if name in step.kernel.unfinished and not step.finished:
        raise CheckFailed("not done yet")
    width, results = step.kernel.call_all(CALLS)
    for call, y in zip(CALLS, results, strict=True):
        if call.function == name:
            assert_y(step.kernel, call, y, width)


def assert_y(kernel, call, y, width):
    expected = right(call, width)
    if agree(y, expected):
        return

    from course.check.mistakes import wrong_kernel

    detail = f"Seen with {call.dtype.name} weights, registers of {width} numbers"
    if call.function != "load_weights":
        detail += f", k = {call.k}"
    for name, compute in wrong_kernel.wrong(call, width).items():
        if agree(y, compute()):
            raise known(17, name, kernel, detail=f"{detail}.")
    if (~np.isnan(y) & np.isnan(expected)).any():
        raise known(17, "writes-too-far", kernel, detail=f"{detail}.")
    if np.isinf(y).any():
        name = "reads-too-far"
        raise known(17, name, kernel, detail=f"{detail}.", within=call.function)
    wanted = ~np.isnan(expected)
    if np.isnan(y[wanted]).any():
        raise CheckFailed(f"{call.function} does not write all of y. {detail}.")
    differ = where_they_differ(y[wanted], expected[wanted], TOLERANCE, "float64")
    raise CheckFailed(f"{call.function}: {differ}\n{detail}.", short="other numbers")


def test_load_weights(step):
    """load_weights: numbers of any dtype, as float32"""
    assert_function(step, "load_weights")


def test_dot_numbers(step):
    """dot_numbers: one number at a time"""
    assert_function(step, "dot_numbers")


def test_dot_registers(step):
    """dot_registers: a register at a time"""
    assert_function(step, "dot_registers")


def test_dot(step):
    """dot: any number of columns, and none beyond"""
    assert_function(step, "dot")


def test_dot_four(step):
    """dot_four: four rows of weights, wherever they begin"""
    assert_function(step, "dot_four")


def test_dot_rows(step):
    """dot_rows: all rows, and nothing behind them"""
    assert_function(step, "dot_rows")


@pytest.fixture(scope="module")
def kernels(step):
    """The project's kernels, with the reader's among them."""
    return package(with_readers_file(step.kernel.path))


def rounded(rows, dtype):
    """What is left of float32 rows, [..., columns], that are kept in fewer bits."""
    import torch

    exact = torch.as_tensor(np.ascontiguousarray(rows))
    if dtype == DType.bfloat16:
        return exact.bfloat16().float().numpy()
    if dtype == DType.int8:
        scale = exact.abs().amax(dim=-1, keepdim=True) / 127
        scale = torch.where(scale == 0, torch.ones_like(scale), scale)
        return (torch.round(exact / scale) * scale).numpy()
    return rows


@reference(["rows"])
def quantized(_):
    """A matrix, and what is left of it in 8 bits; one row is 0, one is large."""
    weight = np.random.default_rng(17).normal(size=(6, 20)).astype(np.float32)
    weight[2] = 0
    weight[4] *= 100
    return Expected(inputs=(weight,), output=rounded(weight, DType.int8))


@reference(KINDS)
def layer(kind):
    """A linear layer of torch whose weight was rounded, and whose input is."""
    import torch
    from transformers.activations import NewGELUActivation

    dtype, bias, activation = kind
    random = np.random.default_rng(17)
    weight = random.normal(size=(21, 13)).astype(np.float32)
    x = random.normal(size=(2, ROWS, 13)).astype(np.float32)
    shift = random.normal(size=21).astype(np.float32) if bias else np.zeros(21)
    kept = torch.from_numpy(rounded(x, dtype))
    y = kept @ torch.from_numpy(rounded(weight, dtype)).T
    y = y + torch.from_numpy(shift.astype(np.float32))
    if activation == "gelu_tanh":
        y = NewGELUActivation()(y)
    weights = {"weight": weight} | ({"bias": shift} if bias else {})
    return Expected(weights, (x,), y.numpy())


@reference(DTYPES)
def hugging_face(dtype):
    """Logits of a model whose linear layers have fewer bits, one text at a time."""
    import torch
    from transformers import GPT2LMHeadModel
    from transformers.pytorch_utils import Conv1D

    model = randomize(GPT2LMHeadModel(MODEL.hugging_face_config))
    exact = weights_of(model)
    # The table stays as it is: only the head, which is tied to it, is rounded.
    head = model.lm_head.weight.data.clone()
    model.lm_head.weight = torch.nn.Parameter(
        torch.from_numpy(rounded(head.numpy(), dtype))
    )
    for module in model.modules():
        if isinstance(module, Conv1D):
            kept = rounded(module.weight.data.T.numpy(), dtype)
            module.weight.data = torch.from_numpy(kept).T.contiguous()
        if isinstance(module, (Conv1D, torch.nn.Linear)):
            module.register_forward_pre_hook(
                lambda _, given: torch.from_numpy(rounded(given[0].numpy(), dtype))
            )
    logits = [
        [
            model(torch.tensor([prompt + [ids[row] for ids in NEXT[:count]]]))
            .logits[0, -1]
            .numpy()
            for row, prompt in enumerate(PROMPTS)
        ]
        for count in range(len(NEXT) + 1)
    ]
    return Expected(exact, (), np.array(logits))


@reference(DTYPES)
def kept_weights(dtype):
    """What is left of the model's weights when those of linear layers are rounded."""
    linear = ("c_attn.weight", "c_proj.weight", "c_fc.weight", "lm_head.weight")
    weights = hugging_face(dtype).weights
    return Expected(
        {k: rounded(w, dtype) if k.endswith(linear) else w for k, w in weights.items()}
    )


def wrong_quantization():
    """What known mistakes give; imported only where something is wrong."""
    from course.check.mistakes import wrong_quantization

    return wrong_quantization


def test_quantize_rows(step):
    """quantize_rows: 8 bits, and each row on its own scale"""
    expected = quantized("rows")
    [weight] = expected.inputs
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        given = weight.copy()
        result = step.quantize_rows(given)
    if not isinstance(result, tuple) or len(result) != 2:
        raise CheckFailed("quantize_rows returns no pair of matrix and scales.")
    kept, scale = result
    if not np.array_equal(given, weight):
        raise known(17, "weight-changed", step)
    if getattr(kept, "dtype", None) != np.int8:
        raise CheckFailed(f"The matrix is {getattr(kept, 'dtype', kept)}, not int8.")
    if np.shape(scale) == weight.shape[1:]:
        raise known(17, "scale-of-columns", step)
    if np.shape(scale) != weight.shape[:1]:
        raise CheckFailed(
            f"The scales have the shape {list(np.shape(scale))}; there is one for each "
            f"row, so it should be {list(weight.shape[:1])}."
        )
    # A NaN is what NumPy warns of, as int8 it cannot be seen.
    made_whole = any(
        "invalid value encountered in cast" in str(w.message) for w in said
    )
    if np.isnan(scale).any() or (made_whole and not np.all(scale)):
        raise known(17, "row-of-zeros", step)
    assert_array(
        kept * scale[:, None],
        expected.output,
        number=17,
        step=step,
        what="quantize_rows, your matrix times your scales",
        mistakes=lambda: wrong_quantization().quantized_rows(weight, kept, scale),
        right="nearest",
    )
    if scale.dtype != np.float32:
        raise CheckFailed(f"The scales are {scale.dtype}; they should be float32.")


@pytest.mark.parametrize("dtype", DTYPES, ids=lambda dtype: dtype.name)
def test_quantize_weights(step, dtype):
    """quantize_weights: the linear layers' weights, under the parameters' names"""
    config = MODEL.config
    model = construct(lambda: step.kernel_gpt2(config, dtype))
    kept = step.quantize_weights(hugging_face(dtype).weights, dtype)
    if not isinstance(kept, dict):
        kind = "None" if kept is None else f"a {type(kept).__name__}"
        raise CheckFailed(f"quantize_weights returns {kind}, not a dict.", short=kind)
    wanted = {name: (list(map(int, p.shape)), p.dtype) for name, p in model.parameters}
    given = {name: shape_and_type(value) for name, value in kept.items()}
    for name in sorted(wanted.keys() | given.keys()):
        if wanted.get(name) != given.get(name):
            raise CheckFailed(
                f"{name}: the model of dtype {dtype.name} has "
                f"{in_words(wanted.get(name))}, the weights have "
                f"{in_words(given.get(name))}.",
                short=name,
            )
    for name, expected in kept_weights(dtype).weights.items():
        assert_array(
            as_float32(step, name, kept),
            expected,
            number=17,
            step=step,
            what=f"quantize_weights({dtype.name}): {name}, as float32",
            mistakes=lambda name=name: wrong_quantization().rounded(
                hugging_face(dtype).weights[name]
            ),
            # A scale may be rounded in its last digit; bits are what they are.
            tolerance=TOLERANCE if dtype == DType.int8 else 0,
            right="nearest",
        )


def as_float32(step, name, kept):
    """The numbers of a weight, whatever they are kept in, times its scale if any."""
    try:
        buffer = Buffer.from_dlpack(kept[name])
    except (BufferError, TypeError, ValueError) as error:
        detail = f"{name}: {error}"
        raise known(17, "not-handed-over", step, detail=detail) from None
    if buffer.dtype == DType.bfloat16:
        bits = buffer.view(DType.uint16).to_numpy()
        return (bits.astype(np.uint32) << 16).view(np.float32)
    scale = kept.get(name.removesuffix("weight") + "scale")
    numbers = buffer.to_numpy()
    return numbers if scale is None else numbers * np.asarray(scale)[:, None]


def shape_and_type(value):
    dtype = value.dtype if isinstance(value.dtype, DType) else DType[value.dtype.name]
    return [int(n) for n in value.shape], dtype


def in_words(parameter):
    return "nothing" if parameter is None else f"{parameter[1].name} {parameter[0]}"


class Layers(Module):
    """All kinds of layers in one graph: to compile is what takes time here."""

    def __init__(self, step):
        super().__init__()
        self.layers = [
            step.KernelLinear(13, 21, dtype=dtype, activation=activation)
            for dtype, _, activation in KINDS
        ]

    def forward(self, x):
        return tuple(layer(x) for layer in self.layers)


@pytest.mark.at_the_end
def test_layers(step, kernels):
    """KernelLinear: the numbers of torch, for every dtype, bias and activation"""
    module = construct(lambda: Layers(step))
    weights = {}
    for i, kind in enumerate(KINDS):
        own = {f"lm_head.{k}": v for k, v in layer(kind).weights.items()}
        kept = load_solution(17).quantize_weights(own, kind[0])
        weights |= {k.replace("lm_head", f"layers.{i}"): v for k, v in kept.items()}
    [x] = layer(KINDS[0]).inputs
    x_type = TensorType(DType.float32, ["batch", "rows", 13], device=CPU())
    model = module.compile(x_type, weights=weights, custom_extensions=[kernels])
    for kind, y in zip(KINDS, model(tensor(x, CPU())), strict=True):
        plain = layer((kind[0], kind[1], "none")).output
        dtype, bias, activation = kind
        what = f"KernelLinear({dtype.name}, activation={activation!r})"
        if not bias:
            what += " without bias"
        if activation != "none" and same(y, plain):
            raise known(17, "activation-not-passed", step)
        assert_same(y, layer(kind), CPU(), what)


def same(output, expected):
    return np.allclose(output.to_numpy(), expected, atol=1e-5)


@pytest.mark.at_the_end
@pytest.mark.parametrize(
    "dtype", [DType.float32, DType.int8], ids=lambda dtype: dtype.name
)
def test_model(step, kernels, dtype):
    """kernel_gpt2: Hugging Face's logits, with whole and with rounded weights"""
    cache, config = load_solution(15), MODEL.config
    expected = hugging_face(dtype)
    module = construct(lambda: step.kernel_gpt2(config, dtype))
    model = module.compile(
        *cache.input_types(config, CPU()),
        weights=step.quantize_weights(expected.weights, dtype),
        custom_extensions=[kernels],
    )
    capacity = config.n_positions
    decoder = cache.Decoder(model, config, capacity=capacity, device=CPU())
    logits = [decoder.prefill(PROMPTS), *(decoder.decode(ids) for ids in NEXT)]
    assert_array(
        np.array(logits),
        expected.output,
        number=17,
        step=step,
        what=f"kernel_gpt2({dtype.name})",
        # A sum in another order may round a hidden state to another neighbor.
        tolerance=1e-5,
    )


@pytest.mark.at_the_end
def test_speed(step, record_property):
    """speed: gigabytes of weights a second, which decide nothing"""
    if speeds := measure(step.kernel):
        record_property("says", str(speeds))
        record_property("GB/s", speeds.four_rows)
