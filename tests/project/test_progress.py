"""`course list`, `course export`: what they say of the steps is so, and at once."""

import json
import os
import re
import subprocess
import sys

import pytest

from course.progress import export, record, standing, table
from course.progress.standing import State
from course.skeleton import finished, make_skeleton, read_tasks, take_out
from course.steps import ALL_STEPS, ROOT, STEPS, get_step


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """A reader who has done nothing yet: the folder of the steps."""
    steps = tmp_path / "steps"
    steps.mkdir()
    monkeypatch.setenv("COURSE_STEPS_DIR", str(steps))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for step in ALL_STEPS:
        for part in step.parts:
            part.skeleton.write_text(make_skeleton(part))
    return steps


def finish(step, measured=()):
    """Write a step, and note that it is right, as its check would."""
    for part in step.parts:
        part.skeleton.write_text(finished(part))
    record.Candidate(step).has_passed(dict(measured))


def test_nothing_done(reader, course):
    """In the beginning no step is begun, and the first comes next."""
    shown = course("list").out
    assert shown.count("not begun") == len(ALL_STEPS)
    assert f"0 of {len(STEPS)} steps are right" in shown
    assert "Next: course check 1 · chapter 01" in shown
    for step in ALL_STEPS:
        assert re.search(rf"{step.title} +{step.minutes} +{step.difficulty}", shown)


def test_how_far(reader):
    """A step is begun as soon as its file is, and finished when no TODO is left."""
    step = get_step(2)
    todos = read_tasks(step).todos
    for done in range(1, len(todos)):
        step.skeleton.write_text(take_out(finished(step), todos[done:], step))
        seen = standing.look_at(step)
        assert (seen.state, seen.done) == (State.BEGUN, done)
        left = step.minutes * (len(todos) - done) / len(todos)
        assert seen.minutes_left == round(left)
    step.skeleton.write_text(finished(step))
    assert standing.look_at(step).state == State.FILLED
    step.skeleton.unlink()
    assert standing.look_at(step).state == State.UNREADABLE


def test_right_is_what_the_check_has_found_right(reader, course):
    """Only what has passed is right, and only as long as it stays as it is."""
    first = get_step(1)
    right = finished(first)
    first.skeleton.write_text(right.replace("50257", "50256"))
    assert course("check", 1).status == 1
    assert "all TODOs done: right?" in course("list").out
    assert course("check", 1, "--solutions").status == 0
    assert "all TODOs done: right?" in course("list").out

    first.skeleton.write_text(right)
    assert course("check", 1).status == 0
    shown = course("list").out
    assert f"1 of {len(STEPS)} steps are right" in shown
    assert "Next: course check 2" in shown
    first.skeleton.write_text(right + "\n# A thought.\n")
    assert f"0 of {len(STEPS)}" in course("list").out
    first.skeleton.write_text(right)
    assert f"1 of {len(STEPS)}" in course("list").out


def test_a_step_of_two_files(reader):
    """It is begun as soon as one of them is, and right as long as neither changes."""
    step = get_step(17)
    mojo, python = step.parts
    assert standing.look_at(step).state == State.UNTOUCHED
    mojo.skeleton.write_text(finished(mojo))
    seen = standing.look_at(step)
    assert (seen.state, seen.done) == (State.BEGUN, len(read_tasks(mojo).todos))
    assert seen.todos == seen.done + len(read_tasks(python).todos)
    finish(step)
    assert standing.look_at(step).state == State.RIGHT
    mojo.skeleton.write_text(finished(mojo) + "# A thought.\n")
    assert standing.look_at(step).state == State.FILLED


def test_a_file_that_is_saved_while_it_is_checked(reader):
    """The verdict is about what was there before, which nobody has now."""
    step = get_step(3)
    candidate = record.Candidate(step)
    step.skeleton.write_text(finished(step))
    candidate.has_passed({})
    assert record.find(step) is None


def test_another_check(reader, monkeypatch, tmp_path):
    """What has passed a check that has changed since is not known to be right."""
    step = get_step(3)
    finish(step)
    assert record.find(step)
    changed = tmp_path / "changed.py"
    changed.write_text(step.check.read_text() + "\n")
    monkeypatch.setattr(type(step), "check", changed)
    assert record.find(step) is None


def test_nowhere_to_keep_a_note(reader, course):
    """A check says what it says, and the step is then not known to be right."""
    get_step(1).skeleton.write_text(finished(get_step(1)))
    assert course("check", 1, XDG_STATE_HOME="/dev/null").status == 0
    assert "all TODOs done: right?" in course("list", XDG_STATE_HOME="/dev/null").out


@pytest.mark.parametrize("damage", ["", "[]", '{"when": 1}'])
def test_a_damaged_note(reader, damage):
    """It counts as none."""
    step = get_step(3)
    finish(step)
    [note] = (reader.parent / "state").rglob("step_03-*.json")
    note.write_text(damage)
    assert record.find(step) is None


def test_json(reader, course):
    """`course export` says the same, for programs."""
    for number in (1, 2):
        finish(get_step(number))
    todos = read_tasks(get_step(4)).todos
    begun = take_out(finished(get_step(4)), todos[3:], get_step(4))
    get_step(4).skeleton.write_text(begun)
    found = json.loads(course("export").out)
    assert found["right"] == 2
    assert found["next"] == 3
    assert [one["step"] for one in found["steps"]] == [s.number for s in STEPS]
    states = {one["step"]: one["state"] for one in found["steps"]}
    assert (states[1], states[3], states[4]) == ("right", "not begun", "begun")
    assert found["steps"][3]["done"] == 3
    assert set(found["steps"][0]["passed"]["versions"]) == {"python", *record.PACKAGES}
    left = sum(step.minutes for step in STEPS[2:])
    left -= round(STEPS[3].minutes * 3 / len(todos))
    assert abs(found["minutes_left"] - left) <= 1


def test_certificate(reader, course, tmp_path):
    """It names who, what, when and with what, and works without a network."""
    finish(get_step(1))
    finish(get_step(17), {"GB/s": 18.24})
    path = tmp_path / "mine.html"
    name = 'Ada <b>"Lovelace"</b> & Söhne'
    ran = course("export", "--certificate", path, "--name", name)
    assert ran.status == 0, ran.err
    page = path.read_text()
    assert "Ada &lt;b&gt;" in page
    assert "<b>" not in page
    assert f"has 2 of {len(STEPS)} steps right" in page
    assert page.count("<td>right</td>") == 2
    assert "18.2 GB/s" in page
    assert "does not prove" in page
    for package, version in record.versions().items():
        assert f"{package} {version}" in page
    assert not re.search(r"https?:|src=|href=|@import|\$", page)


def test_certificate_of_all(reader):
    """When all steps are right it says so."""
    for step in ALL_STEPS:
        finish(step)
    path = reader / "all.html"
    export.write_certificate(path, "Ada")
    assert f"has all {len(STEPS)} steps right" in path.read_text()
    assert standing.next_step(standing.look_at_all()) is None


def test_no_certificate(reader, course, tmp_path):
    """Nothing is certified where nothing is right, nor to nobody, nor nowhere."""
    path = tmp_path / "mine.html"
    ran = course("export", "--certificate", path, "--name", "Ada")
    assert ran.status == 1
    assert "No step is known to be right" in ran.err
    for arguments in (("--certificate", path), ("--name", "Ada")):
        assert course("export", *arguments).status == 2
    finish(get_step(1))
    ran = course("export", "--certificate", "/proc/mine.html", "--name", "Ada")
    assert ran.status == 1
    assert "cannot be written" in ran.err
    assert not path.exists()


def test_reset_all(reader, course):
    """Every step is a skeleton again, and what the reader wrote is kept."""
    finish(get_step(1))
    get_step(2).skeleton.unlink()
    ran = course("reset", "--all")
    assert ran.status == 0
    for part in (part for step in ALL_STEPS for part in step.parts):
        assert part.skeleton.read_text() == make_skeleton(part)
    [copy] = reader.glob("*.bak")
    assert copy.read_text() == finished(get_step(1))
    assert course("reset").status == 2
    assert course("reset", 3, "--all").status == 2


def test_at_once(reader):
    """Looking at all the steps imports neither MAX nor what takes long."""
    code = (
        "import sys\n"
        "from rich.console import Console\n"
        "from course.progress.table import print_list\n"
        "print_list(Console())\n"
        "assert not {'max', 'numpy', 'torch'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-P", "-c", code], check=True, env=dict(os.environ))


@pytest.mark.parametrize(
    ("minutes", "words"),
    [
        *((0, "5 minutes"), (33, "35 minutes"), (117, "115 minutes")),
        *((119, "2 hours"), (270, "4.5 hours"), (600, "10 hours")),
    ],
)
def test_in_hours(minutes, words):
    assert table.in_hours(minutes) == words


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)
def test_minutes(step):
    """The estimate is what it says it is, give or take a third."""
    text = (ROOT / "book" / "src" / f"{step.module}.md").read_text()
    words = len(re.sub(r"\{\{.*?\}\}", "", text).split())
    todos = sum(len(read_tasks(part).todos) for part in step.parts)
    estimate = words / 180 + 3 * todos
    assert 2 / 3 * estimate <= step.minutes <= 3 / 2 * estimate


def test_agents(course):
    """What assistants are told to run exists, and they are told what not to open."""
    text = (ROOT / "AGENTS.md").read_text()
    commands = re.findall(r"`?course ([a-z]+)( 7)?( --[a-z]+)?( 2| 3)?", text)
    assert {"list", "check", "hint", "export", "reset"} <= {c[0] for c in commands}
    for command, _, option, _ in commands:
        shown = course(command, "--help").out
        assert option.strip() in shown
    for path in re.findall(r"`([a-z_/0-9]+/[a-z_0-9./]*)`", text):
        assert (ROOT / path).exists(), path
    assert "Do not open `solutions/`" in text
