"""The tool behind the course: it checks steps, generates text and measures speed."""

import sys

if sys.argv[:1] == ["-m"] and not sys.flags.safe_path:
    # The current folder, where a file may be called like another module.
    del sys.path[0]

from course import runtime

runtime.prepare()
