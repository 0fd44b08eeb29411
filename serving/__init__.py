"""The GPT-2 of the steps as an architecture that `max serve` can load.

    max serve --custom-architectures .:serving.arch --model demo/model --devices cpu

The files are named as those of MAX's own architectures. Whose steps are served, the
path decides: see `course/siblings.py`.
"""

from course.siblings import use_solutions

use_solutions()
