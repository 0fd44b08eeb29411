"""`course watch`, driven in a real terminal as a reader drives it."""

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pexpect
import pytest

from course.skeleton import make_skeleton
from course.steps import ROOT, STEPS

CLEAR = "\x1b[H\x1b[2J"
COMMAND = f"{sys.executable} -m course watch"


def solution(number):
    """A step, finished."""
    path = ROOT / "solutions" / f"solution_{number:02d}.py"
    return path.read_text().replace("from solution_", "from step_")


WRONG = solution(3).replace("gamma=self.weight", "gamma=self.weight * 2")
RIGHT = "step 03 is right"
NEXT = "step 04 · .*not done yet"
BEYOND = str(len(STEPS) + 1)
ALL = f"of {len(STEPS)}"


class Reader:
    """Somebody with an editor and a terminal."""

    def __init__(self, steps):
        self.steps = steps
        self.terminal = None
        self.text = ""

    def watch(self, *arguments, command=COMMAND, dimensions=(45, 100), **environment):
        """Open a terminal and start watching."""
        command = " ".join([command, *arguments])
        environment = {
            "COURSE_STEPS_DIR": str(self.steps),
            "COURSE_TIME_LIMIT": "4",
            "TERM": "xterm",
            **environment,
        }
        kept = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "LINES"}}
        self.text = ""
        self.terminal = pexpect.spawn(
            "bash",
            ["--norc", "-ic", f"stty -g; {command}; echo status=$?; stty -g"],
            dimensions=dimensions,
            encoding="utf-8",
            env={**kept, **environment},
            cwd=ROOT,
        )
        return self

    def path(self, number):
        return self.steps / f"step_{number:02d}.py"

    def save(self, number, text):
        self.path(number).write_text(text)

    def press(self, keys):
        self.terminal.send(keys)

    def screen(self, wait=0.0):
        """What the screen shows now, without colours."""
        end = time.monotonic() + wait
        while True:
            try:
                self.text += self.terminal.read_nonblocking(65_536, 0.05)
            except pexpect.TIMEOUT:
                if time.monotonic() > end:
                    break
            except pexpect.EOF:
                break
        frame = self.text.rpartition(CLEAR)[2].replace("\r", "")
        return re.sub(r"\x1b\[[0-9;]*m|\x1b\(B", "", frame)

    def see(self, *patterns, within=60.0):
        """Wait until the screen shows all of these."""
        end = time.monotonic() + within
        while True:
            screen = self.screen()
            if all(re.search(p, screen, re.DOTALL | re.I) for p in patterns):
                return screen
            assert time.monotonic() < end, f"no {patterns} in:\n{screen}"
            assert "Traceback" not in screen, screen

    def quit(self, keys="q", status=0):
        """Leave, and see that the terminal is as it was."""
        self.press(keys)
        self.see(f"status={status}\n.*:")
        settings = re.findall(r"^[0-9a-f:]{60,}", self.text, re.MULTILINE)
        assert len(settings) == 2
        assert settings[0] == settings[1]


@pytest.fixture
def reader():
    """A reader with the skeletons, who has done nothing yet."""
    folder = Path(tempfile.mkdtemp())  # A short path: it is shown on the screen.
    steps = folder / "steps"
    steps.mkdir()
    for step in STEPS:
        (steps / f"{step.module}.py").write_text(make_skeleton(step))
    reader = Reader(steps)
    yield reader
    if reader.terminal is not None:
        reader.terminal.close(force=True)
    shutil.rmtree(folder)


@pytest.fixture
def at_step_3(reader):
    """A reader who has done two steps, watching."""
    for number in (1, 2):
        reader.save(number, solution(number))
    reader.watch().see(f"2 {ALL}", r"step 03 ·", "not done yet")
    return reader


def test_from_the_first_step_to_the_third(reader, course):
    """Every save is checked, and a right step leads to the next one."""
    reader.watch().see(f"0 {ALL}", "Step 01 · ", "line 14 Import dataclass", "q.quit")
    reader.save(1, solution(1))
    reader.see(f"1 {ALL}", "✓ Step 01 is right", r"Step 02 · .*next: line")
    reader.save(2, solution(2))
    reader.see(f"2 {ALL}", "✓ Step 02 is right", r"Step 03 · .*next: line")
    reader.save(3, WRONG)
    screen = reader.see("✗ same numbers", f"2 {ALL}", r"checked in\s+\d")
    assert "is right" not in screen
    reader.save(3, solution(3))
    reader.see("✓✓✓▸", f"3 {ALL}", "✓ Step 03 is right", NEXT)
    reader.quit()
    # What it has found right, `course list` knows.
    shown = course("list", COURSE_STEPS_DIR=str(reader.steps)).out
    assert f"3 {ALL}" in shown


def test_the_keys(at_step_3):
    """Hints level by level, the diff, the chapter, steps back and forth."""
    reader = at_step_3
    reader.see("Next: h for a hint · chapter 03")
    reader.press("h")
    first = reader.see("press h again")
    reader.press("h")
    assert len(reader.see("In the examples", "press h again")) > len(first)
    reader.press("h")
    assert "Press h again" not in reader.see("import functional as F")
    reader.press("d")
    diff = reader.see(r"\n\+from max.experimental import functional as F")
    assert "Layer normalization\n-" not in diff  # The docstring is no difference.
    assert "-from step_" not in diff
    reader.press("c")
    reader.see(r"chapter 03: .*/step_03\.(html|md)")
    reader.press("?")
    reader.see("d your file beside the solution")
    reader.press("\x1b[A")  # An arrow is none of the keys.
    reader.press("p")
    assert "beside" not in reader.see("step 02 · ", "all its checks|right. next")
    reader.press("nn")
    reader.see("step 04 · ", "not done yet")
    reader.press("p")
    before = reader.see("step 03 · ")
    reader.press("r")
    assert reader.see(r"checked in") != before


def test_the_hint_goes_when_its_todo_is_done(at_step_3):
    """A hint is about the next TODO; with another TODO it starts again."""
    reader = at_step_3
    reader.press("hh")
    reader.see("press h again")
    lines = make_skeleton(STEPS[2]).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("# TODO"))
    reader.save(3, "\n".join(lines) + "\n# a remark\n")
    reader.see("checked in", "press h again")
    lines[first] = "from max.experimental import functional as F"
    reader.save(3, "\n".join(lines))
    screen = reader.see(r"next: line \d+ +(?!Import functional)")
    assert "Press h again" not in screen


def test_another_step_is_saved(at_step_3):
    """The step that is saved is the one that is shown."""
    at_step_3.save(5, make_skeleton(STEPS[4]) + "\n")
    at_step_3.see("step 05 · ", "not done yet")
    at_step_3.save(1, "x = 1\n")
    at_step_3.see("step 01 · ", "defines no `GPT2Config`", f"1 {ALL}")
    at_step_3.save(1, solution(1))
    at_step_3.see("step 01 is right", f"2 {ALL}", "step 03 · ")


def test_endless_loop(at_step_3):
    """It is stopped and explained; the next save is checked as ever."""
    at_step_3.save(3, "while True: pass\n" + solution(3))
    at_step_3.see("still running after 4 seconds", "1 │ while True: pass")
    at_step_3.save(3, solution(3))
    at_step_3.see(RIGHT, NEXT)


def test_endless_loop_is_given_up_for_the_next_save(at_step_3):
    """The reader who has mended the loop need not wait for its time limit."""
    at_step_3.quit()
    at_step_3.watch(COURSE_TIME_LIMIT="300").see("step 03 · ", "not done yet")
    at_step_3.save(3, "while True: pass\n" + solution(3))
    at_step_3.see("running your code")
    at_step_3.save(3, solution(3))
    at_step_3.see(RIGHT, NEXT)


@pytest.mark.sample(3)
@pytest.mark.parametrize(
    ("crash", "expected"),
    [
        ("import os; os._exit(0)\n", r"os\._exit"),
        ("import ctypes; ctypes.string_at(0)\n", "SIGSEGV"),
        ("import os; os.kill(os.getpid(), 9)\n", "killed"),
    ],
)
def test_crash(at_step_3, crash, expected):
    """A crash is explained, and the next save is checked as ever."""
    at_step_3.save(3, crash + solution(3))
    at_step_3.see(expected)
    at_step_3.save(3, solution(3))
    at_step_3.see(RIGHT, NEXT)


def test_nothing_leaks_into_the_next_check(at_step_3):
    """What one version of the file did to its process is gone with the next."""
    spoil = """
import sys, threading, time
from max.experimental import functional
functional.layer_norm = sys.modules["solution_01"] = None
threading.Thread(target=time.sleep, args=(60,)).start()
"""
    at_step_3.save(3, solution(3) + spoil)
    at_step_3.see("Error")
    at_step_3.save(3, solution(3))
    at_step_3.see(RIGHT, NEXT)


def test_deleted_renamed_and_made_again(at_step_3):
    """A missing file is a sentence, and no end."""
    reader = at_step_3
    path = reader.path(3)
    path.unlink()
    reader.see("step_03.py is missing", "course reset 3")
    reader.save(3, WRONG)
    reader.see("✗ same numbers")
    path.rename(path.with_suffix(".bak"))
    reader.see("step_03.py is missing")
    # Most editors write another file and rename it.
    path.with_suffix(".tmp").write_text(WRONG)
    path.with_suffix(".tmp").replace(path)
    reader.see("✗ same numbers")
    shutil.move(reader.steps, reader.steps.with_name("away"))
    reader.see("step_03.py is missing")
    shutil.move(reader.steps.with_name("away"), reader.steps)
    reader.see("✗ same numbers")
    path.with_suffix(".tmp").write_text(solution(3))
    path.with_suffix(".tmp").replace(path)
    reader.see(RIGHT, NEXT)


def test_no_steps_at_all(reader):
    """A folder that is missing may come later."""
    away = reader.steps.rename(reader.steps.with_name("away"))
    reader.watch().see("step_01.py is missing", "course reset 1")
    away.rename(reader.steps)
    reader.see("not done yet")


def test_half_written(at_step_3):
    """Half a file is reported, and forgotten when the rest comes."""
    at_step_3.save(3, solution(3)[:-20])
    at_step_3.see("step 03 · .*✗")
    at_step_3.save(3, "def f(:\n")
    at_step_3.see("not valid Python: invalid syntax, line 1")
    at_step_3.save(3, solution(3))
    at_step_3.see(RIGHT, NEXT)


def test_two_saves_in_a_row(at_step_3):
    """The last save is what counts, whenever the one before it came."""
    for pause in (0.0, 0.05, 0.2):
        for last, other, expected in (
            (WRONG, solution(3) + "\nx = undefined\n", "✗ same numbers"),
            (solution(3) + "\nx = undefined\n", WRONG, "✗ .*NameError"),
        ):
            at_step_3.save(3, other)
            time.sleep(pause)
            at_step_3.save(3, last)
            at_step_3.see(expected, "watching")
            assert re.search(expected, at_step_3.screen(wait=0.5), re.DOTALL)


def test_a_narrow_terminal_and_no_colour(at_step_3):
    """The screen is drawn anew for another size; nothing is wider than it."""
    at_step_3.terminal.setwinsize(30, 40)
    screen = at_step_3.screen(wait=1.0)
    assert max(len(line.rstrip()) for line in screen.splitlines()) <= 40
    assert "quit" in screen.splitlines()[-1]
    at_step_3.press("d")
    screen = at_step_3.see(r"\+from")
    assert max(len(line.rstrip()) for line in screen.splitlines()) <= 40
    at_step_3.quit()
    at_step_3.watch(NO_COLOR="1").see("step 03 · ", "not done yet")
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]", at_step_3.text.split("status=")[-1])


@pytest.mark.sample(2)
@pytest.mark.parametrize(("key", "status"), [("q", 0), ("\x03", 130)])
def test_leaving(reader, key, status):
    """Whichever way the reader leaves, the terminal is as it was."""
    reader.watch("7").see("Step 07 · ", "not done yet", "quit")
    reader.quit(key, status)
    assert "Traceback" not in reader.text


def test_terminated(reader):
    """A signal ends it with the terminal as it was, and no process left behind."""
    reader.watch().see("not done yet")
    find = ["ps", "-eo", "pid,ppid,args"]
    rows = [line.split(None, 2) for line in subprocess.check_output(find).splitlines()]
    parents = {int(row[0]): int(row[1]) for row in rows[1:]}
    [watching] = [
        pid for pid, parent in parents.items() if parent == reader.terminal.pid
    ]
    workers = [pid for pid, parent in parents.items() if parent == watching]
    assert workers
    os.kill(watching, signal.SIGTERM)
    reader.quit("", 143)
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)


def test_stopped_and_continued(reader):
    """Ctrl-Z gives the shell its terminal, and fg goes on."""
    reader.watch(command="bash --norc -i")
    reader.press(f"{COMMAND}\n")
    reader.see("not done yet")
    reader.press("\x1a")
    reader.see("Stopped")
    reader.press("stty -a; fg\n")
    reader.see("not done yet.*quit")
    reader.save(1, solution(1))
    reader.see("step 01 is right")
    assert " icanon" in reader.text
    reader.press("q")
    reader.quit("exit\n")


@pytest.mark.sample(2)
@pytest.mark.parametrize("arguments", [(), ("2", "--plain")])
def test_not_a_terminal(reader, tmp_path, arguments):
    """In a pipe, reports follow each other until a signal."""
    output = tmp_path / "output"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "course", "watch", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            env={**os.environ, "COURSE_STEPS_DIR": str(reader.steps)},
            cwd=ROOT,
        )

    def read_until(expected):
        end = time.monotonic() + 30
        while not re.search(expected, output.read_text(), re.DOTALL):
            assert time.monotonic() < end, output.read_text()
            time.sleep(0.1)

    number = int(arguments[0]) if arguments else 1
    read_until(f"no terminal.*Step 0{number} · .*not done yet")
    reader.save(number, solution(number))
    read_until(f"Step 0{number} is right.*Step 0{number + 1} · .*1 {ALL}")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130
    text = output.read_text()
    assert "\x1b" not in text
    assert "Traceback" not in text


@pytest.mark.parametrize("arguments", [("0",), (BEYOND,), ("1", "--device", "tpu")])
def test_misuse(course, arguments):
    """Misuse has the exit status 2 and says what would be right."""
    ran = course("watch", *arguments)
    assert ran.status == 2
    assert ran.err
