"""What MAX and Python say, put so that a reader of the course knows what to do."""

import numpy as np
import pytest
from max.driver import Buffer
from max.experimental import functional as F
from max.experimental.nn import Linear
from max.experimental.tensor import Tensor
from max.graph import ops

from course.check.advice import advice
from course.check.max_errors import in_plain_words, parse


def zeros(*shape, dtype=np.float32):
    return Tensor.from_dlpack(np.zeros(shape, dtype))


# What MAX refuses to do, and the beginning and a later part of what is said then.
REFUSED = {
    "matmul": (
        lambda: zeros(2, 7, 12) @ zeros(2, 7, 12),
        "Shapes [2, 7, 12] and [2, 7, 12] cannot be multiplied with @",
        "They would fit with the second's last two axes exchanged.",
    ),
    "matmul, batch": (
        lambda: zeros(4, 7, 7) @ zeros(2, 7, 48),
        "Shapes [4, 7, 7] and [2, 7, 48] cannot be multiplied with @",
        "the axes before the last two",
    ),
    "add": (
        lambda: zeros(2, 7, 7) + zeros(12, 12),
        "Shapes [2, 7, 7] and [12, 12] do not fit together with +",
        "from the right",
    ),
    "reshape": (
        lambda: zeros(2, 4, 7, 12).reshape([2, 4, 48]),
        "A tensor of the shape [2, 4, 7, 12] cannot be reshaped to [2, 4, 48]",
        "672 numbers, and [2, 4, 48] has 384",
    ),
    "gather": (
        lambda: F.gather(zeros(32, 48), zeros(7), axis=0),
        "Rows of a table are looked up by integers, and these are float32",
        "dtype=input_ids.dtype",
    ),
    "split": (
        lambda: F.split(zeros(2, 7, 144), [48] * 3),
        "F.split is to cut an axis of 2 into pieces of [48, 48, 48], 144 in all",
        "axis=",
    ),
    "concat": (
        lambda: F.concat(
            [zeros(2, 4, dtype=np.int64), zeros(2, 1, dtype=np.int64)], axis=0
        ),
        "F.concat joins tensors of equal shapes",
        "[2, 4] and [2, 1]",
    ),
    "number": (
        lambda: F.sqrt(12),
        "MAX's operations take tensors",
        "math.sqrt",
    ),
    "array": (
        lambda: F.gather(zeros(3, 2), np.arange(2), axis=0),
        "MAX's operations take tensors",
        "ndarray",
    ),
}


def load(**weights):
    """Load weights into a layer of 3 numbers for 2."""
    right = {"weight": np.zeros((3, 2), np.float32), "bias": np.zeros(3, np.float32)}
    with F.lazy():
        layer = Linear(2, 3)
    layer.load_state_dict(right | weights)


REFUSED |= {
    "a weight of another shape": (
        lambda: load(weight=np.zeros((4, 2), np.float32)),
        "weight is float32 [3, 2] in the model, and the weight that is loaded into it "
        "is float32 [4, 2].",
        "config.json",
    ),
    "a weight not transposed": (
        lambda: load(weight=np.zeros((2, 3), np.float32)),
        "weight is float32 [3, 2] in the model",
        "axes are exchanged",
    ),
    "a weight of another dtype": (
        lambda: load(bias=np.zeros(3)),
        "bias is float32 [3] in the model",
        "is float64 [3].",
    ),
    "weights too many": (
        lambda: load(**{"wte.weight": np.zeros(3, np.float32), "b": np.zeros(3)}),
        "load_state_dict is given 2 weights that the model has no parameter for",
        "b, wte.weight",
    ),
    "not contiguous": (
        lambda: Buffer.from_dlpack(np.zeros((3, 2)).T),
        "MAX takes only arrays whose memory is in order",
        "np.ascontiguousarray",
    ),
    "a slice of another size": (
        lambda: F.functional(ops.buffer_store_slice)(
            zeros(1, 4, 8), zeros(1, 2, 3), (slice(None), slice(None), slice(0, 3))
        ),
        "What is written into a slice has to be as large as it",
        "[1, 4, 3]",
    ),
    "rows of unequal length": (
        lambda: np.array([[1, 2], [3]]),
        "NumPy makes arrays of rows that are equally long",
        "padding",
    ),
    "NumPy's shapes": (
        lambda: np.zeros((6, 20)) / np.zeros((20, 1)),
        "NumPy cannot bring the shapes [6, 20] and [20, 1] together",
        "from the right",
    ),
    "partition": (
        lambda: np.partition(np.zeros(4), -9),
        "np.partition is asked for index -5 of an array of 4 numbers",
        "more are wanted",
    ),
    "draw by logits": (
        lambda: np.random.default_rng(0).choice(2, p=[-0.5, 1.5]),
        "rng.choice takes probabilities, which softmax gives",
        "negative",
    ),
    "draw by NaN": (
        lambda: np.random.default_rng(0).choice(2, p=[np.nan, 1.5]),
        "rng.choice takes probabilities, which softmax gives",
        "not numbers",
    ),
    "draw by shares": (
        lambda: np.random.default_rng(0).choice(2, p=[0.5, 0.6]),
        "rng.choice takes probabilities that add up to 1",
        "float64",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    """What MAX says in its compiler's words is said in the reader's."""
    do, beginning, part = REFUSED[name]
    with pytest.raises((TypeError, ValueError)) as caught, F.lazy():
        do()
    said = in_plain_words(str(caught.value))
    assert said is not None, caught.value
    assert said.startswith(beginning)
    assert part in said


def test_compiled_for_another_dtype():
    """What a compiled graph says of an argument that does not fit."""
    said = in_plain_words(
        "argument 0: expected DType.int64 shape [Dim('batch'), Dim('seq_length')] on "
        "[Device(type=cpu,id=0)], got DType.int32 shape [Dim(3), Dim(1)] on "
        "[Device(type=cpu,id=0)]"
    )
    assert "compiled for int64 [batch, seq_length] as argument 0" in said
    assert said.endswith("is given int32 [3, 1].")


def test_dtypes():
    """Of an operation that is not known better, MAX's own reason is kept."""
    with pytest.raises(ValueError, match="differing") as caught, F.lazy():
        F.concat([zeros(2, dtype=np.int64), zeros(2, dtype=np.int32)], axis=0)
    refused = parse(str(caught.value))
    assert refused.dtypes == ["int64", "int32"]
    assert "int64 [2], int32 [2]" in in_plain_words(str(caught.value))


def test_other_messages():
    """Others are left as they are."""
    assert in_plain_words("name 'F' is not defined") is None


@pytest.mark.parametrize(
    ("message", "line", "part"),
    [
        ("name 'F' is not defined", "", "import functional as F"),
        ("name 'Linear' is not defined", "", "nn import Linear"),
        ("got an unexpected keyword argument 'dim'", "F.softmax(x, dim=-1)", "axis"),
        ("'int' object is not iterable", "Tensor.ones(dim)", "[dim]"),
        ("'list' object is not callable", "x = self.h(x)", "Sequential"),
        ("", "store_slice(cache, new, here)", "positions.start"),
        ("not enough values to unpack (expected 4, got 3)", "a, b = x.shape", "axes"),
    ],
)
def test_advice(message, line, part):
    """Where Python's message is true but no help, there is advice."""
    assert part in advice(message, line)


def test_no_advice():
    """Where nothing is known, nothing is said."""
    assert advice("division by zero", "x = 1 / 0") == ""
    assert advice("'list' object is not callable", "print(2)") == ""
