"""Step 04: the feed-forward network, compared with Hugging Face's GPT2MLP."""

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.cases import CASES, LARGE
from course.check.module_check import ModuleCheck


class TestMLP(ModuleCheck):
    number = 4
    compared_with = "Hugging Face's GPT2MLP"
    cases = (*CASES, LARGE)

    @staticmethod
    @reference([*CASES, LARGE])
    def hugging_face(case):
        from transformers.models.gpt2.modeling_gpt2 import GPT2MLP

        mlp = randomize(GPT2MLP(case.inner_dim, case.hugging_face_config))
        x = case.hidden_states()
        return Expected(weights_of(mlp), (x.numpy(),), mlp(x).numpy())

    @staticmethod
    def make(step, case):
        return step.GPT2MLP(case.inner_dim, case.config)
