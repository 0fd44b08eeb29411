"""Checking many files in a few warm processes."""

import os
import queue
import threading

from course.check.result import StepResult
from course.check.runner import Doing, Done, Ended, Worker, explain
from course.steps import get_step

LIMIT = 10.0  # Seconds for one check: an endless loop is stopped then.
PROCESSES = min(2, os.cpu_count() or 1)


class Pool:
    """Warm processes that check files.

    Attributes:
        compiled: The files during whose check MAX compiled an operation.
    """

    def __init__(self, limit=LIMIT):
        self.compiled = set()
        self._limit = limit

    def check(self, files):
        """Check files: pairs of a step's number and a path. Returns their results."""
        waiting = queue.Queue()
        for file in files:
            waiting.put(file)
        results, failures = {}, []
        threads = [
            threading.Thread(target=self._work, args=(waiting, results, failures))
            for _ in range(PROCESSES)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return results

    def _work(self, waiting, results, failures):
        worker = None
        try:
            while True:
                number, path = waiting.get_nowait()
                worker = worker or Worker(self._limit)
                results[path], again = self._check(worker, get_step(number), path)
                if not again:
                    worker.stop()
                    worker = None
        except queue.Empty:
            pass
        except Exception as error:
            failures.append(error)
        finally:
            if worker:
                worker.stop()

    def _check(self, worker, step, path):
        result = None
        worker.check([step], file=path)
        while True:
            for event in worker.hear(1.0):
                if isinstance(event, StepResult):
                    result = event
                elif isinstance(event, Done):
                    return result, event.again
                elif isinstance(event, Ended):
                    return result or explain(step, event, path), False
                elif isinstance(event, Doing) and event.what == "compile":
                    self.compiled.add(path)
