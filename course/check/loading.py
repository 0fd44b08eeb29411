"""Loading step files so that a check is about one step and nothing else.

While a step is checked, the siblings that it imports are the solutions: a failure
is then always about the step itself, and steps can be done in any order.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from course.steps import ROOT, Step, from_root, get_step


class StepCannotLoad(Exception):
    """The reader's file cannot be read or imported; the message says why."""


class _Siblings(MetaPathFinder, Loader):
    """Answers `import step_07` with the module `solution_07`."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if re.fullmatch(r"step_\d\d", fullname):
            return importlib.util.spec_from_loader(fullname, self)
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return importlib.import_module(spec.name.replace("step_", "solution_"))

    def exec_module(self, module: ModuleType) -> None:
        pass  # Already executed, as solution_NN.


def load_solution(number: int) -> ModuleType:
    """Import the solution of a step."""
    _use_solutions()
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
    source = read_source(step, path)
    _use_solutions()
    name = f"checked_{step.module}"
    spec = importlib.util.spec_from_file_location(name, path)
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


def _use_solutions() -> None:
    if not any(isinstance(finder, _Siblings) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Siblings())
    solutions = str(ROOT / "solutions")
    if solutions not in sys.path:
        sys.path.append(solutions)
