"""What explaining a wrong output may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from max.driver import Device
from max.experimental.nn import Module

from course.check.answers import Expected
from course.check.compare import Array


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
    close: Callable[[Array, Array], bool] | None = None
