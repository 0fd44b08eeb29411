"""A GPT-2 from the disk to a compiled model: weights, the steps' code, the graph."""

from course.siblings import use_solutions

# So that `solution_01` can be imported here, which says what sizes a GPT-2 has.
use_solutions()
