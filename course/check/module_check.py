"""The checks that every step with a module has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import pytest
from max.driver import Device
from max.experimental.nn import Module

from course.check.answers import Expected
from course.check.cases import (
    CASES,
    ONE_CASE_OF_EACH_SIZE,
    SHORTER_CASES,
    Case,
)
from course.check.compare import (
    Attempt,
    CheckFailed,
    assert_parameters,
    assert_same,
    assert_shape,
    build,
    call,
    construct,
    explained,
    shapes_of,
    tensor,
)

each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_size = pytest.mark.parametrize("case", ONE_CASE_OF_EACH_SIZE, ids=str)
each_shorter_case = pytest.mark.parametrize("case", SHORTER_CASES, ids=str)


class ModuleCheck(ABC):
    """Compares the reader's module with a module of Hugging Face, weights equal.

    Attributes:
        number: The number of the step.
        compared_with: The Hugging Face module, as the report names it.
    """

    number: ClassVar[int]
    compared_with: ClassVar[str]

    @staticmethod
    @abstractmethod
    def hugging_face(case: Case) -> Expected:
        """Return what the Hugging Face module has and computes."""

    @staticmethod
    @abstractmethod
    def make(step: Any, case: Case) -> Module[..., Any]:
        """Make the reader's module."""

    def build(self, step: Any, case: Case, device: Device) -> Module[..., Any]:
        """Make the reader's module, with the weights of Hugging Face."""
        weights = self.hugging_face(case).weights
        return build(lambda: self.make(step, case), weights, device)

    def run(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> Any:
        """Call the reader's module, once for all the checks that look at the output."""
        if case not in outputs:
            module = self.build(step, case, device)
            inputs = self.hugging_face(case).inputs
            outputs[case] = call(module, [tensor(array, device) for array in inputs])
        return outputs[case]

    def attempt(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> Attempt:
        """What explaining a wrong output in this case may look at."""
        cases = dict.fromkeys([*SHORTER_CASES, case])
        return Attempt(
            self.number,
            step,
            device,
            {case: self.hugging_face(case) for case in cases},
            output=lambda case: self.run(step, case, device, outputs),
            module=lambda case: self.build(step, case, device),
        )

    @each_size
    def test_parameters(self, step: Any, case: Case) -> None:
        """parameters: the names and shapes of {compared_with}"""
        module = construct(lambda: self.make(step, case))
        try:
            assert_parameters(module, self.hugging_face(case).weights)
        except CheckFailed as failed:
            raise self.explain_parameters(failed, step, case) from None

    def explain_parameters(
        self, failed: CheckFailed, step: Any, case: Case
    ) -> CheckFailed:
        """Compare with known mistakes, in this case and in the others."""
        from course.check.mistakes.explain import explain_parameters
        from course.check.mistakes.search import Parameters

        found = [
            Parameters(
                one.sizes,
                {k: list(w.shape) for k, w in self.hugging_face(one).weights.items()},
                shapes_of(construct(lambda one=one: self.make(step, one))),  # type: ignore[misc]
            )
            for one in (case, *ONE_CASE_OF_EACH_SIZE)
        ]
        return explain_parameters(failed, self.number, step, found)

    @each_shorter_case
    def test_output_shape(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> None:
        """output shape: that of {compared_with}"""
        with explained(self.attempt(step, case, device, outputs)):
            output = self.run(step, case, device, outputs)
            assert_shape(output, self.hugging_face(case).output)

    @each_case
    def test_same_numbers(
        self, step: Any, case: Case, device: Device, outputs: dict[Case, Any]
    ) -> None:
        """same numbers as {compared_with}"""
        with explained(self.attempt(step, case, device, outputs)):
            output = self.run(step, case, device, outputs)
            assert_same(output, self.hugging_face(case), device)
