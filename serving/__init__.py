"""The GPT-2 of the steps as an architecture that `max serve` can load.

    max serve --custom-architectures serving --model demo/model --devices cpu

`--custom-architectures` looks for the name `ARCHITECTURES`, which step 18 defines.
Whose steps are served, the path decides: see `course/siblings.py`.
"""

from course.siblings import use_solutions

use_solutions()


def __getattr__(name: str) -> object:
    # Not imported before it is asked for: step 18 imports from this package.
    if name == "ARCHITECTURES":
        from step_18 import ARCHITECTURES

        return ARCHITECTURES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
