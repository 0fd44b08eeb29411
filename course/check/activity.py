"""What the process that checks is busy with, and how the reader is told."""

from __future__ import annotations

from enum import Enum

PATIENCE = 1.0  # Seconds before the reader is told what takes so long.
CACHED = 5.0  # Seconds that MAX may take to find in its cache what was compiled.


class Activity(Enum):
    """What it does; the value says it to the reader."""

    START = "starting MAX"
    RUN = "running your code"
    COMPILE = "MAX compiles an operation that your code uses for the first time"
    MOJO = "compiling your Mojo file, which takes a few seconds"
    SERVE = "starting MAX's server: 20 seconds, and minutes the first time"
    REFERENCE = "asking Hugging Face GPT-2 for the right answers, once"

    def describe(self, seconds: float) -> str:
        """What it does, when it has done so for some time.

        What MAX has compiled soon, it had in its cache.
        """
        found = self is Activity.COMPILE and seconds < CACHED
        return Activity.RUN.value if found else self.value
