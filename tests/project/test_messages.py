"""What MAX and Python say, put so that a reader of the course knows what to do."""

import math
import types

import numpy as np
import pytest
from max.driver import Buffer
from max.experimental import functional as F
from max.experimental.nn import Linear, Module
from max.experimental.tensor import Tensor
from max.graph import ops

from course.check.advice import advice
from course.check.lost import lost_results
from course.check.max_errors import in_plain_words, parse
from course.check.tracebacks import in_few_words, refused_by


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
    "none": (lambda: F.softmax(None), "MAX's operations take tensors", "return"),
    "list": (lambda: F.softmax([1.0]), "MAX's operations take tensors", "a list"),
    "range": (lambda: F.softmax(range(2)), "MAX's operations take tensors", "range"),
    "layer": (
        lambda: zeros(2) + Linear(2, 2),
        "MAX's operations take tensors",
        "the Linear itself",
    ),
    "NumPy": (lambda: np.tanh(zeros(2)), "NumPy does not compute", "F.tanh"),
    "math": (lambda: math.tanh(zeros(1)), "Python's math computes", "in F"),
    "size, math": (
        lambda: math.sqrt(zeros(2, 3).shape[0]),
        "A size taken from a shape",
        "int(",
    ),
    "size, NumPy": (
        lambda: np.sqrt(zeros(2, 3).shape[0]),
        "A size taken from a shape",
        "int(",
    ),
    "size, power": (
        lambda: zeros(2, 3).shape[0] ** 0.5,
        "A size taken from a shape",
        "int(",
    ),
    "size, divided by": (
        lambda: zeros(2, 3) / zeros(2, 3).shape[0],
        "A size taken from a shape",
        "int(",
    ),
    "dtypes": (
        lambda: zeros(2) + zeros(2, dtype=np.int64),
        "MAX does not compute with float32 [2] and int64 [2] at once",
        "cast",
    ),
    "loop": (lambda: list(zeros(2)), "There is no index 2 on an axis of 2", "F.split"),
    "xor": (lambda: zeros(2) ^ 2, "In Python, ^", "x**2"),
    "axis": (lambda: F.mean(zeros(2), axis=3), "There is no axis 3", "-1"),
    "axes": (lambda: zeros(2).transpose(0, 4), "There is no axis 4", "-1"),
    "indices": (lambda: zeros(2)[:, 0], "There are 2 indices", "1 axes"),
    "tensor as index": (
        lambda: zeros(3, 2)[zeros(2, dtype=np.int64)],
        "A tensor cannot be the index",
        "F.gather",
    ),
    "dtype by name": (
        lambda: Tensor.arange(3, dtype="int64"),
        "A dtype is one of MAX's",
        "DType",
    ),
    "device by name": (lambda: Tensor(1.0, device="cpu"), "A device is", "x.device"),
    "size is a float": (lambda: Linear(2, 2.5), "A size has to be a whole", "//"),
    "size is None": (lambda: Linear(2, None), "A size is None", "n_inner"),
    "array": (
        lambda: F.gather(zeros(3, 2), np.arange(2), axis=0),
        "MAX's operations take tensors",
        "gets a NumPy array",
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
    with pytest.raises(Exception) as caught, F.lazy():  # noqa: PT011
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
        ("'int' object is not iterable", "Tensor.ones(dim)", "[dim]"),
        ("'list' object is not callable", "x = self.h(x)", "Sequential"),
        ("", "store_slice(cache, new, here)", "positions.start"),
        ("object of type 'Tensor' has no len()", "n = len(x)", "x.shape"),
    ],
)
def test_advice(message, line, part):
    """Where Python's message is true but no help, there is advice."""
    assert part in advice(message, line)


def test_no_advice():
    """Where nothing is known, nothing is said."""
    assert advice("division by zero", "x = 1 / 0") == ""
    assert advice("'list' object is not callable", "print(2)") == ""


class Net(Module):
    """What a reader's line has at hand below."""

    def __init__(self):
        self.c_fc = Linear(2, 2)

    def forward(self, x):
        return x


AT_HAND = {
    "F": F,
    "Linear": Linear,
    "Tensor": Tensor,
    "net": Net(),
    "nothing": None,
    "pair": (1, 2),
    "x": zeros(2, 3),
}


def said_of(code, tmp_path):
    """What is said about the exception that a line of a reader's ends in."""
    path = tmp_path / "step.py"
    path.write_text(f"def f():\n    {code}\n")
    module = types.ModuleType("step")
    module.__dict__.update(AT_HAND)
    exec(compile(path.read_text(), path, "exec"), module.__dict__)
    with pytest.raises(Exception) as caught, F.lazy():  # noqa: PT011
        module.f()
    text, _ = in_few_words(caught.value, path)
    assert f"    2 │ {code}" in text
    return caught.value, path, text


@pytest.mark.parametrize(
    ("code", "part"),
    [
        ("DType.int64", "from max.dtype import DType"),
        ("causal_mask(2, 0)", "from step_02 import causal_mask"),
        ("Embedding(2, dim=2)", "from max.experimental.nn import Embedding"),
        ("np.exp(x)", "import numpy as np"),
        ("torch.exp(x)", "MAX alone"),
        ("softmax(x)", "F.softmax"),
        ("sqrt(2)", "math.sqrt"),
        ("nett(x)", "Is it net?"),
        ("x.view([3, 2])", "reshape"),
        ("x.sqrt()", "F.sqrt"),
        ("x.reshap([3, 2])", "Is it x.reshape?"),
        ("F.layernorm(x)", "F.layer_norm"),
        ("F.sofmax(x)", "Is it F.softmax?"),
        ("Tensor.one([2])", "Is it Tensor.ones?"),
        ("net.c_fcc(x)", "Is it self.c_fc?"),
        ("net.lm_head(x)", "__init__ sets on self: c_fc."),
        ("net.dropout(x)", "Leave it out"),
        ("nothing.shape", "return"),
        ("pair.shape", "a tuple"),
        ("F.softmax(x, dim=-1)", "axis here. It is called like this: F.softmax(value"),
        ("F.mean(x, -1, keepdim=True)", "Leave keepdim out"),
        ("x.mean(-1, keepdim=True)", "x.mean(axis=-1)"),
        ("F.mean(F.softmax(x), weight=1)", "F.mean(x, axis=-1)"),
        ("Linear(in_features=2)", "Linear(in_dim, out_dim, *, bias=True"),
        ("F.sqrt(x, 2)", "F.sqrt(x)"),
        ("F.softmax(x, 0.5)", "F.softmax(value, axis=-1)"),
        ("from step_1 import GPT2Config", "Is it step_01?"),
        ("from .step_01 import GPT2Config", "from step_01 import GPT2Config"),
        ("from max.experimental.nn import Dropout", "Leave it out"),
        ("if x: pass", "neither true nor false"),
        ("x.item()", "one number"),
        ("a, b, c = x.shape", "x has the shape [2, 3] here: 2 axes"),
    ],
)
def test_suggestion(code, part, tmp_path):
    """What a name may have meant, and how a function is called, is said."""
    assert part in said_of(code, tmp_path)[2]


def test_unpacking(tmp_path):
    """A shape of another rank is a refusal, of which a mistake may be known."""
    error, path, _ = said_of("a, b, c = x.shape", tmp_path)
    refused = refused_by(error, path)
    assert (refused.operation, refused.shapes) == ("unpacking in f", [[2, 3]])


def test_lost_results(tmp_path):
    """Lines whose result nobody gets are shown, and no others."""
    path = tmp_path / "step.py"
    path.write_text(
        "def f(self, x):\n"
        "    'What it does.'\n"
        "    super().__init__()\n"
        "    print(x)\n"
        "    tokens.append(x)\n"
        "    x = F.gelu(x)\n"
        "    F.gelu(x)\n"
        "    self.c_fc(x)\n"
        "    x.transpose(1, 2)\n"
        "    x + 1\n"
        "    return x\n"
    )
    said = lost_results(path)
    shown = [int(line.split(" │")[0]) for line in said.splitlines() if "│" in line]
    assert shown == [7, 8, 9, 10]
    path.write_text("def f(x):\n    return F.gelu(x)\n")
    assert lost_results(path) == ""
