"""GPT-2 small, of which the book shows sizes and parameters."""

from __future__ import annotations

from max.experimental import functional as F

from course.check.loading import load_solution
from course.model.config import GPT2Config

GPT2 = GPT2Config()


def parameter_shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every parameter by name, as the finished model has it."""
    with F.lazy():  # Or every weight would be filled with random numbers.
        model = load_solution(11).MaxGPT2LMHeadModel(GPT2)
    return {
        name: tuple(int(dim) for dim in parameter.shape)
        for name, parameter in model.parameters
    }
