"""Hints and reset: help that follows what the reader has done."""

import io
import re
import shlex

import pytest
from rich.console import Console

from course.hints import LEVELS, print_hints
from course.skeleton import make_skeleton, read_tasks
from course.steps import ALL_STEPS, get_step


@pytest.fixture
def steps(tmp_path):
    """A folder of steps of one's own, with the skeleton of step 03."""
    step = get_step(3)
    path = tmp_path / f"{step.module}.py"
    path.write_text(make_skeleton(step))
    return path


def test_hint_is_about_the_next_todo(course, steps):
    """Done TODOs are passed over; without open ones, all hints are shown."""
    folder = {"COURSE_STEPS_DIR": str(steps.parent)}
    todos = read_tasks(get_step(3)).todos
    for done, todo in enumerate(todos):
        shown = course("hint", 3, **folder).out
        assert todo.look in " ".join(shown.split()), done
        fill_in(steps, todo)
    shown = course("hint", 3, **folder).out
    assert "no open TODO" in " ".join(shown.split())
    assert all(todo.todo in " ".join(shown.split()) for todo in todos)


def fill_in(path, todo):
    """Put a todo's answer in the place of its stub, or below it if it has none."""
    lines = path.read_text().splitlines()
    place = next(i for i, line in enumerate(lines) if f"# TODO: {todo.todo}" in line)
    place += 1 + len(todo.hint.splitlines())
    length = len(todo.stub.splitlines())
    indent = " " * (len(lines[place]) - len(lines[place].lstrip())) if length else ""
    lines[place : place + length] = [indent + line for line in todo.answer.splitlines()]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)
def test_levels(step):
    """The first level says all that the file says, and each one more than the last."""
    shown = []
    for level in LEVELS:
        out = io.StringIO()
        console = Console(file=out, width=200, highlight=False)
        print_hints(step, level, True, console, None)
        shown.append(" ".join(out.getvalue().split()))
    for todo in (todo for part in step.parts for todo in read_tasks(part).todos):
        parts = [
            f"{todo.todo} task {todo.task} {todo.hint} {todo.look} {todo.shapes}",
            f"{todo.example} {'→ ' if todo.gives else ''}{todo.gives}",
            todo.answer,
        ]
        for level in LEVELS:
            for part in parts[:level]:
                assert " ".join(part.split()) in shown[level - 1], todo.todo
        for said in (todo.hint, todo.look):
            assert not re.fullmatch(r"\W*(The same|As)\b.{,30}\bstep \d+\W*", said)


def test_reset_keeps_a_copy(course, steps):
    """The skeleton comes back, and the reader's version stays beside it."""
    steps.write_text("my own work\n")
    ran = course("reset", 3, COURSE_STEPS_DIR=str(steps.parent))
    assert ran.status == 0
    assert steps.read_text() == make_skeleton(get_step(3))
    assert steps.with_suffix(".py.bak").read_text() == "my own work\n"


def test_reset_of_a_missing_file(course, steps):
    """A file that was deleted comes back too."""
    steps.unlink()
    assert course("reset", 3, COURSE_STEPS_DIR=str(steps.parent)).status == 0
    assert steps.read_text() == make_skeleton(get_step(3))


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_hint_for_an_unreadable_file(course, steps, content):
    """A broken file is named, with the way out."""
    steps.write_bytes(content)
    ran = course("hint", 3, COURSE_STEPS_DIR=str(steps.parent))
    assert ran.status == 1
    assert "course reset 3" in " ".join(ran.err.split())


def test_hint_for_another_file(course, steps, tmp_path):
    """With --file, all that is said is about that file, and can be typed as it is."""
    path = tmp_path / "it's mine.py"
    path.write_text(make_skeleton(get_step(3)))
    shown = course("hint", 3, "--file", path).out
    assert f"{path}, line" in shown.replace("\n", "")
    [more] = [line for line in shown.splitlines() if line.startswith("More: course")]
    again = course(*shlex.split(more.removeprefix("More: course ")))
    assert again.status == 0
    assert "More: " in again.out
    for todo in read_tasks(get_step(3)).todos:
        fill_in(path, todo)
    path.write_text(path.read_text().replace("gamma=self.weight", "gamma=self.bias"))
    report = course("check", 3, "--file", path).out
    [line] = [line for line in report.splitlines() if "Next: course hint" in line]
    command, _, _ = line.partition("Next: course ")[2].partition(" · ")
    shown = course(*shlex.split(command)).out
    assert "no open TODO" in " ".join(shown.split())
    # When nothing is open, the check says what is wrong.
    [line] = [line for line in shown.splitlines() if line.startswith("  course check")]
    again = course(*shlex.split(line.strip())[1:])
    assert again.status == 1
    assert again.out == report


def test_hint_for_a_file_that_is_not_there(course, tmp_path):
    """Misuse, as with `course check`."""
    for path in (tmp_path, tmp_path / "none.py"):
        ran = course("hint", 3, "--file", path)
        assert ran.status == 2
        assert str(path) in ran.err
