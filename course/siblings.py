"""How steps find each other, whoever wrote them.

The reader's steps import each other as `step_NN`, the solutions as `solution_NN`.
`serving/` is built on either and imports `step_NN`: the reader's where their folder is
on the path, and otherwise the solution.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

from course.steps import ROOT


class _Solutions(MetaPathFinder, Loader):
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


def use_solutions(*, always: bool = False) -> None:
    """Let the solutions stand in for steps that are not on the path.

    Args:
        always: Or for those that are as well, as while a step is checked: a failure is
            then about that step, whatever the others are like.
    """
    solutions = str(ROOT / "solutions")
    if solutions not in sys.path:
        sys.path.append(solutions)
    if always and not isinstance(sys.meta_path[0], _Solutions):
        sys.meta_path.insert(0, _Solutions())
    elif not any(isinstance(finder, _Solutions) for finder in sys.meta_path):
        sys.meta_path.append(_Solutions())
