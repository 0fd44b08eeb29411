"""The checks that every step with a module has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import pytest
from max.driver import Device
from max.experimental.nn import Module

from course.check.answers import Expected
from course.check.attempt import Attempt
from course.check.building import (
    assert_parameters,
    call,
    construct,
    load,
    shapes_of,
    tensor,
)
from course.check.cases import CASES, Case, one_of_each_size, shorter
from course.check.compare import agree, assert_same, assert_shape, tolerance_on
from course.check.explaining import explained
from course.check.failure import CheckFailed


@dataclass
class Tried:
    """What was made of the reader's code, kept for all the checks of a step.

    Attributes:
        modules: The reader's modules as constructed, by size.
        loaded: The same with the weights of Hugging Face.
        outputs: What they returned, by case.
    """

    modules: dict[str, Module[..., Any]] = field(default_factory=dict)
    loaded: dict[str, Module[..., Any]] = field(default_factory=dict)
    outputs: dict[Case, Any] = field(default_factory=dict)


class ModuleCheck(ABC):
    """Compares the reader's module with a module of Hugging Face, weights equal.

    Attributes:
        number: The number of the step.
        compared_with: The Hugging Face module, as the report names it.
        cases: The models and inputs on which it is compared.
    """

    number: ClassVar[int]
    compared_with: ClassVar[str]
    cases: ClassVar[Sequence[Case]] = CASES

    @staticmethod
    @abstractmethod
    def hugging_face(case: Case) -> Expected:
        """Return what the Hugging Face module has and computes."""

    @staticmethod
    @abstractmethod
    def make(step: Any, case: Case) -> Module[..., Any]:
        """Make the reader's module."""

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each check below the cases that it is about."""
        cases = {
            "test_parameters": one_of_each_size(self.cases),
            "test_output_shape": shorter(self.cases),
            "test_same_numbers": self.cases,
        }
        if "case" in metafunc.fixturenames:
            metafunc.parametrize("case", cases[metafunc.function.__name__], ids=str)

    def construct(self, step: Any, case: Case, tried: Tried) -> Module[..., Any]:
        """Make the reader's module, once for each size."""
        if case.size not in tried.modules:
            tried.modules[case.size] = construct(lambda: self.make(step, case))
        return tried.modules[case.size]

    def load(
        self, step: Any, case: Case, device: Device, tried: Tried
    ) -> Module[..., Any]:
        """The reader's module with the weights of Hugging Face."""
        if case.size not in tried.loaded:
            module = self.construct(step, case, tried)
            weights = self.hugging_face(case).weights
            tried.loaded[case.size] = load(module, weights, device)
        return tried.loaded[case.size]

    def run(self, step: Any, case: Case, device: Device, tried: Tried) -> Any:
        """Call the reader's module, once for all the checks that look at the output."""
        if case not in tried.outputs:
            module = self.load(step, case, device, tried)
            inputs = [tensor(x, device) for x in self.hugging_face(case).inputs]
            tried.outputs[case] = call(module, inputs)
        return tried.outputs[case]

    def attempt(self, step: Any, case: Case, device: Device, tried: Tried) -> Attempt:
        """What explaining a wrong output in this case may look at."""
        cases = dict.fromkeys([*shorter(CASES), case])
        tolerance = case.rounding * tolerance_on(device)
        return Attempt(
            self.number,
            step,
            device,
            {case: self.hugging_face(case) for case in cases},
            output=lambda case: self.run(step, case, device, tried),
            module=lambda case: self.load(step, case, device, tried),
            close=lambda one, other: agree(one, other, tolerance),
        )

    def test_parameters(self, step: Any, case: Case, tried: Tried) -> None:
        """parameters: the names and shapes of {compared_with}"""
        module = self.construct(step, case, tried)
        try:
            assert_parameters(module, self.hugging_face(case).weights)
        except CheckFailed as failed:
            raise self.explain_parameters(failed, step, case, module) from None

    def explain_parameters(
        self, failed: CheckFailed, step: Any, case: Case, module: Module[..., Any]
    ) -> CheckFailed:
        """Compare with known mistakes, in this case and in the others."""
        from course.check.mistakes.explain import explain_parameters
        from course.check.mistakes.parameters import Parameters

        found = [
            Parameters(
                one.sizes,
                {k: list(w.shape) for k, w in self.hugging_face(one).weights.items()},
                shapes_of(construct(partial(self.make, step, one))),
            )
            for one in (case, *one_of_each_size(self.cases))
        ]
        return explain_parameters(failed, self.number, step, module, found)

    def test_output_shape(
        self, step: Any, case: Case, device: Device, tried: Tried
    ) -> None:
        """output shape: that of {compared_with}"""
        with explained(self.attempt(step, case, device, tried)):
            output = self.run(step, case, device, tried)
            assert_shape(output, self.hugging_face(case).output)

    def test_same_numbers(
        self, step: Any, case: Case, device: Device, tried: Tried
    ) -> None:
        """same numbers as {compared_with}"""
        with explained(self.attempt(step, case, device, tried)):
            output = self.run(step, case, device, tried)
            expected = self.hugging_face(case)
            assert_same(output, expected, device, times=case.rounding)
