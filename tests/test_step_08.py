"""Step 08: the residual step, compared with half of Hugging Face's GPT2Block."""

import pytest

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.attempt import Attempt
from course.check.building import build, call, tensor
from course.check.cases import CASES
from course.check.compare import assert_same, assert_shape
from course.check.explaining import explained
from course.check.loading import load_solution

each_case = pytest.mark.parametrize("case", CASES, ids=str)


@reference(CASES)
def hugging_face(case):
    """GPT2Block with its attention silenced, so that the second half is left."""
    import torch
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    block = randomize(GPT2Block(case.hugging_face_config, layer_idx=0))
    for parameter in block.attn.c_proj.parameters():
        torch.nn.init.zeros_(parameter)
    x = case.hidden_states()
    return Expected(weights_of(block), (x.numpy(),), block(x).numpy())


def part(make, name, weights, device):
    """Build one part of the block from the solutions."""
    prefix = f"{name}."
    own = {
        k.removeprefix(prefix): w for k, w in weights.items() if k.startswith(prefix)
    }
    return build(make, own, device)


def run(step, case, device, outputs):
    """Call the reader's function, once for both checks."""
    if case not in outputs:
        expected = hugging_face(case)
        config, weights = case.config, expected.weights
        ln_2 = part(
            lambda: load_solution(3).LayerNorm(
                config.n_embd, eps=config.layer_norm_epsilon
            ),
            "ln_2",
            weights,
            device,
        )
        mlp = part(
            lambda: load_solution(4).GPT2MLP(case.inner_dim, config),
            "mlp",
            weights,
            device,
        )
        x = tensor(expected.inputs[0], device)
        outputs[case] = call(lambda x: step.pre_norm_residual(x, ln_2, mlp), [x])
    return outputs[case]


@pytest.fixture(scope="module")
def outputs(step):
    return {}


def attempt(step, device, outputs):
    return Attempt(
        8,
        step,
        device,
        {case: hugging_face(case) for case in CASES},
        output=lambda case: run(step, case, device, outputs),
    )


@each_case
def test_output_shape(step, case, device, outputs):
    """output shape: that of the input"""
    with explained(attempt(step, device, outputs)):
        output = run(step, case, device, outputs)
        assert_shape(output, hugging_face(case).output, "pre_norm_residual")


@each_case
def test_same_numbers(step, case, device, outputs):
    """same numbers as the second half of Hugging Face's GPT2Block"""
    with explained(attempt(step, device, outputs)):
        output = run(step, case, device, outputs)
        assert_same(output, hugging_face(case), device, "pre_norm_residual")
