"""What the hints of step 17 show is so: those of the Mojo file in one Mojo program."""

import ml_dtypes
import numpy as np
import pytest
from max.driver import CPU
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import default_device, default_dtype

from course.check.kernel.run import run_mojo, staged
from course.check.loading import load_solution
from course.skeleton import read_tasks
from course.steps import MOJO_STEP, get_step
from tests.project.test_hint_examples import shown, value_of

MOJO, PYTHON = get_step(MOJO_STEP).parts

PROGRAM = """
from std.math import align_down
from kernel.few_rows import dot, dot_four, dot_numbers, dot_registers, load_weights
from kernel.matrix import Matrix


def main():
    var weights = List[Int8](length=64, fill=0)
    var values = List[Float32](length=64, fill=0.5)
    for i in range(64):
        weights[i] = Int8(i - 10)
    var w = weights.unsafe_ptr()
    var x = values.unsafe_ptr()
    var matrix = Matrix(w, 9, 5, 5)
"""


def test_mojo_examples(tmp_path):
    """The example of each hint gives what stands below it."""
    todos = read_tasks(MOJO).todos
    lines = "".join(f"    print({todo.example})\n" for todo in todos)
    program = tmp_path / "hints.mojo"
    program.write_text(PROGRAM + lines)
    with staged(MOJO.solution.read_text()) as folder:
        ran = run_mojo(folder, program)
    assert ran.stdout.splitlines() == [todo.gives for todo in todos], ran.stderr
    for todo in todos:
        assert todo.answer not in todo.example


@pytest.mark.parametrize("todo", read_tasks(PYTHON).todos, ids=lambda t: t.todo[:20])
def test_python_examples(todo):
    """Likewise, on the two rows of the chapter."""
    step = load_solution(MOJO_STEP)
    pair = [[0.02, -0.05, 0.03, 0.01], [2.0, -1.0, 0.5, 1.5]]
    with default_device(CPU()), default_dtype(DType.float32), F.lazy():
        layer = step.KernelLinear(4, 6, dtype=DType.int8)
        names = {"weight": np.array(pair, np.float32), "layer": layer}
        names |= vars(step) | {"np": np, "ml_dtypes": ml_dtypes}
        assert shown(value_of(todo.example, names)) == todo.gives
    assert todo.answer not in todo.example
