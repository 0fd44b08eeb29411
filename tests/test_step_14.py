"""Step 14: the compiled model, compared with Hugging Face's GPT2LMHeadModel."""

import numpy as np
import pytest

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.building import build, call, tensor
from course.check.cases import Case
from course.check.compare import agree, assert_same, to_array
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.loading import load_solution

# One model; batch and length are what one graph must do for.
CASES = [
    Case("wide", batch=2, length=7),
    Case("wide", batch=1, length=1),
    Case("wide", batch=3, length=2),
]

each_case = pytest.mark.parametrize("case", CASES, ids=str)


@reference(CASES)
def hugging_face(case):
    """The logits of the last position."""
    import torch
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel(case.hugging_face_config)
    # Not tied, or wte would do for the head.
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.flip(0))
    randomize(model)
    ids = case.input_ids()
    with torch.no_grad():
        logits = model(ids).logits[:, -1:].numpy()
    return Expected(weights_of(model), (ids.numpy(),), logits)


@pytest.fixture
def language_model(device):
    """The model of step 11, with weights."""
    case = CASES[0]
    make = lambda: load_solution(11).MaxGPT2LMHeadModel(case.config)  # noqa: E731
    return build(make, hugging_face(case).weights, device)


@each_case
def test_same_numbers(step, case, device, language_model):
    """NextTokenLogits: the last logits of Hugging Face's GPT2LMHeadModel"""
    seen = []
    head = language_model.lm_head
    language_model.lm_head = lambda x: (seen.append(x.shape), head(x))[1]
    model = step.NextTokenLogits(language_model)
    expected = hugging_face(case)
    inputs = [tensor(expected.inputs[0], device)]
    output = call(model, inputs)
    every = lambda: to_array(call(language_model, inputs))  # noqa: E731
    assert_last_position(step, output, expected, every)
    assert_same(output, expected, device, "NextTokenLogits")
    if seen and int(seen[0][1]) != 1:
        raise known(14, "head-before-slice", step)


def assert_last_position(step, output, expected, every):
    """Say it if these are other logits of the model than those that are wanted.

    Args:
        step: The reader's module.
        output: What the reader's module returns.
        expected: The logits of the last positions.
        every: Computes the logits of every position.
    """
    actual, right = to_array(output, "NextTokenLogits"), expected.output
    if agree(actual, right) or actual.shape[-1:] != right.shape[-1:]:
        return
    logits = every()
    others = {
        "all-positions": logits,
        "axis-dropped": right[:, 0],
        "first-position-taken": logits[:, :1],
        "batch-sliced": logits[-1:],
        "softmax-at-the-end": softmax(right),
    }
    for name, other in others.items():
        if agree(actual, other):
            raise known(14, name, step)


def softmax(logits):
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


@pytest.fixture(scope="module")
def compiled():
    """What the reader's code compiled, kept for all cases."""
    return {}


@pytest.mark.at_the_end
@each_case
def test_compiled(step, case, device, language_model, compiled):
    """compile_model: one graph for every batch and length, and the same logits"""
    if not compiled:
        compiled["model"] = step.compile_model(language_model)
    model = compiled["model"]
    if model is None or not callable(model):
        raise CheckFailed("compile_model returns nothing that can be called.")
    if not hasattr(model, "export_mef"):
        raise known(14, "not-compiled", step)
    expected = hugging_face(case)
    try:
        output = model(tensor(expected.inputs[0], device))
    except ValueError as error:
        detail = f"With {list(expected.inputs[0].shape)} tokens, MAX says: {error}"
        raise known(14, "fixed-shape", step, detail=detail) from None
    assert_same(output, expected, device, "The compiled model")
