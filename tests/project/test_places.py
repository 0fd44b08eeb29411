"""Folders, files and environments that a user may have around the course."""

import io
import json
import os
import shutil
import stat
import subprocess
import sys
import tokenize

import pytest

from course.check.loading import load_step
from course.open_todos import open_todos
from course.skeleton import make_skeleton
from course.source import NotPythonText, StepCannotLoad, lines_of, read_source
from course.steps import ROOT, STEPS, get_step
from tests.project.finished import finish

RIGHT = (ROOT / "solutions" / "solution_03.py").read_text()
LAUNCHER = "course/process/launcher.py"
CHILD = [
    sys.executable,
    "-P",
    str(ROOT / LAUNCHER),
    "course",
]

READABLE = {
    "mark": b"\xef\xbb\xbf" + RIGHT.encode(),
    "CRLF": RIGHT.replace("\n", "\r\n").encode(),
    "CR": RIGHT.replace("\n", "\r").encode(),
    "mixed": RIGHT.replace("\n", "\r\n", 9).encode(),
    "form feed": RIGHT.replace("\nclass", "\n\x0c\nclass").encode(),
    "no newline at the end": RIGHT.rstrip().encode(),
    "latin-1": b"# -*- coding: latin-1 -*-\n# \xe9\n" + RIGHT.encode(),
    "cp1252": b"#!/usr/bin/python\n# vim: fileencoding=cp1252\n# \x80" + RIGHT.encode(),
    "mark and cookie": b"\xef\xbb\xbf# coding: utf-8\n" + RIGHT.encode(),
    "shift_jis": "# coding: shift_jis\n# 日本\n".encode("shift_jis") + RIGHT.encode(),
}


@pytest.mark.parametrize("name", READABLE)
def test_readable(name, tmp_path):
    """What Python can read, the course can: text and line numbers are Python's."""
    path = tmp_path / "step_03.py"
    path.write_bytes(READABLE[name])
    with tokenize.open(path) as file:
        expected = file.read()
    assert read_source(path) == expected
    assert load_step(get_step(3), path).LayerNorm
    [number] = [
        number
        for number, line in enumerate(lines_of(read_source(path)), 1)
        if line.startswith("class ")
    ]
    code = compile(path.read_bytes(), path, "exec")
    [kind] = [c for c in code.co_consts if getattr(c, "co_name", "") == "LayerNorm"]
    assert kind.co_firstlineno == number


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_todos_are_found(end, mark, tmp_path):
    """Open TODOs of a skeleton, whatever editor saved it."""
    path = tmp_path / "step_03.py"
    skeleton = make_skeleton(get_step(3))
    path.write_bytes(mark + skeleton.replace("\n", end).encode())
    expected = open_todos(get_step(3), skeleton)
    assert open_todos(get_step(3), read_source(path)) == expected


UNREADABLE = {
    "null": (b"x = 1\n\0", "holds a null byte, in line 2"),
    "UTF-16": ("x = 1\n".encode("utf-16"), "is not UTF-8 text: byte 0"),
    "latin-1": (b"\n\nx = '\xe9'\n", "is not UTF-8 text: byte 7"),
    "unknown": (b"# coding: no-such\n", "names an encoding that cannot be used"),
    "no text": (b"# coding: rot13\n", "names an encoding that cannot be used"),
    "never": (b"# coding: undefined\n", "names an encoding that cannot be used"),
    "two": (b"\xef\xbb\xbf# coding: latin-1\n", "names an encoding that cannot"),
    "not so": (b"# coding: ascii\n\n# \xe9", "is not ascii text"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable(name, tmp_path):
    """What Python cannot read is refused in one sentence."""
    content, expected = UNREADABLE[name]
    path = tmp_path / "step_03.py"
    path.write_bytes(content)
    with pytest.raises((SyntaxError, ValueError)):
        compile(content, path, "exec")
    with pytest.raises(NotPythonText, match=expected):
        read_source(path)
    with pytest.raises(StepCannotLoad, match=f"{expected}.*course reset 3"):
        load_step(get_step(3), path)


@pytest.mark.parametrize("depth", [5_000, 100_000])
def test_nested_too_deeply(depth, tmp_path):
    """Parentheses without end are refused, too."""
    path = tmp_path / "step_03.py"
    path.write_text("x = " + "-" * depth + "1\n" + "y = " + "(" * depth + ")" * depth)
    with pytest.raises(StepCannotLoad):
        load_step(get_step(3), path)


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "device"])
def test_not_a_file(kind, tmp_path):
    """Reading a pipe would never end."""
    path = tmp_path / "step_03.py"
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "link":
            path.symlink_to("user@host.1234:5678")
        case "device":
            path.symlink_to("/dev/zero")
    with pytest.raises(StepCannotLoad, match=r"step_03.py (is missing|cannot be read)"):
        load_step(get_step(3), path)


# What editors, systems and readers leave beside the steps.
LITTER = ("step_05.py~", "#step_05.py#", ".step_05.py.swp", "random.py", "types.py")


@pytest.fixture
def littered(tmp_path):
    """A folder of finished steps with all that may lie beside them."""
    finish(tmp_path, STEPS)
    for name in (*LITTER, "numpy.py", "conftest.py", "sitecustomize.py", "torch.py"):
        (tmp_path / name).write_text("raise RuntimeError('a trap')\n")
    (tmp_path / ".#step_05.py").symlink_to("user@host.1234:5678")
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "max").mkdir()
    (tmp_path / "max" / "__init__.py").write_text("raise RuntimeError('a trap')\n")
    (tmp_path / "bytes.py").write_bytes(b"\xff\0")
    os.mkfifo(tmp_path / "pipe.py")
    return tmp_path


def test_litter(littered, course):
    """What lies beside the steps changes nothing, also in the current folder."""
    options = {"COURSE_STEPS_DIR": str(littered), "cwd": littered}
    assert course("check", 3, **options).status == 0
    assert "all its hints" in course("hint", 3, **options).out
    options_of_text = ("--greedy", "--max-new-tokens", 4)
    ran = course("generate", "The", "--code", "steps", *options_of_text, **options)
    assert ran.status == 0, ran.err
    assert ran.out == course("generate", "The", *options_of_text).out


def test_digest_is_of_the_steps(littered, monkeypatch):
    """A graph is kept for the text of the steps, and for nothing else."""
    from course.model import modules

    monkeypatch.setenv("COURSE_STEPS_DIR", str(littered))
    monkeypatch.setattr(sys, "path", sys.path[:])
    finders = [f for f in sys.meta_path if type(f).__module__ != "course.siblings"]
    monkeypatch.setattr(sys, "meta_path", finders)
    for step in STEPS:
        sys.modules.pop(step.module, None)
    read = modules.load_code("steps")
    before = read.digest
    (littered / "other.py").write_text("x = 1")
    assert read.digest == before
    (littered / "step_07.py").write_text("# changed\n")
    assert read.digest != before
    for step in STEPS:
        sys.modules.pop(step.module, None)


def test_a_relative_folder_of_steps(littered, course):
    """COURSE_STEPS_DIR is seen from where the command was typed."""
    place = {"COURSE_STEPS_DIR": littered.name, "cwd": littered.parent}
    (littered / "step_03.py").write_text(make_skeleton(get_step(3)))
    ran = course("check", 3, "--json", **place)
    assert "not done yet" in json.loads(ran.out)["checks"][0]["message"]
    assert course("check", 4, **place).status == 0
    ran = course("generate", "The", "--code", "steps", **place)
    assert f"{littered.name}/step_03.py is not done yet" in ran.err


@pytest.mark.parametrize("broken", ["", "\0", "folder", "pipe"])
def test_steps_that_cannot_be_read(littered, course, broken):
    """`--code steps` says which file it is, before anything starts."""
    path = littered / "step_05.py"
    path.unlink()
    if broken == "folder":
        path.mkdir()
    elif broken == "pipe":
        os.mkfifo(path)
    else:
        path.write_text(broken)
    folder = {"COURSE_STEPS_DIR": str(littered)}
    ran = course("generate", "The", "--code", "steps", **folder)
    assert ran.status == 1
    assert "step_05.py" in ran.err
    assert "reset 5" in ran.err or "cannot be read" in ran.err


TRAPS = (
    *("random", "types", "enum", "signal", "numpy", "rich", "pytest", "torch"),
    *("test_x", "conftest", "sitecustomize", "usercustomize"),
)


def lay_traps(folder):
    """Put files around that break what takes them for Python's modules."""
    for name in TRAPS:
        (folder / f"{name}.py").write_text(f"raise RuntimeError('trap {name}')\n")
    (folder / "transformers").mkdir()
    (folder / "transformers" / "__init__.py").write_text("raise RuntimeError()\n")
    (folder / "pytest.ini").write_text("[pytest]\naddopts = --no-such-option\n")
    (folder / ".env").write_text("PYTHONPATH=.\n")


@pytest.fixture(scope="module")
def odd_copy(tmp_path_factory):
    """A copy of the project in a folder with an odd name, with traps in it."""
    root = tmp_path_factory.mktemp("odd") / "a:b [c] 'd' é #%20 $HOME ::e"
    kept = shutil.ignore_patterns(
        *("__pycache__", ".git", ".venv", "book", "*.egg-info", ".*_cache")
    )
    shutil.copytree(ROOT, root, ignore=kept)
    shutil.copytree(ROOT / "book", root / "book", ignore=shutil.ignore_patterns("book"))
    lay_traps(root)
    return root


def in_copy(root, *arguments, **environment):
    """Run the copy's `course`, in its folder."""
    ran = subprocess.run(
        [
            sys.executable,
            "-P",
            str(root / LAUNCHER),
            "course",
            *arguments,
        ],
        cwd=root,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in ran.stdout, ran.stdout
    return ran


def test_the_copy_checks_itself(odd_copy):
    """Right and not done, named as from the project's folder."""
    ran = in_copy(odd_copy, "check", "3", "--solutions", PYTEST_ADDOPTS="--no-such")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    (odd_copy / "steps" / "step_03.py").write_text("from step_01 import missing\n")
    ran = in_copy(odd_copy, "check", "3", "--json")
    answer = json.loads(ran.stdout)
    assert "cannot import name 'missing'" in answer["checks"][0]["message"]
    assert str(odd_copy) not in answer["checks"][0]["message"].replace(
        f"({odd_copy}/solutions/solution_01.py)", ""
    )


def test_the_copy_writes(odd_copy):
    """The model beside it is read, and its kernels are compiled."""
    options = ("--max-new-tokens", "3", "--greedy", "--json")
    ran = in_copy(odd_copy, "generate", "The", *options)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["text"]


def test_the_copy_has_a_book(odd_copy):
    """MdBook builds it there."""
    ran = in_copy(odd_copy, "book", "--build")
    assert ran.returncode == 0, ran.stderr
    assert (odd_copy / "book" / "book" / "index.html").exists()


@pytest.mark.parametrize("start", [[str(sys.executable), "-m", "course"], CHILD])
def test_traps_where_the_command_is_typed(start, tmp_path):
    """Files called like modules, around a check."""
    lay_traps(tmp_path)
    (tmp_path / "max").mkdir()
    (tmp_path / "max" / "__init__.py").write_text("raise RuntimeError('a trap')\n")
    if start[1] == "-m":
        # Python itself imports these before it comes to the course.
        for name in ("types", "enum"):
            (tmp_path / f"{name}.py").unlink()
    surroundings = {
        "PYTHONSTARTUP": str(tmp_path / "random.py"),
        "PYTEST_ADDOPTS": "--no-such-option",
        "PYTEST_PLUGINS": "no_such_plugin",
    }
    ran = subprocess.run(
        [*start, "check", "3", "--solutions"],
        cwd=tmp_path,
        env={**os.environ, **surroundings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


@pytest.mark.parametrize(
    "surroundings",
    [{"PYTHONOPTIMIZE": "2"}, {"PYTHONWARNINGS": "error"}, {"PYTHONSAFEPATH": "1"}],
    ids=str,
)
def test_settings_of_python(course, surroundings):
    """Whatever Python is told, a check is the same."""
    ran = course("check", 3, "--solutions", "--json", **surroundings)
    assert ran.status == 0, ran.both
    assert ran.out == course("check", 3, "--solutions", "--json").out


MAX_IN_THE_PARENT = """
import os, subprocess
import course
from course.process.launcher import command, environment
from max.driver import CPU
from course.warm import KERNELS
next(kernel for kernel in KERNELS if kernel.name == "divide").run(CPU())
ran = subprocess.run(
    command("json.tool", "--help"), env=environment(), capture_output=True
)
assert ran.returncode == 0, ran.stderr
changed = {"PYTHONEXECUTABLE", "PYTHONPATH"} & environment().keys()
assert changed == {"PYTHONPATH"} & os.environ.keys(), changed
"""


def test_children_do_not_inherit_what_max_sets():
    """MAX changes variables of the C library, which are not for other processes."""
    ran = subprocess.run(
        [sys.executable, "-c", MAX_IN_THE_PARENT],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr


def test_pythonpath_is_blamed_and_not_the_step(tmp_path):
    """Where the process that checks cannot start, no step is at fault."""
    (tmp_path / "pytest.py").write_text("raise RuntimeError('a trap')\n")
    ran = subprocess.run(
        [*CHILD, "check", "3", "--solutions"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 1
    assert "cannot start" in ran.stderr
    assert f"PYTHONPATH is {tmp_path}" in ran.stderr
    assert "solution_03" not in ran.stderr + ran.stdout


def test_reset(littered, course):
    """Two resets keep the reader's version; what cannot be written is said."""
    folder = {"COURSE_STEPS_DIR": str(littered)}
    (littered / "step_03.py").write_bytes(b"\xef\xbb\xbfmine\r\n")
    for _ in range(2):
        assert course("reset", 3, **folder).status == 0
    assert (littered / "step_03.py.bak").read_bytes() == b"\xef\xbb\xbfmine\r\n"
    (littered / "step_04.py").unlink()
    (littered / "step_04.py").mkdir()
    ran = course("reset", 4, **folder)
    assert ran.status == 1
    assert "step_04.py: Is a directory" in ran.err


def test_read_source_is_what_python_reads():
    """Every Python file of the course reads as `tokenize` reads it."""
    for path in (ROOT / "course").rglob("*.py"):
        assert stat.S_ISREG(path.stat().st_mode)
        encoding, _ = tokenize.detect_encoding(io.BytesIO(path.read_bytes()).readline)
        assert read_source(path) == path.read_text(encoding=encoding)
