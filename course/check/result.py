"""What a check found, as plain data that can travel between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Check:
    """One line of the report.

    Attributes:
        name: What is checked, as the check's docstring says it.
        passed: Whether it is right.
        message: What is wrong, and what to do.
        mistake: The id of the mistake that explains it, if one is known.
        short: A few words for the line with the cross.
        todo: What the reader has not begun, with line numbers.
        printed: What the reader's code printed meanwhile.
        reached: False if an earlier check failed, so that this one was not run.
        left_out: Why it does not apply here, so that it was not run; or nothing.
    """

    name: str
    passed: bool
    message: str = ""
    mistake: str | None = None
    short: str = ""
    todo: list[str] = field(default_factory=list)
    printed: str = ""
    reached: bool = True
    left_out: str = ""

    @property
    def plain_message(self) -> str:
        """The message with what is not done yet, as plain text."""
        todo = "; ".join(self.todo)
        return "\n".join(
            filter(None, [self.message, f"not done yet: {todo}" if todo else ""])
        )


@dataclass
class StepResult:
    """All that was found about one step."""

    step: int
    title: str
    file: str
    checks: list[Check] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether the step is right."""
        return bool(self.applying) and all(check.passed for check in self.applying)

    @property
    def applying(self) -> list[Check]:
        """The checks but for those that do not apply here."""
        return [check for check in self.checks if not check.left_out]

    @property
    def first_failure(self) -> Check | None:
        """The first check that failed."""
        return next((check for check in self.applying if not check.passed), None)

    @property
    def not_done(self) -> bool:
        """Whether the step failed because parts of it have not been begun."""
        failure = self.first_failure
        return bool(failure and failure.todo)

    def add(self, check: Check) -> None:
        """Add what one case found; cases of one check share a line, failures first."""
        for index, known in enumerate(self.checks):
            if known.name == check.name:
                if known.left_out or (known.passed and not check.passed):
                    self.checks[index] = check
                return
        self.checks.append(check)

    def to_json(self) -> dict[str, Any]:
        """The object that `course check --json` prints."""
        return {
            "step": self.step,
            "passed": self.passed,
            "checks": [
                {
                    "name": check.name,
                    "passed": check.passed,
                    "message": check.plain_message,
                    "mistake": check.mistake,
                }
                for check in self.applying
            ],
        }

    def to_dict(self) -> dict[str, Any]:
        """All of it, for another process."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> StepResult:
        """The inverse of `to_dict`."""
        checks = [Check(**check) for check in data["checks"]]
        return cls(data["step"], data["title"], data["file"], checks)
