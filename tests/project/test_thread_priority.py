"""MAX's polling thread must not interrupt the threads that compute."""

import os
import subprocess
import sys

import pytest

from course.steps import ROOT

# Which scheduling policies the threads have after the first graph has run.
SCRIPT = """
import os
import numpy as np
from max.driver import CPU
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Linear
from max.experimental.tensor import Tensor
from max.graph import TensorType
from course.model.graph_cache import kept_or_compiled
from course.model.thread_priority import THREADS

weights = {"weight": np.ones((2, 3), np.float32), "bias": np.ones(2, np.float32)}
x_type = TensorType(DType.float32, ["rows", 3], device=CPU())
with F.lazy():  # Or the random weights would be the first to run.
    linear = Linear(3, 2)
layer = kept_or_compiled(
    "linear", lambda: linear.compile(x_type, weights=weights), weights, CPU()
)
for _ in range(2):
    print(layer(Tensor.from_dlpack(np.ones((1, 3), np.float32))).to_numpy().tolist())
print(sorted(os.sched_getscheduler(int(path.name)) for path in THREADS.iterdir()))
"""


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux only")
def test_at_rest():
    """One thread gets the priority of idle work, those that compute keep theirs."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=dict(os.environ),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    *results, policies = map(eval, ran.stdout.splitlines())
    assert results == [[[4.0, 4.0]]] * 2
    assert policies.count(os.SCHED_IDLE) == 1
    assert policies.count(os.SCHED_OTHER) == len(policies) - 1
