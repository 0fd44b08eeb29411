"""Step 02: the causal mask, compared with the one Hugging Face makes."""

from dataclasses import dataclass

import numpy as np
import pytest
from max.dtype import DType
from max.experimental import functional as F

from course.check.tools import (
    CheckFailed,
    Expected,
    assert_same,
    assert_shape,
    reference,
    tensor,
    to_array,
)


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


@reference(CASES)
def hugging_face(case):
    """Attention weights: the softmax of random scores under Hugging Face's mask."""
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
    return Expected(
        inputs=(scores.numpy(),), output=torch.softmax(scores + mask, dim=-1).numpy()
    )


def make_mask(step, case, device, dtype=DType.float32):
    return step.causal_mask(
        case.sequence_length, case.num_tokens, dtype=dtype, device=device
    )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_shape(step, case, device):
    """shape: a row for each new token, a column for each token it may see"""
    mask = make_mask(step, case, device)
    assert_shape(mask, hugging_face(case).output, "causal_mask")


@pytest.mark.parametrize("case", CASES, ids=str)
def test_seen_scores_unchanged(step, case, device):
    """what may be seen: these entries are all the same, so no score is changed"""
    mask = to_array(make_mask(step, case, device), "causal_mask")
    for row, seen in zip(mask, hugging_face(case).output > 0, strict=True):
        if np.ptp(row[seen]) != 0:
            raise CheckFailed(
                "Some entries that a token may see differ from one another: adding "
                "the mask would change their scores. They should all be 0. First "
                f"such row: {np.array2string(row, precision=3)}"
            )


@pytest.mark.parametrize("case", CASES, ids=str)
def test_same_weights(step, case, device):
    """same attention weights as under Hugging Face's mask"""
    expected = hugging_face(case)
    scores = tensor(expected.inputs[0], device)
    mask = make_mask(step, case, device)
    assert_same(F.softmax(scores + mask), expected, device, "softmax(scores + mask)")


def test_dtype(step, device):
    """dtype: the one that was asked for"""
    for dtype in (DType.float32, DType.bfloat16):
        with F.lazy():  # Only the type is wanted, so nothing needs to be computed.
            mask = make_mask(step, CASES[0], device, dtype)
        if mask.dtype != dtype:
            raise CheckFailed(
                f"causal_mask(..., dtype={dtype}) returns {mask.dtype}. Make the "
                "tensor with dtype=dtype.",
                mistake="dtype-ignored",
                short=f"{mask.dtype}, not {dtype}",
            )
