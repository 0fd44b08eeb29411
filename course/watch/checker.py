"""A worker that is always there: when one ends, the next is started at once."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from course.check.activity import Activity
from course.check.result import StepResult
from course.check.runner import (
    Doing,
    Done,
    Ended,
    Worker,
    assert_started,
    explain,
    time_limit,
)
from course.progress.record import Candidate
from course.steps import Step


@dataclass
class Job:
    """One thing that the worker is asked to do.

    Attributes:
        step: The step to check.
        rehearse: Check the solution, and tell nobody. It makes the next check quick:
            what Hugging Face computes is then kept, and MAX has run every operation.
        began: When.
        candidate: The files, as they were then.
        doing: What the worker last said that it does.
        answered: Whether there was a verdict.
    """

    step: Step
    rehearse: bool = False
    began: float = field(default_factory=time.monotonic)
    doing: Activity = Activity.RUN
    answered: bool = False
    candidate: Candidate = field(init=False)

    def __post_init__(self) -> None:
        """Look at the files."""
        self.candidate = Candidate(self.step)


class Checker:
    """Checks one step at a time in a warm process."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._worker = Worker(time_limit())
        self.job: Job | None = None

    @property
    def ready(self) -> bool:
        """Whether the worker has imported MAX."""
        return self._worker.ready

    def descriptors(self) -> list[int]:
        """What to wait for until there is something to hear."""
        return self._worker.descriptors()

    def start(self, job: Job) -> None:
        """Begin a job; nothing else may be under way."""
        assert self.job is None
        self.job = job
        job.doing = Activity.RUN if self.ready else Activity.START
        self._worker.check([job.step], solutions=job.rehearse, device=self._device)

    def hear(self) -> StepResult | None:
        """Listen, and return the verdict of a check when there is one.

        Raises:
            CourseError: The worker cannot even start.
        """
        verdict = None
        for event in self._worker.hear(0):
            if isinstance(event, StepResult):
                verdict = self._verdict(event)
            elif isinstance(event, Doing) and self.job:
                self.job.doing = event.what
            elif isinstance(event, Done):
                self.job = None
                if not event.again:
                    self.restart()
            elif isinstance(event, Ended):
                verdict = self._replace(event)
        return verdict

    def _verdict(self, result: StepResult) -> StepResult | None:
        if self.job is None or self.job.rehearse:
            return None
        self.job.answered = True
        if result.passed:
            self.job.candidate.has_passed(result.measured)
        return result

    def _replace(self, ended: Ended) -> StepResult | None:
        """Start another worker, and say why the last one ended in the middle."""
        assert_started(ended)
        job = self.job
        self.restart()
        if job is None or job.rehearse or job.answered:
            return None
        return explain(job.step, ended, job.step.skeleton)

    def restart(self) -> None:
        """Give up what is being done, and start another worker."""
        self.stop()
        self._worker = Worker(time_limit())
        self.job = None

    def stop(self) -> None:
        """End the worker, whatever it does."""
        self._worker.stop()
