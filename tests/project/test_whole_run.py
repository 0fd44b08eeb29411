"""What `make test` does not run is said, and is what `make test-all` runs."""

import os
import re
import subprocess
import sys

import pytest

from course.steps import ROOT, STEPS
from tests.project.browser import NO_BROWSER
from tests.project.mutants.mechanical import mechanical
from tests.project.mutants.portions import Portion
from tests.project.whole_run import (
    BY_CASE,
    FIRST,
    SERVED,
    THOROUGH,
    group_of,
    processes,
)


@pytest.mark.skipif(sys.platform == "darwin", reason="a Mac's browser is on no path")
@pytest.mark.thorough
@pytest.mark.parametrize("options", [(), ("--thorough",)])
def test_what_did_not_run_is_said(tmp_path, options):
    """Where there is no browser: how many tests, why, and what makes them run."""
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--solutions", "-p", "no:cacheprovider"),
            *("-n", "1", *options),
            *("tests/project/test_book_browser.py", "-k", "test_page_loads_and_fits"),
        ],
        cwd=ROOT,
        env={**os.environ, "PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    *_, section, last = re.split(r"^=+ (?:not run =+)?", ran.stdout, flags=re.M)
    found = re.findall(r"^ *(\d+)  (.*)$", section, flags=re.M)
    counts = {reason: int(count) for count, reason in found}
    assert counts.keys() == ({NO_BROWSER} if options else {NO_BROWSER, THOROUGH})
    assert f" {sum(counts.values())} skipped" in f" {last}"


def test_portions():
    """The sample and the rest are everything, and nothing is in both."""
    for step in STEPS[:3]:
        mutants = mechanical(step)
        parts = [Portion(step, rest).of(mutants, every=4) for rest in (False, True)]
        assert len(parts[0]) < len(parts[1])
        assert sorted(m.name for p in parts for m in p) == sorted(
            m.name for m in mutants
        )


def test_processes(monkeypatch):
    """As many as there are cores and memory for, and at least one."""
    for cores, free, expected in (
        (2, 10**11, 2),
        (8, 10**10, 2),
        (4, 10**9, 1),
        (3, None, 3),
    ):
        monkeypatch.setattr("tests.project.whole_run.usable_cores", lambda n=cores: n)
        monkeypatch.setattr("tests.project.whole_run.free_memory", lambda n=free: n)
        assert processes() == expected


def test_groups():
    """Which tests stay in one process."""
    for nodeid, group in {
        "tests/project/test_serve_page.py::test_new_text": "served",
        "tests/project/test_hints.py::test_x[a::b[c]": "test_hints",
        "tests/test_step_03.py::TestLayerNorm::test_same[wide]": "test_step_03",
        "tests/project/test_numbers.py::test_numbers[step_15]": "test_numbers",
        "tests/project/test_numbers.py::test_report[step_17]": "test_step_17",
        "tests/project/test_mutants.py::test_enough": "test_mutants",
        "tests/project/test_slips.py::test_x[step_07, the rest]": (
            "test_slips[step_07, the rest]"
        ),
    }.items():
        assert group_of(nodeid) == group
    files = {path.stem for path in ROOT.glob("tests/**/test_*.py")}
    assert {*SERVED, *BY_CASE, *FIRST} <= {*files, "served"}
