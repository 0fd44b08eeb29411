"""What MAX and Python say, put so that a reader of the course knows what to do."""

import numpy as np
import pytest
from max.experimental import functional as F
from max.experimental.tensor import Tensor

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
