"""What the reader's code returned in one case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from course.check.answers import Expected
from course.check.compare import Array

Close = Callable[[Array, Array], bool]


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
