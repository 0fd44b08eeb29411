"""Step 03: layer normalization, compared with ln_1 of Hugging Face's GPT2Block."""

import numpy as np

from course.check.tools import (
    CASES,
    CheckFailed,
    Expected,
    ModuleCheck,
    randomise,
    reference,
    to_array,
    weights_of,
)


class TestLayerNorm(ModuleCheck):
    compared_with = "ln_1 in Hugging Face's GPT2Block"

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        from transformers.models.gpt2.modeling_gpt2 import GPT2Block

        block = GPT2Block(case.hugging_face_config, layer_idx=0)
        ln_1 = randomise(block.ln_1)
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
                raise CheckFailed(
                    f"{name} should start as all {value}s, so that a layer norm that "
                    "has not been trained only normalizes; yours starts as "
                    f"{np.ravel(actual)[:3]}.",
                    mistake="initial-values",
                )
