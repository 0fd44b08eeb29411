"""What a check found, as plain data that can travel between processes."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from course.steps import StepId


@dataclass
class Check:
    """One line of the report.

    Attributes:
        name: What is checked, as the check's docstring says it.
        passed: Whether it is right.
        message: What is wrong, and what to do; or what a check that passed found out.
        mistake: The id of the mistake that explains it, if one is known.
        short: A few words for the line with the cross.
        printed: What the reader's code printed meanwhile.
        reached: False if an earlier check failed, so that this one was not run.
        left_out: Why it does not apply here, so that it was not run; or nothing.
        open: Whether it only fails because parts of the step are not done yet.
    """

    name: str
    passed: bool
    message: str = ""
    mistake: str | None = None
    short: str = ""
    printed: str = ""
    reached: bool = True
    left_out: str = ""
    open: bool = False


@dataclass
class StepResult:
    """All that was found about one step.

    Attributes:
        step: The number of the step, or the name of a side step.
        title: Its title.
        file: The file that was checked.
        checks: What the checks found.
        todo: What the reader has not begun, with line numbers.
        done: The functions, and the like, in which something is done, if others are
            not.
        later: Those in which it cannot be checked yet what is done.
        sure: Whether the rest of what is done was checked by all checks.
        measured: What a check has measured, by its unit: {"GB/s": 18.2}. It decides
            nothing, and stands in the certificate.
    """

    step: StepId
    title: str
    file: str
    checks: list[Check] = field(default_factory=list)
    todo: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    sure: bool = True
    measured: dict[str, float] = field(default_factory=dict)

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
        """The first check that found something wrong, or else something not done."""
        failed = [check for check in self.applying if not check.passed]
        return next((c for c in failed if c.reached and not c.open), None) or next(
            iter(failed), None
        )

    @property
    def not_done(self) -> bool:
        """Whether the step only fails because parts of it have not been begun."""
        failure = self.first_failure
        return failure is not None and failure.open

    def message_of(self, check: Check) -> str:
        """What is said about a check, and if it failed, what is not done yet."""
        failed = check.reached and not check.passed
        todo = "; ".join(self.todo) if failed else ""
        return "\n".join(
            filter(None, [check.message, f"not done yet: {todo}" if todo else ""])
        )

    def replace(self, found: Check) -> None:
        """Put in what is wrong; what comes after it and is not done is not reached."""
        index = [check.name for check in self.checks].index(found.name)
        self.checks[index] = found
        for check in self.checks[index + 1 :]:
            if check.open:
                check.reached, check.message = False, "not reached"

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
                    "message": self.message_of(check),
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
        return cls(**{**data, "checks": checks})
