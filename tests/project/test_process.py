"""Whatever ends a process of the course ends all that it has started."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from course.process.child import Child
from course.process.launcher import environment
from course.process.server import ServerProcess
from course.process.signals import what_ended
from course.steps import ROOT
from tests.project.serving import processes

HERE = environment(PYTHONPATH=str(ROOT))
MODULE = "tests.project.children"

KINDS = ("idle", "busy", "deaf", "locked", "stopped", "gone")


def child(*arguments, **options):
    return Child(MODULE, *arguments, variables=HERE, **options)


def assert_all_have_ended(*groups):
    """Nobody of these process groups is left, or will soon be."""
    end = time.monotonic() + 10
    while left := [each for each in processes() if each[2] in groups]:
        assert time.monotonic() < end, f"left behind: {left}"
        time.sleep(0.01)


def test_messages_go_both_ways():
    """Lines of JSON, whatever is printed, however long they are."""
    with child("echo") as echo:
        said = echo.messages()
        for message in ({"a": [1, "é\n"]}, ["x" * 200_000], 3):
            echo.send(message)
            assert next(said) == {"echo": message}
        assert echo.status is None
        assert echo.finish() == 0
        assert echo.log() == "printed\n"


def test_only_the_end_of_what_it_prints_is_kept():
    """A child that prints very much fills no memory, and is not held up."""
    with child("prints") as printing:
        assert printing.wait() == 0
        assert len(printing.log()) == 20_000
        assert printing.last_line() == "the end"


def test_how_it_ended():
    """Its exit status, or the signal; messages to it are then lost without a word."""
    with child("leave") as ended:
        assert ended.wait() == 7
        ended.send("more")
        assert list(ended.messages()) == []
    with child("idle") as killed:
        next(killed.messages())
        killed.signal(signal.SIGILL)
        assert "SIGILL" in what_ended(killed.wait())


def test_a_module_that_is_not_there():
    """The child says so itself."""
    with Child("course.nothing") as missing:
        assert missing.wait() == 1
        assert "No module named course.nothing" in missing.last_line()


def test_surroundings():
    """No input, no terminal of its parent's, and only those files that it is given."""
    with open(ROOT / "LICENSE", "rb") as given, open(os.devnull, "rb") as other:
        with child("look", inherits=[given.fileno()]) as looking:
            [seen] = looking.messages()
        assert seen["input"] == ""
        assert seen["session"] == seen["pid"] == seen["group"] == looking.pid
        assert seen["folder"] == str(ROOT)
        assert given.fileno() in seen["files"]
        assert other.fileno() not in seen["files"]


@pytest.mark.parametrize("kind", KINDS)
def test_stopped(kind):
    """`stop` ends it with all that it has started, whatever it does."""
    with child(kind) as stopped:
        next(stopped.messages())
    assert_all_have_ended(stopped.pid)


def test_time_to_end():
    """With some time it ends by itself; when that is over, by force."""
    polite, deaf = child("polite"), child("deaf")
    for each in (polite, deaf):
        next(each.messages())
    polite.stop(grace=10)
    assert polite.status == 5
    deaf.stop(grace=0.1)
    assert deaf.status == -signal.SIGKILL
    assert_all_have_ended(polite.pid, deaf.pid)


@pytest.mark.parametrize(
    ("kind", "ending"),
    [
        *((kind, "SIGKILL") for kind in KINDS),
        *(("deaf", ending) for ending in ("SIGINT", "SIGTERM", "SIGHUP", "exit")),
    ],
)
def test_the_parent_ends(kind, ending):
    """However the parent ends, even without a chance to do anything, so do the rest."""
    command = [sys.executable, "-m", MODULE, "parents", kind, ending]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=HERE, **streams) as parent:
        group = json.loads(parent.stdout.readline())["child"]
        if ending != "exit":
            parent.send_signal(signal.Signals[ending])
        assert parent.wait(10) != 0
    assert_all_have_ended(group)


@pytest.mark.skipif("sys.platform == 'darwin'", reason="needs `waitid`")
@pytest.mark.parametrize(
    ("ending", "status"), [("exit", 7), ("SIGKILL", -signal.SIGKILL)]
)
def test_an_end_that_nobody_notices(ending, status):
    """A process of multiprocessing dies while its parent still writes to it."""
    with child("unread", ending) as stuck:
        assert stuck.hear(30) == [{"ended": status}]
        assert stuck.wait() == 1


def test_a_child_of_a_child():
    """The innermost of three ends with the outermost, though it has its own session."""
    with child("parents", "deaf", "never") as outer:
        inner = next(outer.messages())["child"]
        assert inner in {group for _, _, group in processes()}
        outer.signal(signal.SIGKILL)
        assert_all_have_ended(inner)
    assert_all_have_ended(outer.pid)


def test_a_pool():
    """Its processes end as well when their parent is killed."""
    command = [sys.executable, "-m", MODULE, "pool"]
    with subprocess.Popen(
        command, cwd=ROOT, env=HERE, stdout=subprocess.PIPE, start_new_session=True
    ) as pool:
        worker = json.loads(pool.stdout.readline())["worker"]
        assert worker in {pid for pid, _, _ in processes()}
        pool.kill()
        # Together with the rest of its group, which `multiprocessing` tidies up with.
        assert_all_have_ended(pool.pid)


def test_a_server_that_does_not_start():
    """What it says is the reason."""
    server = ServerProcess("The test", MODULE, "fail", port=1, variables=HERE)
    with pytest.raises(Exception, match=r"The test does not start. .* no luck"):
        server.__enter__()
