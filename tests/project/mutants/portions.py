"""Of hundreds of changed solutions, which `make test` checks, and which `make test-all`.

`make test` takes, of each step and each kind of change, every so many, spread over the
list, and at least one. It leaves aside what uses an operation that no solution uses, as
MAX would have to compile it. All the rest is marked `thorough`: whatever comes to a list
is in one portion or the other.
"""

import functools
import re
from dataclasses import dataclass

import pytest

from course.steps import ALL_STEPS, Step


@dataclass(frozen=True)
class Portion:
    """The sample of what there is of a step, or the rest of it."""

    step: Step
    rest: bool

    def of(self, changed, every):
        """Those of this step that are in this portion.

        Args:
            changed: Changed solutions, of whichever steps.
            every: How many of a kind there are for one in the sample.
        """
        own = [each for each in changed if each.step == self.step.number]
        chosen = []
        for kind in dict.fromkeys(each.kind for each in own):
            of_kind = [each for each in own if each.kind == kind]
            plain = [e for e in of_kind if operations(e.source) <= operations_of_all()]
            sample = plain[len(plain) // 2 % every :: every]
            chosen += [e for e in of_kind if e not in sample] if self.rest else sample
        assert chosen
        return chosen


def operations(source):
    """The names of MAX's operations in a source."""
    return set(re.findall(r"\bF\.(\w+)", source))


@functools.cache
def operations_of_all():
    """Those of all solutions."""
    return operations("".join(step.solution.read_text() for step in ALL_STEPS))


def portions(steps, compiled=()):
    """The parameters of a test or a fixture: both portions of each step.

    Args:
        steps: The steps of which there is some.
        compiled: The numbers of those for each of which MAX compiles a graph: of these,
            the sample is thorough, too.
    """
    found = []
    for step in steps:
        for rest in (False, True):
            name = f"{step.module}, the rest" if rest else step.module
            thorough = rest or step.number in compiled
            marks = [pytest.mark.thorough] if thorough else []
            found.append(pytest.param(Portion(step, rest), id=name, marks=marks))
    return found


def steps_of(changed):
    """The steps of which there are changed solutions."""
    numbers = {each.step for each in changed}
    return [step for step in ALL_STEPS if step.number in numbers]
