"""The GPT-2 of the course as an architecture that `max serve` can load.

    max serve --custom-architectures serving --model demo/model --devices cpu

`--custom-architectures` looks for the name `ARCHITECTURES`, which step 18 defines.
"""

import sys
from pathlib import Path

# The solutions import each other by their bare names, as the steps do.
SOLUTIONS = str(Path(__file__).resolve().parent.parent / "solutions")
if SOLUTIONS not in sys.path:
    sys.path.append(SOLUTIONS)


def __getattr__(name: str) -> object:
    # Not imported before it is asked for: step 18 imports from this package.
    if name == "ARCHITECTURES":
        from solution_18 import ARCHITECTURES

        return ARCHITECTURES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
