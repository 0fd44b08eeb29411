"""Loading step files so that a check is about one step and nothing else.

While a step is checked, the siblings that it imports are the solutions: a failure
is then always about the step itself, and steps can be done in any order.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from course.siblings import use_solutions
from course.steps import Step, from_root, get_step


class StepCannotLoad(Exception):
    """The reader's file cannot be read or imported; the message says why."""


def load_solution(number: int) -> ModuleType:
    """Import the solution of a step."""
    use_solutions(always=True)
    return importlib.import_module(get_step(number).solution.stem)


def load_step(step: Step, path: Path) -> ModuleType:
    """Import the file at `path` as a step whose siblings are the solutions.

    Raises:
        StepCannotLoad: It is missing, empty, not text, not Python, or tries to end
            the program.
        Exception: Whatever the file itself raises while it is imported.
    """
    source = read_source(step, path)
    use_solutions(always=True)
    name = f"checked_{step.module}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        code = compile(source, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SyntaxError as error:
        if error.filename != str(path):
            raise
        quoted = f"\n    {error.lineno} │ {(error.text or '').rstrip()}"
        raise StepCannotLoad(
            f"{from_root(path)} is not valid Python: {error.msg}, line "
            f"{error.lineno}.{quoted}"
        ) from None
    except SystemExit:
        raise StepCannotLoad(
            f"{from_root(path)} calls sys.exit() while it is imported. Take it out: a "
            "step only defines functions and classes."
        ) from None
    return module


def read_source(step: Step, path: Path) -> str:
    """Read a step file.

    Raises:
        StepCannotLoad: It is missing, empty or not UTF-8 text.
    """
    restore = f"`course reset {step.number}` puts the skeleton back."
    shown = from_root(path)
    try:
        source = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise StepCannotLoad(f"{shown} is missing. {restore}") from None
    except UnicodeDecodeError as error:
        raise StepCannotLoad(
            f"{shown} is not UTF-8 text: byte {error.start} cannot be read. Save it as "
            f"UTF-8, or {restore}"
        ) from None
    except OSError as error:
        raise StepCannotLoad(f"{shown} cannot be read: {error.strerror}.") from None
    if not source.strip():
        raise StepCannotLoad(f"{shown} is empty. {restore}")
    return source
