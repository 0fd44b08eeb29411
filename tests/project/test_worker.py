"""The process that checks knows when MAX compiles, which is no endless loop."""

import os
import subprocess
import sys

import pytest

from course.steps import ROOT

# The calls that MAX makes while something is compiled, also from its cache.
SEEN = """
import course, sys
from course.check.worker import _activity
import numpy as np
from max.driver import CPU
from max.dtype import DType
from max.experimental import nn, functional as F
from max.experimental.tensor import Tensor, TensorType

seen = set()
def look(frame, event, argument):
    if event == "call":
        seen.add(_activity(frame).name)
ones = Tensor(np.ones((2, 3), np.float32))
linear = nn.Linear(3, 3)
sys.setprofile(look)
{run}
sys.setprofile(None)
print(sorted(seen))
"""

NO_SERVER = """
from course.process.server import ServerProcess
try:
    with ServerProcess("It", "course.no_such_module", port=1):
        pass
except Exception:
    pass
"""


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ("F.softmax(ones).to_numpy()", "['COMPILE', 'RUN']"),
        ("linear.compile(TensorType(DType.float32, (2, 3), device=CPU()))", "COMPILE"),
        ("sum(n * n for n in range(9))", "['RUN']"),
        (NO_SERVER, "SERVE"),
    ],
)
def test_compiling_is_recognized(run, expected):
    """The first call of an operation, `Module.compile`, a server that starts."""
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
