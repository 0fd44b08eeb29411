"""Step 11: the language model head, compared with Hugging Face's GPT2LMHeadModel."""

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.cases import CASES, MODEL_CASES
from course.check.module_check import ModuleCheck


class TestLMHeadModel(ModuleCheck):
    number = 11
    compared_with = "Hugging Face's GPT2LMHeadModel"
    cases = MODEL_CASES

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        from transformers import GPT2LMHeadModel

        model = randomize(GPT2LMHeadModel(case.hugging_face_config))
        ids = case.input_ids()
        return Expected(weights_of(model), (ids.numpy(),), model(ids).logits.numpy())

    @staticmethod
    def make(step, case):
        return step.MaxGPT2LMHeadModel(case.config)
