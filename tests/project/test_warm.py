"""Warming: the kernels listed are the kernels that the solutions use."""

import os
import subprocess
import sys

import pytest
from rich.console import Console

from course.check.result import StepResult
from course.check.runner import run_checks
from course.skeleton import make_skeleton
from course.steps import ROOT, STEPS
from course.warm import KERNELS, missing_kernels, warm_answers

USED = """
import course, sys, pytest
import max._eager_policy as policy
used = set()
policy.record_cold_compile = lambda key, seconds, provisioned: used.add(key)
{run}
print("\\n".join(["USED", *sorted(used)]))
"""


def kernels_used(run):
    ran = subprocess.run(
        [sys.executable, "-c", USED.format(run=run)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        # MAX changes the variables of the C library, which children would inherit.
        env=dict(os.environ),
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return set(ran.stdout.split("USED\n")[1].split())


@pytest.mark.sample(9)
@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.module)
def test_warm_covers_the_checks(step):
    """A check of a solution uses just the kernels that are warmed for its step."""
    check = str(step.check)
    used = kernels_used(f"assert pytest.main(['--solutions', {check!r}]) == 0")
    warmed = kernels_used(
        "from max.driver import CPU\nfrom course.warm import KERNELS\n"
        f"[k.run(CPU()) for k in KERNELS if {step.number} in k.steps]"
    )
    assert used == warmed


def test_nothing_missing_after_warming():
    """After the checks of this run, nothing is left to warm for the CPU."""
    assert missing_kernels([step.number for step in STEPS], "no-such-device") == list(
        KERNELS
    )


ANSWERED = {
    *(f"test_step_{number:02d}-hugging_face.npz" for number in range(1, 12)),
    "test_step_12-hugging_face_greedy.npz",
    "test_step_12-hugging_face_ids.npz",
    "test_step_12-hugging_face_probabilities.npz",
}


@pytest.mark.thorough
def test_answers_are_warmed(tmp_path, monkeypatch):
    """After warming, no check has to ask Hugging Face."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    console = Console(record=True)
    warm_answers(STEPS, console)
    assert f"{len(STEPS)}/{len(STEPS)}" in console.export_text()
    [folder] = tmp_path.iterdir()
    assert {path.name for path in folder.iterdir()} >= ANSWERED
    before = {path: path.stat().st_mtime_ns for path in folder.iterdir()}
    warm_answers(STEPS, console)
    assert {path: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_check_leaves_all_its_answers(tmp_path, monkeypatch):
    """Also those of the checks that are not reached, as with a skeleton."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    skeleton = tmp_path / "skeleton.py"
    skeleton.write_text(make_skeleton(STEPS[11]))
    [result] = (
        event
        for event in run_checks([STEPS[11]], file=skeleton)
        if isinstance(event, StepResult)
    )
    assert result.not_done
    [folder] = tmp_path.glob("gpt2*")
    names = {path.name for path in folder.iterdir()}
    assert names == {name for name in ANSWERED if "12" in name}
