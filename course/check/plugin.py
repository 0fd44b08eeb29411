"""The pytest plugin that turns `tests/test_step_NN.py` into a report for the reader."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from max.driver import Device, accelerator_count
from max.dtype import DType
from max.experimental.tensor import default_device, default_dtype

from course.check.answers import ask_all
from course.check.compare import CheckFailed, NotThere
from course.check.loading import StepCannotLoad, load_step, read_source
from course.check.module_check import Tried
from course.check.report import print_report
from course.check.result import Check, StepResult
from course.check.tracebacks import in_few_words
from course.runtime import find_device
from course.skeleton import open_todos
from course.steps import Step, from_root, get_step

RESULTS = pytest.StashKey[dict[int, StepResult]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that `course check` has too."""
    group = parser.getgroup("course", "checks of the course's steps")
    group.addoption(
        "--solutions",
        action="store_true",
        help="check the solutions instead of the reader's files in steps/",
    )
    group.addoption("--file", help="check this file instead (with one step only)")
    group.addoption(
        "--device", default="auto", help="where to compute: auto, cpu or gpu"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Make room for what the checks find."""
    config.addinivalue_line("markers", "gpu: needs an accelerator that MAX can use")
    config.stash[RESULTS] = {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs an accelerator where there is none."""
    if accelerator_count() == 0:
        skip = pytest.mark.skip(reason="MAX finds no accelerator on this machine")
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


def step_of(path: Path) -> Step | None:
    """The step that a test file checks, or None if it is another kind of test."""
    match = re.fullmatch(r"test_step_(\d\d)\.py", path.name)
    return get_step(int(match[1])) if match else None


def checked_file(config: pytest.Config, step: Step) -> Path:
    """The file that is checked as this step."""
    if config.getoption("--solutions"):
        return step.solution
    file = config.getoption("--file")
    return Path(file) if file else step.skeleton


class CheckedStep:
    """The reader's module; a name that it lacks is explained, not raised."""

    def __init__(self, module: ModuleType, path: Path) -> None:
        self._module = module
        self._path = path

    def __getattr__(self, name: str) -> Any:
        try:
            return getattr(self._module, name)
        except AttributeError:
            raise CheckFailed(
                f"{from_root(self._path)} defines no `{name}`. Was it renamed? The "
                "name must stay as the skeleton has it."
            ) from None


@pytest.fixture(scope="module")
def step(request: pytest.FixtureRequest) -> CheckedStep:
    """The file that is checked, imported as a step."""
    step = step_of(request.path)
    assert step is not None
    ask_all(request.module.__name__)
    path = checked_file(request.config, step)
    return CheckedStep(load_step(step, path), path)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Device:
    """Where the step computes."""
    return find_device(request.config.getoption("--device"))


@pytest.fixture(scope="module")
def tried() -> Tried:
    """What was made of the reader's module, for all the checks of its step."""
    return Tried()


@pytest.fixture(autouse=True)
def _defaults(request: pytest.FixtureRequest) -> Iterator[None]:
    """Make float32 and the chosen device MAX's defaults while a step is checked."""
    if step_of(request.path) is None:
        yield
        return
    with (
        default_device(request.getfixturevalue("device")),
        default_dtype(DType.float32),
    ):
        yield


def check_name(item: pytest.Item) -> str:
    """The first line of the check's docstring, which is what the report calls it."""
    function = getattr(item, "function", None)
    text = (getattr(function, "__doc__", None) or item.name).strip()
    compared_with = getattr(getattr(item, "cls", None), "compared_with", "")
    return text.format(compared_with=compared_with)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what comes after the first failure in a step."""
    step = step_of(item.path)
    if step is None:
        return
    result = item.config.stash[RESULTS].get(step.number)
    if result and result.first_failure:
        pytest.skip("not reached")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Iterator[None]:
    """Note what each check found, in the reader's words instead of a traceback."""
    report: pytest.TestReport = yield  # type: ignore[assignment]
    step = step_of(item.path)
    if step is None:
        return report  # type: ignore[return-value]
    path = checked_file(item.config, step)
    results = item.config.stash[RESULTS]
    result = results.setdefault(
        step.number, StepResult(step.number, step.title, from_root(path))
    )
    name = check_name(item)
    if call.excinfo is None:
        if call.when == "call":
            result.add(Check(name, passed=True, printed=_printed(report)))
    elif report.skipped and _does_not_apply(item, call):
        result.add(Check(name, passed=False, left_out=str(call.excinfo.value)))
    elif report.skipped:
        result.add(Check(name, passed=False, message="not reached", reached=False))
    else:
        check = explain(name, call.excinfo.value, step, path)
        check.printed = _printed(report)
        result.add(check)
        report.longrepr = check.plain_message
    return report  # type: ignore[return-value]


def _does_not_apply(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    """Whether a check that was skipped said so itself, before it began.

    The reader's code may not: that it skips its own check does not make it right.
    """
    step = step_of(item.path)
    assert step is not None
    failed = item.config.stash[RESULTS][step.number].first_failure
    marked = item.get_closest_marker("skip") or item.get_closest_marker("skipif")
    return bool(marked) and call.when == "setup" and not failed


def _printed(report: pytest.TestReport) -> str:
    return "".join(text for _, text in report.sections)


def explain(name: str, error: BaseException, step: Step, path: Path) -> Check:
    """Say in the reader's words why a check failed."""
    if isinstance(error, StepCannotLoad):
        return Check(name, passed=False, message=str(error), short="cannot be read")
    todos = open_todos(step, read_source(step, path))
    check = Check(name, passed=False, message="")
    if isinstance(error, CheckFailed):
        check.message, check.mistake = str(error), error.mistake
        check.short = error.short
    else:
        check.message, check.short = in_few_words(error, path)
    if todos:
        check.todo = [f"line {number}: {todo.todo}" for number, todo in todos]
        if not _is_news(check, error):
            check.message, check.mistake, check.short = "", None, "not done yet"
    return check


def _is_news(check: Check, error: BaseException) -> bool:
    """Whether more is wrong than that something is not there yet, and still None."""
    if isinstance(error, CheckFailed):
        return check.mistake is not None and not isinstance(error, NotThere)
    return "None" not in str(error)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the same report as `course check`."""
    for result in config.stash[RESULTS].values():
        if not result.passed:
            print_report(result)
