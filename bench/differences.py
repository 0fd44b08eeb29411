"""How far the solutions are from Hugging Face: the largest difference in each step.

Runs the checks on the solutions and looks over their shoulder:

    python bench/differences.py
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

import course  # noqa: F401  sets up MAX's eager mode
from course.check import compare
from course.steps import ROOT, STEPS

RESULT = Path(__file__).parent / "results" / "differences.json"

largest: dict[int, dict[str, float]] = {}
judge = compare.agree


def record(actual, expected, tolerance=compare.TOLERANCE):
    """Judge as ever, and note the difference where the two agree."""
    agrees = judge(actual, expected, tolerance)
    finite = np.isfinite(expected)
    if agrees and finite.any():
        step = int(re.search(r"test_step_(\d\d)", os.environ["PYTEST_CURRENT_TEST"])[1])
        known = largest.setdefault(step, {"difference": 0.0, "largest_number": 0.0})
        right = expected[finite].astype(np.float64)
        difference = float(np.abs(actual[finite].astype(np.float64) - right).max())
        known["difference"] = max(known["difference"], difference)
        known["largest_number"] = max(
            known["largest_number"], float(np.abs(right).max())
        )
    return agrees


def main() -> None:
    """Run the checks, print and keep the differences."""
    compare.agree = record  # Before the checks import it.
    checks = [str(step.check) for step in STEPS]
    status = pytest.main(["-q", "--solutions", f"--rootdir={ROOT}", *checks])
    assert status == 0
    for step, values in sorted(largest.items()):
        print(
            f"step {step:02d}  largest difference {values['difference']:.2e}"
            f"  (numbers up to {values['largest_number']:.2f})"
        )
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(largest, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
