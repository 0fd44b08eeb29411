"""The process that checks knows when MAX compiles, which is no endless loop."""

import os
import subprocess
import sys

import pytest

from course.steps import ROOT

# The calls that MAX makes while something is compiled, also from its cache.
SEEN = """
import course, sys
from course.check.worker import COMPILING, _what
import numpy as np
from max.driver import CPU
from max.dtype import DType
from max.experimental import nn, functional as F
from max.experimental.tensor import Tensor, TensorType

seen = set()
def look(frame, event, argument):
    if event == "call":
        seen.add(_what(frame))
ones = Tensor(np.ones((2, 3), np.float32))
linear = nn.Linear(3, 3)
sys.setprofile(look)
{run}
sys.setprofile(None)
print(sorted(seen))
"""


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("F.softmax(ones).to_numpy()", "['compile', 'run']"),
        ("linear.compile(TensorType(DType.float32, (2, 3), device=CPU()))", "compile"),
        ("sum(n * n for n in range(9))", "['run']"),
    ],
)
def test_compiling_is_recognized(run, expected):
    """A first call of an operation and `Module.compile` are; other work is not."""
    ran = subprocess.run(
        [sys.executable, "-c", SEEN.format(run=run)],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert expected in ran.stdout
