"""What the checks in `tests/test_step_NN.py` are written with."""

from course.check.answers import (
    Expected,
    randomise,
    reference,
    weights_of,
)
from course.check.cases import CASES, Case
from course.check.compare import (
    CheckFailed,
    assert_parameters,
    assert_same,
    assert_shape,
    build,
    construct,
    tensor,
    to_array,
)
from course.check.module_check import ModuleCheck

__all__ = [
    "CASES",
    "Case",
    "CheckFailed",
    "Expected",
    "ModuleCheck",
    "assert_parameters",
    "assert_same",
    "assert_shape",
    "build",
    "construct",
    "randomise",
    "reference",
    "tensor",
    "to_array",
    "weights_of",
]
