"""A solution with some changes."""

import ast
import difflib
from dataclasses import dataclass

from course.steps import Step, get_step


@dataclass(frozen=True)
class Mutant:
    """A solution with some changes.

    Attributes:
        step: The number of the step, or the name of a side step.
        mistake: The diagnosis that the check should give; None if any will do.
        source: The changed source.
        name: How the change is called.
        kind: What kind of change it is: written for this, or made mechanically.
        suffix: Of the file that it is a version of.
    """

    step: int | str
    mistake: str | None
    source: str
    name: str
    kind: str = "written"
    suffix: str = ".py"

    @property
    def part(self):
        """The part of the step that is changed."""
        return next(p for p in get_step(self.step).parts if p.suffix == self.suffix)


def solution(step):
    """The source of a solution, of a step or of its number."""
    part = step if isinstance(step, Step) else get_step(step)
    return part.solution.read_text()


def changed(step, *changes):
    """The source of a solution after changes, each a pair of old and new text."""
    source = solution(step)
    for old, new in changes:
        assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times"
        source = source.replace(old, new)
    return source


def difference(mutant):
    """The lines that a mutant changes: "step 7: old -> new"."""
    before = ast.unparse(ast.parse(solution(mutant.step))).splitlines()
    after = ast.unparse(ast.parse(mutant.source)).splitlines()
    lines = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    old = "; ".join(line[2:].strip() for line in lines if line[0] == "-")
    new = "; ".join(line[2:].strip() for line in lines if line[0] == "+")
    return f"step {mutant.step}: {old} -> {new}"


def changed_lines(mutant):
    """The numbers of the lines that a mutant changes."""
    before = solution(mutant.part).splitlines()
    after = mutant.source.splitlines()
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return {
        number
        for kind, _, _, start, end in matcher.get_opcodes()
        if kind != "equal"
        for number in range(start + 1, end + 1)
    }
