"""What the hints of the side step bpe show is so: the word of its worked example."""

import ast

import pytest

from course.check.loading import load_solution
from course.skeleton import read_tasks
from course.steps import get_step
from tests.project.test_hints_of_serving import shown


@pytest.mark.parametrize(
    "todo", read_tasks(get_step("bpe")).todos, ids=lambda todo: todo.todo[:20]
)
def test_result(todo):
    """The example of a hint gives what stands below it."""
    solution = load_solution("bpe")
    given = vars(solution) | {"word": solution.pieces("banana"), "pair": (b"a", b"n")}
    *lines, last = ast.parse(todo.example).body
    exec(compile(ast.Module(lines, []), "hint", "exec"), given)
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), "hint", "eval"), given)
    assert shown(value) == todo.gives
    # That would be the third level.
    assert todo.answer not in todo.example
