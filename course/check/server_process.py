"""The process in which MAX serves a checked step 18; `course.check.server` starts it.

    python -m course.check.server_process serve --port 8000 …

The arguments are those of `max`; the environment says which file is checked.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from course.check.loading import load_step
from course.process.launcher import command
from course.steps import get_step

FILE = "COURSE_CHECKED_FILE"

# Not in `main`: MAX's own processes import this module too, and what they are handed
# names the reader's function by its module. Siblings are the solutions there as well.
if __name__ in {"__main__", "__mp_main__"}:
    load_step(get_step(18), Path(os.environ[FILE]))


def main() -> None:
    """Be `max`."""
    from max._entrypoints.pipelines import main as max_main

    # MAX runs the command anew, for another allocator; it is attached already.
    sys.orig_argv = command("course.check.server_process", *sys.argv[1:])
    sys.argv[0] = "max"
    max_main()


if __name__ == "__main__":
    main()
