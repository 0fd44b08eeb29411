"""Step 03: layer normalization, compared with ln_1 of Hugging Face's GPT2Block."""

import numpy as np
import pytest
from max.driver import CPU
from max.experimental import functional as F

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.building import build, call, tensor
from course.check.cases import CASES
from course.check.compare import assert_same, to_array
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.module_check import ModuleCheck

MEANS = [100, 300]
# To subtract the mean first costs 1e-4 at most; to square first, 0.02 and more.
FEWER_DIGITS = 100


@reference(MEANS)
def hugging_face_far_from_zero(mean):
    """ln_1 of GPT-2's own width, on vectors that differ little from their mean."""
    import torch
    from transformers import GPT2Config
    from transformers.models.gpt2.modeling_gpt2 import GPT2Block

    config = GPT2Config()
    ln_1 = randomize(GPT2Block(config, layer_idx=0).ln_1)
    values = np.random.default_rng(mean).normal(mean, 0.5, (1, 4, config.n_embd))
    x = torch.from_numpy(values).float()
    return Expected(weights_of(ln_1), (x.numpy(),), ln_1(x).numpy())


class TestLayerNorm(ModuleCheck):
    number = 3
    compared_with = "ln_1 in Hugging Face's GPT2Block"

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        from transformers.models.gpt2.modeling_gpt2 import GPT2Block

        block = GPT2Block(case.hugging_face_config, layer_idx=0)
        ln_1 = randomize(block.ln_1)
        x = 0.3 * case.hidden_states() + 1
        return Expected(weights_of(ln_1), (x.numpy(),), ln_1(x).numpy())

    @staticmethod
    def make(step, case):
        return step.LayerNorm(case.config.n_embd, eps=case.config.layer_norm_epsilon)

    def test_initial_values(self, step):
        """initial values: weight is 1, bias is 0"""
        layer_norm = self.make(step, CASES[0])
        for name, value in (("weight", 1), ("bias", 0)):
            actual = to_array(getattr(layer_norm, name), name)
            if not np.all(actual == value):
                detail = f"{name} starts as {np.ravel(actual)[:3]}."
                line = rf"self\.{name} ="
                raise known(3, "initial-values", step, detail=detail, lines=[line])

    def test_default_eps(self, step, device):
        """default eps: 1e-5, as in torch"""
        x = 1e-3 * np.arange(8, dtype=np.float32).reshape(1, 1, 8)
        expected = (x - x.mean()) / np.sqrt(x.var() + 1e-5)
        with F.lazy():
            layer_norm = step.LayerNorm(8).to(device)
        output = call(layer_norm, [tensor(x, device)])
        assert_same(output, Expected(output=expected), device)

    @pytest.mark.parametrize("mean", MEANS)
    def test_far_from_zero(self, step, mean, device):
        """far from 0: vectors whose mean is 100 or 300"""
        expected = hugging_face_far_from_zero(mean)
        [x] = expected.inputs
        layer_norm = build(
            lambda: step.LayerNorm(x.shape[-1], eps=1e-5), expected.weights, device
        )

        def assert_right(x):
            output = call(layer_norm, [tensor(x, device)])
            # No matrices are multiplied: this is as exact on any device as on the CPU.
            assert_same(output, expected, CPU(), times=FEWER_DIGITS)

        try:
            assert_right(x)
        except CheckFailed as failed:
            assert_right(x - x.mean(axis=-1, keepdims=True))
            detail = f"The mean of the vectors is {mean}. {failed}"
            raise known(3, "variance-loses-digits", step, detail=detail) from None
