"""What the hints of step 20 show is so: the workers of its worked example."""

import ast
import tomllib

import pytest

from book.numbers.routing import PROMPTS, scene
from course.check.loading import load_solution
from course.steps import get_step
from tests.project.test_hints_of_serving import shown

TODOS = tomllib.loads(get_step(20).todo_file.read_text())["todo"]


@pytest.mark.parametrize("todo", TODOS, ids=lambda todo: todo["todo"][:20])
def test_result(todo):
    """The example of a hint gives what stands below it."""
    given = vars(load_solution(20)) | PROMPTS | {"router": scene()}
    *lines, last = ast.parse(todo["example"]).body
    exec(compile(ast.Module(lines, []), "hint", "exec"), given)
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), "hint", "eval"), given)
    assert shown(value) == todo["gives"]
    # That would be the third level.
    assert todo["answer"].strip() not in todo["example"]
