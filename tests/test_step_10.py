"""Step 10: the stacked model, compared with Hugging Face's GPT2Model."""

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.cases import CASES, MODEL_CASES
from course.check.module_check import ModuleCheck


class TestModel(ModuleCheck):
    number = 10
    compared_with = "Hugging Face's GPT2Model"
    cases = MODEL_CASES

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        from transformers import GPT2Model

        model = randomize(GPT2Model(case.hugging_face_config))
        ids = case.input_ids()
        output = model(ids).last_hidden_state
        return Expected(weights_of(model), (ids.numpy(),), output.numpy())

    @staticmethod
    def make(step, case):
        return step.MaxGPT2Model(case.config)
