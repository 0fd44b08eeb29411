"""Warming: the kernels listed are the kernels that the solutions use."""

import os
import subprocess
import sys

import pytest

from course.steps import ROOT, STEPS
from course.warm import KERNELS, missing_kernels

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
