"""What a reader's slip ends in is said in the reader's words, with the reader's line.

The slips are in `mutants/slips.py`: what comes out of them is as Python, NumPy,
tokenizers and MAX happen to say it, which changes with their versions.
"""

import re

import pytest

from tests.project.mutants.mutant import changed_lines, difference
from tests.project.mutants.portions import portions, steps_of
from tests.project.mutants.slips import SLIPS

# What is of no use to a reader: the insides of MAX, NumPy and Python.
RAW = (
    r"mlir|TensorValue|ufunc|!mo|\brmo\.|_core\b|nanobind|bad_cast|size_in_bits|"
    r"<class|<locals>|<lambda>|object at 0x|site-packages|(Static|Symbolic)Dim|"
    r"max\.graph|_promote|IntegerAttr|DriverTensor|Traceback|course/check|"
    r"^\w+(Error|Exception)$"
)


@pytest.fixture(scope="module", params=portions(steps_of(SLIPS)))
def checked(request, checks, tmp_path_factory):
    """What the checks found, by slip."""
    slips = request.param.of(SLIPS, every=20)
    return checks.check(slips, tmp_path_factory.mktemp("slips"))


def failures(checked):
    """The slips that were refused, and how."""
    return {
        slip: result.first_failure
        for slip, result in checked.items()
        if result.first_failure
    }


def own_words(message):
    """A message without the reader's lines."""
    return "\n".join(line for line in message.splitlines() if "│" not in line)


def test_no_raw_messages(checked):
    """Nothing of what MAX, NumPy or Python say to their own programmers is shown."""
    raw = {
        slip.name: failure.message
        for slip, failure in failures(checked).items()
        if re.search(RAW, own_words(failure.message), re.MULTILINE)
    }
    assert raw == {}


def test_something_is_said(checked):
    """Each says more than the name of an exception."""
    for slip, failure in failures(checked).items():
        # What cannot be told from a TODO that is open says so, and names its line.
        assert failure.open or len(own_words(failure.message)) > 20, slip.name


def test_all_are_refused(checked):
    """None is right; what is right in another way is in `mutants/variants.py`."""
    assert [s.name for s in checked if s not in failures(checked)] == []


def test_quoted_lines(checked):
    """Of the lines shown, one is the slip's or stands beside it."""
    elsewhere = []
    for slip, failure in failures(checked).items():
        quoted = {int(n) for n in re.findall(r"^ +(\d+) │", failure.message, re.M)}
        near = {line + i for line in changed_lines(slip) for i in (-1, 0, 1)}
        if quoted and not quoted & near:
            change = difference(slip)
            if not any(text in change for text in LATER):
                elsewhere.append(change)
    assert elsewhere == []


def test_enough():
    """There are hundreds."""
    assert len(SLIPS) > 400


# What shows later than where it is: that line is quoted, and most say what to do.
LATER = (
    "step 1: ",  # The decorator, which makes the class.
    "step 2: from max",  # Imports, which show where a name is used.
    "import max.nn",
    "from max.nn",
    "from torch.nn",
    "solution_02 import",
    "step 2: def causal_mask",  # Its other line is too long to be one.
    "-> eps = eps",  # Attributes that are missing, or of another kind.
    "config.n_embd / config.n_head",
    "-> self.h = [",
    "def __init__(self, config, intermediate_size)",
    "def split_heads(x",
    "def merge_head(self",
    "-> return x.T",  # Shapes and kinds that another function is given.
    "-> scores = query * key /",
    "-> return (weights @ value, weights)",
)
