"""Every terminal and pipe that a user may have: readable text, and no traceback."""

import json
import os
import subprocess
import sys

import pytest

from course.steps import ROOT
from course.streams import PLAIN
from tests.project.conftest import solution_with

CODE = (sys.executable, "-m", "course")
QUICK = (
    ("hint", "13", "--level", "3"),
    ("hint", "3", "--all"),
    ("--help",),
    ("check", "--help"),
    ("check", "99"),
    ("generate", "hi", "--dtype", "float8"),
    ("serve", "--code", "mine"),
    ("bench", "--serve", "--repeats", "1"),
    ("book", "--build", "--port", "3000"),
    ("watch", "99"),
    ("reset", "99"),
    ("list",),
    ("export",),
)


def run(*arguments, shell="", timeout=300, stdin=subprocess.DEVNULL, **environment):
    """Run `course`, by way of a shell where there is something to redirect."""
    command = [*CODE, *arguments]
    if shell:
        command = ["bash", "-c", f'set -o pipefail; "$@" {shell}', "bash", *command]
    ran = subprocess.run(
        command,
        stdin=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    said = ran.stdout + ran.stderr
    for word in ("Traceback", "Exception ignored"):
        for encoding in ("ascii", "utf-16-le"):
            assert word.encode(encoding) not in said, said.decode(errors="replace")
    return ran


@pytest.mark.sample(3)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16", "utf-8"])
def test_encodings_of_a_check(encoding):
    """A report in any encoding, in the terminal's characters."""
    ran = run("check", "3", "--solutions", PYTHONIOENCODING=encoding)
    text = ran.stdout.decode(encoding)
    assert ran.returncode == 0
    assert "Right. Next: course check 4" in text
    mark = {"utf-16": "✓", "utf-8": "✓"}.get(encoding, PLAIN["✓"])
    assert f"{mark} parameters" in text


@pytest.mark.sample(5)
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-16"])
@pytest.mark.parametrize("arguments", QUICK, ids=" ".join)
def test_encodings_of_commands(encoding, arguments):
    """Help, hints and refusals."""
    ran = run(*arguments, PYTHONIOENCODING=encoding)
    said = [out.decode(encoding) for out in (ran.stdout, ran.stderr)]
    assert any(said)
    assert "\ufffd" not in "".join(said)


LOCALES = {
    "C": {"LANG": "C", "LC_ALL": "C"},
    "ASCII": {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "POSIX": {"LANG": "", "LC_ALL": "POSIX"},
}


@pytest.mark.sample(2)
@pytest.mark.parametrize("name", LOCALES)
def test_generate_in_any_locale(name):
    """A prompt beyond ASCII is read as UTF-8, whatever the locale says."""
    options = ("--max-new-tokens", "3", "--greedy", "--json")
    ran = run("generate", "Le café …", *options, **LOCALES[name])
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["prompt"] == "Le café …"


def test_json_without_characters(tmp_path):
    """JSON stays JSON where the output can only be ASCII."""
    path = solution_with(3, "epsilon=self.eps", "epsilon=self.eps * 1e4", tmp_path)
    ran = run("check", "3", "--file", path, "--json", PYTHONIOENCODING="ascii")
    answer = json.loads(ran.stdout.decode("ascii"))
    utf_8 = run("check", "3", "--file", path, "--json")
    assert answer == json.loads(utf_8.stdout)
    assert not answer["passed"]


BYTES = os.fsdecode(b"caf\xe9")


@pytest.mark.parametrize(
    "arguments",
    [
        ("generate", BYTES),
        ("generate", "hi", "--stop", BYTES),
        ("generate", "hi", "--model", BYTES),
        ("serve", "--model", BYTES),
        ("serve", "--host", BYTES),
    ],
)
def test_bytes_that_are_no_text(arguments):
    """One sentence says what is not text, and which byte."""
    ran = run(*arguments)
    assert ran.returncode == 2
    assert "is not UTF-8 text: byte 0xE9 after “caf”" in ran.stderr.decode()


def test_a_file_whose_name_is_no_text(tmp_path):
    """A file is opened by its bytes, so it can be called anything."""
    path = tmp_path / BYTES
    path.write_text((ROOT / "solutions" / "solution_03.py").read_text())
    assert run("check", "3", "--file", path).returncode == 0
    assert b"all its hints" in run("hint", "3", "--file", path).stdout
    missing = run("check", "3", "--file", tmp_path / (BYTES + "s"))
    assert missing.returncode == 2


@pytest.mark.sample(3)
@pytest.mark.parametrize("arguments", [("--help",), ("hint", "13", "--all")])
@pytest.mark.parametrize(
    "shell", [">&-", "2>&-", "<&-", "<&- >&- 2>&-", "| head -1", "| true", ">/dev/full"]
)
def test_outputs(arguments, shell):
    """Closed, full, or read by nobody."""
    ran = run(*arguments, shell=shell)
    if "full" in shell:
        assert ran.returncode == 1
        assert "No space left on device" in ran.stderr.decode()
    elif "|" not in shell:
        assert ran.returncode == 0, ran.stderr


@pytest.mark.sample(2)
@pytest.mark.parametrize("shell", [">&-", "<&- >&- 2>&-", "| true", ">/dev/full"])
def test_outputs_of_a_check(shell):
    """The pipes to the process that checks are not mixed up with closed ones."""
    ran = run("check", "3", "--solutions", shell=shell)
    if "-" in shell:
        assert ran.returncode == 0, ran.stderr


@pytest.mark.sample(2)
@pytest.mark.parametrize("shell", [">&-", "| head -c 1", ">/dev/full"])
def test_outputs_of_a_text(shell):
    """Text that nobody reads ends the command."""
    run("generate", "The", "--max-new-tokens", "50", shell=shell)


@pytest.mark.sample(4)
@pytest.mark.parametrize("columns", ["1", "20", "0", "-3", "many", ""])
@pytest.mark.parametrize("term", ["dumb", "xterm-256color", ""])
def test_widths(columns, term):
    """However wide the terminal says it is, code is in one piece."""
    ran = run(
        *("hint", "13", "--level", "3", "--all"),
        COLUMNS=columns,
        TERM=term,
        NO_COLOR="1",
    )
    line = 'model.load_state_dict(convert_weights(load_file(folder / "model.safete'
    assert line in ran.stdout.decode()


def test_code_in_hints_is_python(course):
    """Every answer can be copied from a narrow terminal as it stands."""
    from course.skeleton import read_tasks
    from course.steps import STEPS

    for step in STEPS:
        shown = course("hint", step.number, "--level", 3, "--all", COLUMNS="30").out
        lines = [line.rstrip() for line in shown.splitlines()]
        for todo in read_tasks(step).todos:
            answer = [f"    {line}".rstrip() for line in todo.answer.splitlines()]
            starts = [i for i, line in enumerate(lines) if line == answer[0]]
            assert any(lines[i : i + len(answer)] == answer for i in starts), todo.todo


def test_a_table_in_a_narrow_terminal():
    """The table of all steps fits anywhere, too."""
    ran = run("check", "1", "--solutions", COLUMNS="1")
    assert ran.returncode == 0
