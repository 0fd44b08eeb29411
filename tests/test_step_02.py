"""Step 02: the causal mask, compared with the one Hugging Face makes."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from max.dtype import DType
from max.experimental import compilation
from max.experimental import functional as F
from max.experimental.tensor import TensorType
from max.graph import Dim

from course.check.answers import Expected, reference
from course.check.attempt import Attempt
from course.check.building import tensor
from course.check.compare import assert_same, assert_shape, to_array
from course.check.explaining import explained, known
from course.check.failure import CheckFailed
from course.check.tracebacks import in_few_words


@dataclass(frozen=True)
class MaskCase:
    sequence_length: int
    num_tokens: int

    def __str__(self):
        return f"{self.sequence_length} new tokens, {self.num_tokens} past"


CASES = [
    MaskCase(5, 0),
    MaskCase(1, 0),
    MaskCase(32, 0),
    MaskCase(3, 4),
    MaskCase(1, 9),
    MaskCase(7, 1),
]

LARGE_SCORE = 200
PAST = 3

each_case = pytest.mark.parametrize("case", CASES, ids=str)


@reference(CASES)
def hugging_face(case):
    """Attention weights: the softmax of random scores under Hugging Face's mask.

    Scores and mask are the inputs. Later tokens have the largest scores by far, so that
    a mask which subtracts too little shows.
    """
    import torch
    from transformers.masking_utils import eager_mask

    shape = (case.sequence_length, case.num_tokens + case.sequence_length)
    scores = torch.from_numpy(np.random.default_rng(2).standard_normal(shape)).float()
    mask = eager_mask(
        batch_size=1,
        q_length=case.sequence_length,
        kv_length=shape[1],
        q_offset=case.num_tokens,
    )[0, 0]
    scores = torch.where(mask < 0, scores + LARGE_SCORE, scores)
    return Expected(
        inputs=(scores.numpy(), mask.numpy()),
        output=torch.softmax(scores + mask, dim=-1).numpy(),
    )


def make_mask(step, case, device, dtype=DType.float32):
    return step.causal_mask(
        case.sequence_length, case.num_tokens, dtype=dtype, device=device
    )


def without_extremes(mask):
    """A mask in which every large negative number is minus infinity."""
    return np.where(mask < -1000, -np.inf, mask)


def expected_mask(case):
    """Hugging Face's mask itself."""
    return Expected(output=without_extremes(hugging_face(case).inputs[1]))


def attempt(step, device):
    return Attempt(
        2,
        step,
        device,
        {case: expected_mask(case) for case in CASES},
        output=lambda c: without_extremes(to_array(make_mask(step, c, device))),
    )


@each_case
def test_shape(step, case, device):
    """shape: a row for each new token, a column for each token it may see"""
    with explained(attempt(step, device)):
        mask = make_mask(step, case, device)
        assert_shape(mask, hugging_face(case).output, "causal_mask")


@each_case
def test_same_weights(step, case, device):
    """same attention weights as under Hugging Face's mask"""
    with explained(attempt(step, device)):
        scores = tensor(hugging_face(case).inputs[0], device)
        weights = F.softmax(scores + make_mask(step, case, device))
        assert_same(weights, hugging_face(case), device, "softmax(scores + mask)")


def test_dtype(step, device):
    """dtype: the one that was asked for"""
    for dtype in (DType.float32, DType.bfloat16):
        with F.lazy():  # Only the type is wanted, so nothing needs to be computed.
            mask = make_mask(step, CASES[0], device, dtype)
        if mask.dtype != dtype:
            detail = f"Asked for {dtype}, you return {mask.dtype}."
            short = f"{mask.dtype}, not {dtype}"
            raise known(2, "dtype-ignored", step, detail=detail, short=short)


@pytest.mark.parametrize("size", [Dim("seq"), "seq"], ids=repr)
def test_symbolic_size(step, size, device):
    """symbolic size: the mask of a model that is compiled for any length"""
    shapes = []

    def graph(x):
        mask = step.causal_mask(size, PAST, dtype=x.dtype, device=device)
        shapes.append(list(mask.shape))
        return mask

    # The graph is only built, which takes milliseconds; compiling it takes minutes.
    build = compilation.stage(graph)
    detail = f'Asked for a mask of Dim("seq") rows and {PAST} past tokens: '
    try:
        build(TensorType(DType.float32, [str(size)], device=device))
    except Exception as error:
        detail += in_few_words(error, Path(step.__file__))[0]
        raise known(2, "size-needed-as-number", step, detail=detail) from None
    rows, columns = Dim("seq"), Dim("seq") + PAST
    if shapes != [[rows, columns]]:
        raise CheckFailed(f"{detail}you return {shapes[0]}, not {[rows, columns]}.")
