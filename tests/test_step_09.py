"""Step 09: the transformer block, compared with Hugging Face's GPT2Block."""

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.cases import CASES
from course.check.module_check import ModuleCheck


class TestBlock(ModuleCheck):
    number = 9
    compared_with = "Hugging Face's GPT2Block"

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        from transformers.models.gpt2.modeling_gpt2 import GPT2Block

        block = randomize(GPT2Block(case.hugging_face_config, layer_idx=0))
        x = case.hidden_states()
        output = block(x, attention_mask=case.hugging_face_mask())
        return Expected(weights_of(block), (x.numpy(),), output.numpy())

    @staticmethod
    def make(step, case):
        return step.GPT2Block(case.config)
