"""What the checks in `tests/test_step_NN.py` are written with."""

from course.check.answers import (
    Expected,
    randomize,
    reference,
    weights_of,
)
from course.check.cases import CASES, MODEL_CASES, Case
from course.check.compare import (
    Attempt,
    CheckFailed,
    assert_parameters,
    assert_same,
    assert_shape,
    build,
    call,
    construct,
    explained,
    known,
    tensor,
    to_array,
)
from course.check.module_check import ModuleCheck

__all__ = [
    "CASES",
    "MODEL_CASES",
    "Attempt",
    "Case",
    "CheckFailed",
    "Expected",
    "ModuleCheck",
    "assert_parameters",
    "assert_same",
    "assert_shape",
    "build",
    "call",
    "construct",
    "explained",
    "known",
    "randomize",
    "reference",
    "tensor",
    "to_array",
    "weights_of",
]
