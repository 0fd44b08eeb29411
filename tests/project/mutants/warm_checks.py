"""Checking many files in one warm process."""

from course.check.result import StepResult
from course.check.runner import Done, Ended, Worker, explain
from course.steps import get_step

LIMIT = 30.0  # Seconds for one check: an endless loop is stopped then.


class WarmChecks:
    """A process that checks files one after another; it is replaced when it is spent."""

    def __init__(self):
        self._worker = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._stop()

    def check(self, changed, folder):
        """Check changed solutions. Returns their results, in a dictionary."""
        results = {}
        for index, each in enumerate(changed):
            path = folder / f"{index}{each.suffix}"
            path.write_text(each.source)
            results[each] = self.check_file(each.step, path)
        return results

    def check_file(self, number, path):
        """Check a file as a step, and return the result."""
        self._worker = self._worker or Worker(LIMIT)
        step, result = get_step(number), None
        self._worker.check([step], file=path, device="cpu")
        while True:
            for event in self._worker.hear(1.0):
                if isinstance(event, StepResult):
                    result = event
                elif isinstance(event, Done):
                    if not event.again:
                        self._stop()
                    return result
                elif isinstance(event, Ended):
                    self._stop()
                    return result or explain(step, event, path)

    def _stop(self):
        if self._worker is not None:
            self._worker.stop()
            self._worker = None
