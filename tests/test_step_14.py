"""Step 14: the compiled model, compared with Hugging Face's GPT2LMHeadModel."""

import pytest

from course.check.loading import load_solution
from course.check.tools import (
    Case,
    CheckFailed,
    Expected,
    assert_same,
    build,
    call,
    known,
    randomize,
    reference,
    tensor,
    to_array,
    weights_of,
)

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

    model = randomize(GPT2LMHeadModel(case.hugging_face_config))
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
    output = call(model, [tensor(expected.inputs[0], device)])
    assert_last_position(step, output, expected, seen)
    assert_same(output, expected, device, "NextTokenLogits")


def assert_last_position(step, output, expected, seen):
    """Say it if the positions are not those that are wanted, at the head or after."""
    batch, _, vocab_size = expected.output.shape
    length = expected.inputs[0].shape[1]
    shape = to_array(output, "NextTokenLogits").shape
    if shape == (batch, length, vocab_size) and length > 1:
        raise known(14, "all-positions", step)
    if shape == (batch, vocab_size):
        raise known(14, "axis-dropped", step)
    if seen and int(seen[-1][1]) == length > 1:
        raise known(14, "head-before-slice", step)


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
