"""Loading step files so that a check is about one step and nothing else.

While a step is checked, the siblings that it imports are the solutions: a failure
is then always about the step itself, and steps can be done in any order.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

from course.siblings import use_solutions
from course.source import StepCannotLoad, read_step
from course.steps import Step, StepId, from_root, get_step


def load_solution(number: StepId) -> ModuleType:
    """Import the solution of a step."""
    use_solutions(always=True)
    return importlib.import_module(get_step(number).solution.stem)


def load_step(step: Step, path: Path, tree: ast.Module | None = None) -> ModuleType:
    """Import the file at `path` as a step whose siblings are the solutions.

    Args:
        step: The step.
        path: The file.
        tree: What to run in place of what the file says.

    Raises:
        StepCannotLoad: It is missing, empty, not text, not Python, or tries to end
            the program.
        Exception: Whatever the file itself raises while it is imported.
    """
    source = read_step(step, path)
    use_solutions(always=True)
    name = f"checked_{step.module}"
    # The loader is named, as the file may have any name.
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        code = compile(tree or source, str(path), "exec", dont_inherit=True)
        exec(code, module.__dict__)
    except SyntaxError as error:
        if error.filename != str(path):
            raise
        quoted = f"\n    {error.lineno} │ {(error.text or '').rstrip()}"
        raise StepCannotLoad(
            f"{from_root(path)} is not valid Python: {error.msg}, line "
            f"{error.lineno}.{quoted}"
        ) from None
    except (MemoryError, RecursionError) as error:
        if error.__traceback__ and error.__traceback__.tb_next:
            raise  # While it ran, not while Python read it.
        raise StepCannotLoad(
            f"{from_root(path)} is nested too deeply for Python to read."
        ) from None
    except SystemExit:
        raise StepCannotLoad(
            f"{from_root(path)} calls sys.exit() while it is imported. Take it out: a "
            "step only defines functions and classes."
        ) from None
    return module
