"""What the check of step 18 says when MAX's server ends."""

from pathlib import Path

from course.check.server import explain
from course.process.ports import free_ports

FILE = Path("/home/reader/steps/step_18.py")

WORKER_ENDED = f"""\
12:00:01.100 INFO: Starting worker
12:00:05.300 ERROR: Worker exception
Traceback (most recent call last):
  File "/usr/lib/max/serve/worker.py", line 12, in run
    adapter(weights)
    ^^^^^^^^^^^^^^^^
  File "{FILE}", line 41, in convert_checkpoint
    return weights.nothing
           ^^^^^^^^^^^^^^^
AttributeError: 'dict' object has no attribute 'nothing'
12:00:05.400 ERROR: Worker crashed
Traceback (most recent call last):
  File "/usr/lib/max/serve/process.py", line 3, in wait
    raise SubprocessExit(1)
SubprocessExit: 1
"""

CHAINED = """\
Traceback (most recent call last):
  File "/usr/lib/max/lookup.py", line 7, in load
    import_module(name)
KeyError: 'the cause'

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/usr/lib/max/cli.py", line 2, in main
    load()
ValueError: Failed to import
"""


def test_first_error_is_the_cause():
    """The first error is told, with the reader's line, and not what follows from it."""
    said = explain(WORKER_ENDED, FILE)
    assert said == (
        "AttributeError: 'dict' object has no attribute 'nothing'\n"
        "    41 │ return weights.nothing"
    )


def test_error_from_elsewhere():
    """Without a line of the reader's, that is said."""
    said = explain(CHAINED, FILE)
    assert said == f"KeyError: 'the cause'\n    (not in {FILE} itself)"


def test_no_error():
    """Without an error, the last lines are all there is."""
    log = "\n".join(f"line {number}" for number in range(20))
    assert (
        explain(log, FILE).split()
        == " ".join(f"line {number}" for number in range(12, 20)).split()
    )
    assert explain("", FILE) == ""


def test_long_message():
    """A message that goes on and on is cut."""
    log = f"Traceback (most recent call last):\n  File x\nValueError: {'a' * 9000}\n"
    assert len(explain(log, FILE)) < 1000


def test_free_ports():
    """Two servers at a time need ports of their own."""
    assert len(set(free_ports(8))) == 8
