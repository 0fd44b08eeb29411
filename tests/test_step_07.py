"""Step 07: attention, compared with Hugging Face's GPT2Attention."""

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.cases import CASES, LARGE
from course.check.module_check import ModuleCheck


class TestMultiHeadAttention(ModuleCheck):
    number = 7
    compared_with = "Hugging Face's GPT2Attention"
    cases = (*CASES, LARGE)

    @staticmethod
    @reference([*CASES, LARGE])
    def hugging_face(case):
        from transformers.models.gpt2.modeling_gpt2 import GPT2Attention

        attention = randomize(GPT2Attention(case.hugging_face_config, layer_idx=0))
        x = case.hidden_states()
        output, _ = attention(x, attention_mask=case.hugging_face_mask())
        return Expected(weights_of(attention), (x.numpy(),), output.numpy())

    @staticmethod
    def make(step, case):
        return step.GPT2MultiHeadAttention(case.config)
