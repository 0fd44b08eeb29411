"""Step 06: position embeddings, compared with wpe of Hugging Face's GPT2Model."""

from course.check.answers import Expected, randomize, reference
from course.check.cases import CASES
from course.check.module_check import ModuleCheck


class TestPositionEmbeddings(ModuleCheck):
    number = 6
    compared_with = "wpe in Hugging Face's GPT2Model"

    @staticmethod
    @reference(CASES)
    def hugging_face(case):
        import torch
        from transformers import GPT2Model

        wpe = randomize(GPT2Model(case.hugging_face_config)).wpe
        ids = case.input_ids()
        weights = {"wpe.weight": wpe.weight.numpy()}
        output = wpe(torch.arange(case.length))
        return Expected(weights, (ids.numpy(),), output.numpy())

    @staticmethod
    def make(step, case):
        return step.GPT2PositionEmbeddings(case.config)
