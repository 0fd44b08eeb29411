"""Step 05: token embeddings, compared with wte of Hugging Face's GPT2Model."""

from course.check.answers import Expected, randomize, reference
from course.check.cases import CASES
from course.check.module_check import ModuleCheck


class TestEmbeddings(ModuleCheck):
    number = 5
    compared_with = "wte in Hugging Face's GPT2Model"

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        from transformers import GPT2Model

        wte = randomize(GPT2Model(case.hugging_face_config)).wte
        ids = case.input_ids()
        weights = {"wte.weight": wte.weight.numpy()}
        return Expected(weights, (ids.numpy(),), wte(ids).numpy())

    @staticmethod
    def make(step, case):
        return step.GPT2Embeddings(case.config)
