"""What the checks in `tests/test_step_NN.py` are written with."""

from course.check.answers import (
    Expected,
    randomize,
    reference,
    weights_of,
)
from course.check.cases import CASES, LARGE, MODEL_CASES, Case
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
    kind_of,
    known,
    tensor,
    to_array,
)
from course.check.module_check import ModuleCheck
from course.check.tracebacks import in_few_words

__all__ = [
    "CASES",
    "LARGE",
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
    "in_few_words",
    "kind_of",
    "known",
    "randomize",
    "reference",
    "tensor",
    "to_array",
    "weights_of",
]
