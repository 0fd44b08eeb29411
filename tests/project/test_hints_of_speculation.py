"""What the hints of step 19 show is so: the text of its worked example."""

import ast
import tomllib

import numpy as np
import pytest
from max.experimental.tensor import Tensor

from course.check.loading import load_solution
from course.runtime import prepare
from course.steps import get_step
from tests.project.test_hints_of_serving import shown

TODOS = tomllib.loads(get_step(19).todo_file.read_text())["todo"]


@pytest.mark.parametrize("todo", TODOS, ids=lambda todo: todo["todo"][:20])
def test_result(todo):
    """The example of a hint gives what stands below it."""
    prepare()
    given = vars(load_solution(19)) | {
        "tokens": [0, 1, 3, 5, 0, 1, 3],
        "hidden_states": Tensor.from_dlpack(np.zeros((1, 4, 8), np.float32)),
    }
    *lines, last = ast.parse(todo["example"]).body
    exec(compile(ast.Module(lines, []), "hint", "exec"), given)
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), "hint", "eval"), given)
    assert shown(value) == todo["gives"]
    # That would be the third level.
    assert todo["answer"].strip() not in todo["example"]
