"""Parts of a machine: cores, memory, folders that cannot be written, signals."""

import io
import os
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from course import resources, stamps, warm
from course.cache import can_be_written
from course.check.result import StepResult
from course.check.runner import Ended, explain, run_checks
from course.errors import CourseError
from course.process.signals import first_to_end, what_ended
from course.steps import get_step
from tests.project.conftest import solution_with


@pytest.fixture
def group(tmp_path, monkeypatch):
    """A control group of one's own making: files by name."""

    def make(membership, **files):
        (tmp_path / "membership").write_text(membership + "\n")
        monkeypatch.setattr(resources, "CGROUPS", tmp_path)
        monkeypatch.setattr(resources, "MEMBERSHIP", tmp_path / "membership")
        monkeypatch.setattr(os, "cpu_count", lambda: 64)
        affinity = set(range(64))
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: affinity, raising=False)
        meminfo = tmp_path / "meminfo"
        meminfo.write_text("MemTotal: 99 kB\nMemAvailable:  64000000 kB\n")
        monkeypatch.setattr(resources, "MEMORY", meminfo)
        for name, text in files.items():
            path = tmp_path / name.replace("__", "/").replace("_dot_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text + "\n")
        return affinity

    return make


@pytest.mark.parametrize(
    ("membership", "files", "cores"),
    [
        ("0::/", {}, 64),
        ("0::/", {"cpu_dot_max": "max 100000"}, 64),
        ("0::/", {"cpu_dot_max": "200000 100000"}, 2),
        ("0::/a/b", {"a__b__cpu_dot_max": "50000 100000"}, 1),
        ("0::/a/b", {"a__cpu_dot_max": "150000 100000"}, 2),
        ("0::/of/the/host", {"cpu_dot_max": "300000 100000"}, 3),
        (
            "3:cpu,cpuacct:/x",
            {
                "cpu__x__cpu_dot_cfs_quota_us": "400000",
                "cpu__x__cpu_dot_cfs_period_us": "100000",
            },
            4,
        ),
        (
            "3:cpu:/",
            {
                "cpu__cpu_dot_cfs_quota_us": "-1",
                "cpu__cpu_dot_cfs_period_us": "100000",
            },
            64,
        ),
        ("nonsense", {}, 64),
    ],
)
def test_cores(group, membership, files, cores):
    """What a control group allows, of version 1 or 2, here or further up."""
    group(membership, **files)
    assert resources.usable_cores() == cores


def test_cores_of_the_affinity(group):
    """`taskset`, or a container with some of the cores."""
    affinity = group("0::/")
    affinity.intersection_update({3, 5})
    assert resources.usable_cores() == 2


def test_cores_here():
    """On Linux, `taskset` is obeyed."""
    if not hasattr(os, "sched_getaffinity"):
        pytest.skip("this system has no affinity")
    code = "from course.resources import usable_cores; print(usable_cores())"
    one = {min(os.sched_getaffinity(0))}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        preexec_fn=lambda: os.sched_setaffinity(0, one),
        env=dict(os.environ),
        capture_output=True,
        check=True,
    )
    assert int(ran.stdout) == 1


GIB = 2**30


@pytest.mark.parametrize(
    ("membership", "files", "free"),
    [
        ("0::/", {}, 64_000_000 * 1024),
        ("0::/", {"memory_dot_max": "max", "memory_dot_current": "5"}, 65_536_000_000),
        (
            "0::/a",
            {"a__memory_dot_max": str(4 * GIB), "a__memory_dot_current": str(GIB)},
            3 * GIB,
        ),
        (
            "0::/",
            {
                "memory_dot_max": str(4 * GIB),
                "memory_dot_current": str(4 * GIB),
                "memory_dot_stat": f"anon 5\ninactive_file {2 * GIB}",
            },
            2 * GIB,
        ),
        (
            "5:memory:/docker",
            {
                "memory__memory_dot_limit_in_bytes": str(2 * GIB),
                "memory__memory_dot_usage_in_bytes": str(3 * GIB),
            },
            0,
        ),
    ],
)
def test_memory(group, membership, files, free):
    """What is left of the machine's memory, and of the group's."""
    group(membership, **files)
    assert resources.free_memory() == free


@pytest.mark.parametrize(
    ("cores", "free", "processes"),
    [
        (64, None, 64),
        (4, 100 * GIB, 4),
        (64, 5 * GIB, 3),
        (8, GIB, 1),
        (1, 100 * GIB, 1),
        (8, 0, 1),
    ],
)
def test_processes_that_compile(monkeypatch, cores, free, processes):
    """No more than fit into memory, and at least one."""
    monkeypatch.setattr(warm, "usable_cores", lambda: cores)
    monkeypatch.setattr(warm, "free_memory", lambda: free)
    assert warm.processes() == processes


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("SIGKILL", "memory ran out"),
        ("SIGILL", "this processor lacks an instruction"),
        ("SIGBUS", "the disk is full"),
        ("SIGTERM", "somebody ended it"),
        ("SIGSEGV", "it crashed"),
        ("SIGABRT", "it crashed"),
    ],
)
def test_signals(name, said):
    """A process that compiles ends: the sentence says by what."""
    status = -signal.Signals[name]
    assert name in what_ended(status)
    assert said in what_ended(status)


def test_unknown_signal():
    """A signal without a name."""
    assert "signal 63" in what_ended(-63)


def test_the_first_to_end_explains():
    """Not those that were told to end when it did."""
    assert first_to_end([None, -15, -9, -15]) == -9
    assert first_to_end([None, -15]) == -15
    assert first_to_end([0, 1]) == 1
    assert first_to_end([None]) is None


@pytest.mark.parametrize("name", ["SIGILL", "SIGBUS", "SIGKILL", "SIGTERM"])
def test_a_worker_that_is_ended(name, tmp_path):
    """The report says what the signal means, and does not blame the step."""
    stop = f"import os, signal; os.kill(os.getpid(), signal.{name})"
    path = solution_with(
        3, "        return F", f"        {stop}\n        return F", tmp_path
    )
    [result] = [
        event
        for event in run_checks([get_step(3)], file=path)
        if isinstance(event, StepResult)
    ]
    message = result.first_failure.message
    if name == "SIGKILL":
        assert "memory ran out" in message
    else:
        assert f"ended by {name}" in message
        assert "not the fault of the step" in message


ENDING = """
import _pytest.terminal
_pytest.terminal.TerminalReporter.summary_stats = lambda self: os._exit(7)
"""


def test_a_worker_that_ends_after_its_verdict(tmp_path):
    """Nothing is left to explain."""
    path = tmp_path / "step_03.py"
    source = get_step(3).solution.read_text()
    # Ends the process once pytest reports, after the last check.
    path.write_text(f"{source}\nimport sys, os\n{ENDING}")
    results = list(run_checks([get_step(3)], file=path))
    assert [r.passed for r in results if isinstance(r, StepResult)] == [True]


def test_a_compiling_process_that_is_killed(monkeypatch, tmp_path):
    """`course warm` says that memory ran out, and ends."""
    monkeypatch.setenv("MODULAR_DERIVED_PATH", str(tmp_path))
    killed = warm.Kernel("killed", frozenset({3}), lambda device: None)
    monkeypatch.setattr(warm, "_compile", kill_yourself)
    with pytest.raises(CourseError, match=r"SIGKILL: .*memory ran out.*is kept"):
        warm.warm([killed], "cpu", Console(file=io.StringIO()))


def kill_yourself(name, device):
    os.kill(os.getpid(), signal.SIGKILL)


UNWRITABLE = "/proc/no-such-folder"


def test_can_be_written(tmp_path):
    """Asked by writing: root may enter folders that take nothing."""
    assert can_be_written(tmp_path / "new")
    (tmp_path / "file").write_text("")
    for folder in (UNWRITABLE, tmp_path / "file", "/dev/full"):
        assert not can_be_written(type(tmp_path)(folder) / "x")


@pytest.mark.sample(2)
@pytest.mark.parametrize(
    "environment",
    [
        {"HOME": UNWRITABLE, "XDG_CACHE_HOME": UNWRITABLE},
        {"XDG_CACHE_HOME": "/dev/null"},
    ],
    ids=str,
)
def test_nowhere_to_keep_anything(course, environment, tmp_path):
    """What MAX compiles is kept as long as the command runs, and that is said."""
    environment = {**environment, "TMPDIR": str(tmp_path)}
    assert course("hint", 1, **environment).both.count("written") == 0
    ran = course("check", 1, "--solutions", **environment)
    assert ran.status == 0, ran.both
    shown = " ".join(ran.err.split())
    assert "Nothing can be written to" in shown
    assert "Set XDG_CACHE_HOME" in shown
    assert not list(tmp_path.glob("gpt2*"))  # torch leaves a folder.


@pytest.mark.parametrize(("home", "cache"), [(None, "some/folder"), ("", "")])
def test_no_home(tmp_path, home, cache):
    """HOME is looked up where it is not set; no cache is relative, or empty."""
    environment = {k: v for k, v in os.environ.items() if k != "HOME"}
    if home is not None:
        environment["HOME"] = home
    ran = subprocess.run(
        [sys.executable, "-m", "course", "check", "1", "--solutions"],
        env={**environment, "XDG_CACHE_HOME": cache},
        cwd=tmp_path,
        capture_output=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert not list(tmp_path.iterdir())


def test_a_user_without_a_home(monkeypatch, tmp_path):
    """A user whom the system does not know, as in many containers."""
    code = (
        "import os; os.environ.pop('HOME', None); os.setuid(54321)\n"
        "from course.cache import cache_folder, settle\n"
        "settle(); print(cache_folder())"
    )
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    ran = subprocess.run(
        [sys.executable, "-c", f"import course, course.cache\n{code}"],
        env={"PATH": os.environ["PATH"], "TMPDIR": "/tmp"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "54321" in ran.stdout


def test_auto_is_what_it_comes_to(monkeypatch, tmp_path):
    """A stamp is for the device that compiled, not for the word on the command line."""
    monkeypatch.setenv("MODULAR_DERIVED_PATH", str(tmp_path))
    stamps._kind_of_auto.cache_clear()
    from max.driver import accelerator_count

    real = "gpu" if accelerator_count() else "cpu"
    assert stamps.stamp("gelu", "auto") == stamps.stamp("gelu", real)
    [note] = tmp_path.rglob("auto-*")
    # MAX is asked once; other drivers make another machine of it.
    note.write_text("other")
    stamps._kind_of_auto.cache_clear()
    assert stamps.kind("auto") == "other"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7")
    stamps._kind_of_auto.cache_clear()
    assert stamps.kind("auto") == real
    stamps._kind_of_auto.cache_clear()


def test_a_step_that_crashes_is_still_blamed():
    """An index beyond the end is most often the step's own."""
    ended = Ended(
        step=3, name="x", status=-11, frames=[], silent=False, output="", ready=True
    )
    check = explain(get_step(3), ended, get_step(3).skeleton).first_failure
    assert "SIGSEGV" in check.message
    assert "beyond the end" in check.message


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 64 kilobytes, with nothing left."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if os.getuid() != 0 or subprocess.run(mounting, check=False).returncode:
        pytest.skip("only root can make a small disk")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_loses_nothing(small_disk, course):
    """`course reset` changes nothing where it cannot keep a copy."""
    path = small_disk / "step_03.py"
    path.write_text("mine\n" * 9000)
    ran = course("reset", 3, COURSE_STEPS_DIR=str(small_disk))
    assert ran.status == 1
    assert "No space left on device. Nothing was changed." in ran.err
    assert path.read_text() == "mine\n" * 9000
    assert [p.name for p in small_disk.iterdir()] == ["step_03.py"]
