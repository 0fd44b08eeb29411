"""The checks that every step with a module has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytest
from max.driver import Device
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor

from course.check.answers import Expected
from course.check.cases import CASES, Case
from course.check.compare import (
    assert_parameters,
    assert_same,
    assert_shape,
    build,
    construct,
    tensor,
)

each_case = pytest.mark.parametrize("case", CASES, ids=str)


def call(module: Module[..., Any], inputs: list[Tensor]) -> Any:
    """Call a module with all its operations in one graph: three times as fast.

    Code that looks at numbers on the way, to print them say, needs them at once.
    """
    try:
        with F.lazy():
            return module(*inputs)
    except TypeError as error:
        if "realize" not in str(error):
            raise
        return module(*inputs)


class ModuleCheck(ABC):
    """Compares the reader's module with a module of Hugging Face, weights equal.

    Attributes:
        compared_with: The Hugging Face module, as the report names it.
    """

    compared_with: ClassVar[str]

    @staticmethod
    @abstractmethod
    def hugging_face(case: Case) -> Expected:
        """Return what the Hugging Face module has and computes."""

    @staticmethod
    @abstractmethod
    def make(step: Any, case: Case) -> Module[..., Any]:
        """Make the reader's module."""

    def run(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> Any:
        """Call the reader's module, once for all the checks that look at the output."""
        if case not in outputs:
            expected = self.hugging_face(case)
            module = build(lambda: self.make(step, case), expected.weights, device)
            inputs = [tensor(array, device) for array in expected.inputs]
            outputs[case] = call(module, inputs)
        return outputs[case]

    @each_case
    def test_parameters(self, step: Any, case: Case) -> None:
        """parameters: the names and shapes of {compared_with}"""
        module = construct(lambda: self.make(step, case))
        assert_parameters(module, self.hugging_face(case).weights)

    @each_case
    def test_output_shape(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> None:
        """output shape: that of {compared_with}"""
        output = self.run(step, case, device, outputs)
        assert_shape(output, self.hugging_face(case).output)

    @each_case
    def test_same_numbers(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> None:
        """same numbers as {compared_with}"""
        output = self.run(step, case, device, outputs)
        assert_same(output, self.hugging_face(case), device)
