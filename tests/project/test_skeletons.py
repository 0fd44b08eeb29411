"""Skeletons and solutions belong together, and skeletons are recognized as such."""

import ast
import os

import pytest

from course.check.loading import load_step
from course.open_todos import open_todos
from course.skeleton import MODULE_DOCSTRING, make_skeleton, read_tasks
from course.steps import ALL_STEPS

PARTS = [part for step in ALL_STEPS for part in step.parts]
MOJO = [part for part in PARTS if part.suffix == ".mojo"]
each_step = pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)
each_part = pytest.mark.parametrize("step", PARTS, ids=lambda part: part.skeleton.name)
SUFFIXES = (".py", ".mojo", ".toml")
STUBS = ("pass", "None")


def interface(source):
    """Public names with their signatures and docstrings, and imports of siblings."""
    found = []
    for node in ast.walk(ast.parse(source.replace("solution_", "step_"))):
        if isinstance(node, ast.FunctionDef):
            arguments, returns = ast.unparse(node.args), node.returns
            returns = ast.unparse(returns) if returns else None
            found.append((node.name, arguments, returns, ast.get_docstring(node)))
        elif isinstance(node, ast.ClassDef):
            bases = [ast.unparse(base) for base in node.bases]
            found.append((node.name, bases, ast.get_docstring(node)))
        elif isinstance(node, ast.ImportFrom) and node.module.startswith("step_"):
            found.append((node.module, [alias.name for alias in node.names]))
    return found


@each_step
def test_same_interface(step):
    """Same public names, signatures, docstrings and imports of siblings."""
    assert interface(make_skeleton(step)) == interface(step.solution.read_text())


@each_step
def test_filling_in_the_todos_is_all(step):
    """Putting every answer in the place of its comment and stub gives the solution."""
    filled = ast.parse(filled_in(step).replace("from step_", "from solution_"))
    solution = ast.parse(step.solution.read_text())
    for module in (filled, solution):
        del module.body[0]  # The module docstring: tasks there, a title here.
    assert ast.dump(filled) == ast.dump(solution)


@pytest.mark.parametrize("part", MOJO, ids=lambda part: part.skeleton.name)
def test_filling_in_the_todos_of_a_mojo_file_is_all(part):
    """But for blank lines."""
    filled, solution = (
        [line for line in MODULE_DOCSTRING.sub("", text, 1).splitlines() if line]
        for text in (filled_in(part), part.solution.read_text())
    )
    assert filled == solution


def filled_in(step):
    """A skeleton with every answer in its place."""
    lines = make_skeleton(step).splitlines()
    for todo in read_tasks(step).todos:
        place = next(
            index
            for index, line in enumerate(lines)
            if line.strip() == f"# TODO: {todo.todo}"
            and not lines[index - 1].strip().startswith("# filled")
        )
        indent = (
            lines[place][: -len(lines[place].lstrip())]
            if lines[place][0] == " "
            else ""
        )
        length = 1 + len(todo.hint.splitlines()) + len(todo.stub.splitlines())
        answer = [indent + line for line in todo.answer.splitlines()]
        lines[place : place + length] = answer
    return "\n".join(lines)


@each_part
def test_committed_skeleton(step):
    """steps/ holds what is made from the solutions, unless somebody works there."""
    if step.skeleton.read_text() != make_skeleton(step) and "CI" not in os.environ:
        pytest.skip(f"{step.skeleton.name} has been worked on")
    assert step.skeleton.read_text() == make_skeleton(step), "python -m course.skeleton"


@each_step
def test_imports_cleanly(step, tmp_path):
    """A skeleton can be imported as it stands."""
    path = tmp_path / f"{step.module}.py"
    path.write_text(make_skeleton(step))
    load_step(step, path)


@each_part
def test_every_todo_is_open(step):
    """In a skeleton all TODOs are open; in a solution none is."""
    todos = [todo for _, todo in open_todos(step, make_skeleton(step))]
    assert sorted(t.todo for t in todos) == sorted(
        t.todo for t in read_tasks(step).todos
    )
    assert open_todos(step, step.solution.read_text()) == []


@each_part
def test_reported_as_not_done(step, tmp_path, checks):
    """A skeleton is reported as not done yet, with the line of every TODO."""
    path = tmp_path / step.skeleton.name
    path.write_text(make_skeleton(step))
    result = checks.check_file(step.number, path)
    assert not result.passed
    assert result.not_done
    assert len(result.todo) == len(read_tasks(step).todos)


def test_task_numbers():
    """Every task has a TODO, and TODOs come in the order of the tasks."""
    for step in ALL_STEPS:
        last = 0
        for part in step.parts:
            tasks = read_tasks(part)
            numbers = [todo.task for todo in tasks.todos]
            assert numbers == sorted(numbers)
            assert tasks.first == last + 1
            last += len(tasks.tasks)
            assert set(numbers) == set(range(tasks.first, last + 1))


def test_nothing_else_in_the_folders():
    """A solution, a skeleton, a check and the tasks for every step, and no more."""
    for one in ("skeleton", "solution", "todo_file"):
        paths = {getattr(part, one) for part in PARTS}
        [folder] = {path.parent for path in paths}
        assert paths == {p for p in folder.iterdir() if p.suffix in SUFFIXES}
