"""Starts a module of the course in a new process, whatever lies around.

Python looks for modules first in the folder of a script, with `-m` in the current
folder, and then where PYTHONPATH says. A file that lies there and is called like a
module hides it. So this file is run by its path, in safe mode. The project's folder is
searched only where this copy of it is not installed, and then last. (Even so a folder
`max` there would hide MAX, which has no `__init__.py` of its own.)
"""

from __future__ import annotations

import importlib.util
import os
import runpy
import sys

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(PACKAGE)


def command(module: str, *arguments: str) -> list[str]:
    """The command line that runs a module in a process of its own."""
    return [sys.executable, "-P", os.path.abspath(__file__), module, *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment of such a process.

    MAX changes the variables of the C library, which a child would inherit if it were
    not given these.

    Args:
        more: What it has beside the variables of this process.
    """
    variables = {
        **os.environ,
        # Also for its own children, such as those of multiprocessing.
        "PYTHONSAFEPATH": "1",
        # What is sent through pipes is UTF-8, however the terminal is set.
        "PYTHONUTF8": "1",
        "PYTHONIOENCODING": "utf-8",
        # Models are here by now: nothing is fetched, and nobody is told.
        "HF_HUB_OFFLINE": "1",
        "MAX_SERVE_DISABLE_TELEMETRY": "1",
        "OTEL_SDK_DISABLED": "true",
    }
    if folder := os.environ.get("COURSE_STEPS_DIR"):
        variables["COURSE_STEPS_DIR"] = os.path.abspath(folder)
    # Checks are written with `assert`, and named by their docstrings.
    for name in ("PYTHONOPTIMIZE", "PYTHONINSPECT"):
        variables.pop(name, None)
    return variables | more


if __name__ == "__main__":
    installed = importlib.util.find_spec("course")
    if installed is None or os.path.dirname(installed.origin or "") != PACKAGE:
        sys.path.append(ROOT)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
