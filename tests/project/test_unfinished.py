"""Steps of which only some TODOs are done: what is right, what is wrong, what next."""

import ast
import json
import re
import textwrap
from dataclasses import replace

import pytest

from course.check.completed import complete
from course.check.unfinished import look
from course.open_todos import find_open, open_todos
from course.skeleton import make_skeleton, read_tasks
from course.steps import ALL_STEPS, SIDE_STEPS, STEPS, get_step
from tests.project.mutants.known import KNOWN
from tests.project.mutants.known_bpe import KNOWN_BPE
from tests.project.mutants.known_mojo import KNOWN_MOJO
from tests.project.mutants.known_part_two import KNOWN_PART_TWO
from tests.project.mutants.mutant import Mutant, solution
from tests.project.mutants.partial import alone, as_soon_as_made, with_open
from tests.project.mutants.portions import portions, steps_of

each_step = pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)
SEVERAL = [step for step in ALL_STEPS if len(read_tasks(step).todos) > 1]
# The mistakes of the other steps show in compiled graphs, or the check takes long.
QUICK = [*STEPS[1:13], *map(get_step, (15, 16, 20)), *SIDE_STEPS]
CHEAP = [step for step in SEVERAL if step in QUICK]
# Every so many of the known mistakes is tried while other TODOs are still open.
MISTAKES = [
    m for m in (*KNOWN, *KNOWN_PART_TWO, *KNOWN_BPE) if get_step(m.step) in CHEAP
][::5]
MISTAKES += KNOWN_MOJO[::5]


def begun(step):
    """The first TODOs done, in all numbers, and then each one alone, by name."""
    todos = read_tasks(step).todos
    files = {}
    for done in range(1, len(todos)):
        files[f"the first {done}"] = todos[:done]
        files[f"only number {done}"] = todos[done : done + 1]
    return files


def opened(step, done):
    """A solution in which only some TODOs are done."""
    todos = [todo for todo in read_tasks(step).todos if todo not in done]
    return with_open(step, todos)


def with_comments(step, source):
    """The same, but the comments of the TODOs that are done are still there."""
    for todo in read_tasks(step).todos:
        comment = [f"# TODO: {todo.todo}"]
        comment += [f"# Hint: {line}" for line in todo.hint.splitlines()]
        answer = todo.answer.splitlines()
        lines = source.splitlines()
        for at in range(len(lines) - len(answer) + 1):
            indent = lines[at][: len(lines[at]) - len(lines[at].lstrip())]
            if textwrap.dedent("\n".join(lines[at : at + len(answer)])) == todo.answer:
                lines[at:at] = [indent + line for line in comment]
                break
        source = "\n".join(lines) + "\n"
    return source


def without_comments(source):
    """The same, but all comments are gone."""
    return re.sub(r"(?m)^ *# (TODO|Hint): .*\n", "", source)


def dump(tree):
    """The code of a module without its docstring."""
    text = ast.dump(ast.Module(tree.body[1:], []))
    return text.replace("solution_", "step_")


@each_step
def test_completed_is_the_solution(step):
    """Whatever is done, with or without comments: the rest makes it the solution."""
    right = dump(ast.parse(solution(step.number)))
    for name, done in begun(step).items():
        source = opened(step, done)
        for text in (source, with_comments(step, source)):
            completed = complete(step, text)
            assert dump(completed.tree) == right, name
            assert not completed.replaced, name
            compile(completed.tree, "step.py", "exec")
            assert len(open_todos(step, text)) == len(read_tasks(step).todos) - len(
                done
            ), name


@each_step
def test_lines_are_those_of_the_file(step):
    """What the reader wrote keeps its line number; the rest has that of its TODO."""
    for name, done in begun(step).items():
        source = opened(step, done)
        lines = source.splitlines()
        completed = complete(step, source)
        todo_lines = {line for line, _ in open_todos(step, source)}
        assert completed.ours == todo_lines
        for node in ast.walk(completed.tree):
            if isinstance(node, ast.Name) and node.lineno not in todo_lines:
                assert re.search(rf"\b{node.id}\b", lines[node.lineno - 1]), name
        for line, todo in open_todos(step, source):
            assert lines[line - 1].strip() == f"# TODO: {todo.todo}"


@each_step
def test_placeholders_without_comments(step):
    """Who deletes the comment has not done the TODO: `x = None` is still open."""
    source = without_comments(make_skeleton(step))
    lines = source.splitlines()
    found = {one.todo.todo for one in find_open(step, source)}
    wanted = {todo.todo for todo in read_tasks(step).todos if "None" in todo.stub}
    assert found == wanted
    for one in find_open(step, source):
        stub = [line.strip() for line in lines[one.start : one.end]]
        assert stub == one.todo.stub.splitlines()
        assert one.line == one.start + 1


SEVEN = get_step(7)
NONE = "scores = None\n"
MASK = """
        seq_length = query.shape[-2]
        scores = scores + causal_mask(
            seq_length, 0, dtype=scores.dtype, device=scores.device
        )
"""


@pytest.mark.parametrize(
    ("stub", "written", "is_open"),
    [
        ("scores = None\n", "scores = None\n        scores = query @ key\n", False),
        ("scores = None\n", "scores = None\n        scores = scores / 8\n", True),
        ("        pass\n", f"        pass\n{MASK}", False),
        ("        pass\n", "        pass\n\n\n", True),
        ("scores = None\n", "scores = None  # later\n", True),
        ("scores = None\n", "scores = None or query @ key\n", False),
        (
            "scores = None\n",
            "return (\n            query\n        )\n" + 8 * " " + NONE,
            False,
        ),
    ],
)
def test_placeholder_left(stub, written, is_open):
    """A placeholder above what was written does not count, one that is used does."""
    source = make_skeleton(SEVEN)
    assert source.count(stub) == 1
    count = len(open_todos(SEVEN, source.replace(stub, written)))
    assert count == len(read_tasks(SEVEN).todos) - (not is_open)


def test_unfinished_line():
    """In a file that is no Python at the moment, TODOs are found all the same."""
    source = make_skeleton(SEVEN)
    broken = source.replace("scores = None\n", "scores = query @ (\n")
    assert len(open_todos(SEVEN, broken)) == len(read_tasks(SEVEN).todos) - 1
    assert complete(SEVEN, broken) is None


def begun_sources(step):
    """What `begun` names, as changed solutions; every fifth has its comments left."""
    for index, (name, done) in enumerate(begun(step).items()):
        if name.startswith("the first") or step.number in {7, 12}:
            source = opened(step, done)
            yield Mutant(step.number, None, source, name, "begun")
            if index % 5 == 0:
                name, source = f"{name}, comments left", with_comments(step, source)
                yield Mutant(step.number, None, source, name, "comments left")


@pytest.mark.parametrize("portion", portions(SEVERAL))
def test_right_so_far(portion, checks, tmp_path):
    """Nothing is called wrong, nothing is called done that is not; the next is named.

    With the first TODOs done, for every number of them; and with one alone.
    """
    begun = portion.of(begun_sources(portion.step), every=8)
    for each, result in checks.check(begun, tmp_path).items():
        line, todo = open_todos(portion.step, each.source)[0]
        assert result.not_done, (each.name, result.first_failure)
        assert not result.passed, each.name
        assert not any(c.message for c in result.checks if c.reached), each.name
        assert result.todo[0].endswith(f"line {line}: {todo.todo}"), each.name
        assert result.done, each.name
        assert not result.later, each.name


@pytest.mark.parametrize("portion", portions(steps_of(MISTAKES)))
def test_mistakes_are_named_at_once(portion, checks, tmp_path):
    """A mistake has the same name, and lines of the file, whatever else is open."""
    begun = [
        replace(mutant, source=source, name=f"{mutant.name}, {form.__name__}")
        for mutant in portion.of(MISTAKES, every=6)
        for form in (as_soon_as_made, alone)
        if (source := form(mutant))
    ]
    other = {}
    for mutant, result in checks.check(begun, tmp_path).items():
        failure = result.first_failure
        if failure is None or result.not_done:
            other[mutant.name] = "not done yet"
        elif mutant.mistake and set(mutant.mistake.split("+")) != set(
            (failure.mistake or "").split("+")
        ):
            other[mutant.name] = failure.mistake
        if failure is not None:
            lines = mutant.source.splitlines()
            for number, line in re.findall(r"(?m)^ +(\d+) │ (.*)", failure.message):
                assert lines[int(number) - 1].strip().startswith(line), mutant.name
    assert other == {}


def test_other_names(tmp_path, checks):
    """Lines that the solution's cannot go on from are not judged, the others are."""
    done = read_tasks(SEVEN).todos[:7]
    source = opened(SEVEN, done).replace("scores = query", "att = query")
    wrong = source.replace("return x.transpose(1, 2)\n", "return x\n")
    assert wrong != source
    path = tmp_path / "step_07.py"
    path.write_text(source)
    assert look(SEVEN, {SEVEN: path}).completed.replaced == {
        "GPT2MultiHeadAttention.attention"
    }
    result = checks.check_file(7, path)
    assert result.not_done
    assert result.later == ["attention (1 of 3)"]
    assert "split_heads" in result.done
    path.write_text(wrong)
    assert checks.check_file(7, path).first_failure.mistake == "head-axis-not-moved"


def test_what_is_not_begun(tmp_path, checks):
    """Checks of what nobody has begun wait: a mistake there shows once it is begun."""
    step, path = get_step(15), tmp_path / "step_15.py"
    todos = read_tasks(step).todos
    first_tick = [todo for todo in todos if todo.task <= 2]
    for done, mistake in ((first_tick, None), (todos[:-1], "length-not-advanced")):
        source = opened(step, done)
        assert source.count("        self.length = end\n") == 1
        path.write_text(source.replace("        self.length = end\n", ""))
        result = checks.check_file(15, path)
        assert result.not_done == (mistake is None)
        assert result.first_failure.mistake == mistake


def test_without_the_import(tmp_path, checks):
    """What is used but not imported yet is not done yet, not a mistake."""
    path = tmp_path / "step_07.py"
    path.write_text(opened(SEVEN, read_tasks(SEVEN).todos[2:]))
    result = checks.check_file(7, path)
    assert result.not_done
    assert "Import functional" in result.todo[0]


def test_json_names_what_is_wrong_first(course, tmp_path):
    """In JSON a failure has what is wrong, and then what is not done yet."""
    todos = read_tasks(SEVEN).todos
    path = tmp_path / "step_07.py"
    source = opened(SEVEN, todos[:7])
    path.write_text(source.replace(" / math.sqrt(self.head_dim)", ""))
    ran = course("check", 7, "--file", path, "--json")
    assert ran.status == 1
    found = json.loads(ran.out)
    assert set(found) == {"step", "passed", "checks"}
    assert all(
        set(one) == {"name", "passed", "message", "mistake"} for one in found["checks"]
    )
    [named] = [one for one in found["checks"] if one["mistake"]]
    assert named["mistake"] == "not-scaled"
    assert "not done yet: line" in named["message"]
