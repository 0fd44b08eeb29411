"""What explaining a wrong output may look at: what the reader's code returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from max.driver import Device
from max.experimental.nn import Module

from course.check.answers import Expected
from course.check.compare import Array

Close = Callable[[Array, Array], bool]


@dataclass(frozen=True)
class Attempt:
    """The reader's code as a whole.

    Attributes:
        number: The number of the step.
        step: The reader's module.
        device: Where it computes.
        cases: All cases, with what is expected in each.
        output: Runs the reader's code in one case.
        module: Makes the reader's module for one case, if the step has one.
        close: Says whether two outputs are the same; by default, as numbers.
    """

    number: int
    step: Any
    device: Device
    cases: Mapping[Any, Expected]
    output: Callable[[Any], Any]
    module: Callable[[Any], Module[..., Any]] | None = None
    close: Close | None = None


@dataclass(frozen=True)
class Answer:
    """What the reader's code returned in one case, and what it should have.

    Attributes:
        case: The case.
        expected: What Hugging Face has and computes.
        actual: The reader's output; None if a look-up was out of bounds.
    """

    case: Any
    expected: Expected
    actual: Array | None

    def is_right(self, close: Close) -> bool:
        """Whether the reader's output is the expected one."""
        return self.actual is not None and close(self.actual, self.expected.output)
