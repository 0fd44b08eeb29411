"""The pytest plugin that turns `tests/test_step_NN.py` into a report for the reader."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from max.driver import Device, accelerator_count
from max.dtype import DType
from max.experimental.tensor import default_device, default_dtype

from course.check.answers import ask_all
from course.check.failure import CheckFailed
from course.check.kernel.run import Kernel, as_written
from course.check.loading import load_step
from course.check.module_check import Tried
from course.check.report import print_report
from course.check.result import Check, StepResult
from course.check.tracebacks import in_few_words
from course.check.unfinished import Form, Unfinished, look
from course.runtime import find_device
from course.source import StepCannotLoad, read_step
from course.steps import ALL_STEPS, Step, StepId, from_root

RESULTS = pytest.StashKey[dict[StepId, StepResult]]()
UNFINISHED = pytest.StashKey[dict[StepId, Unfinished | None]]()
KERNELS = pytest.StashKey[dict[StepId, Kernel]]()


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
    config.addinivalue_line("markers", "at_the_end: takes long; waits for every TODO")
    config.addinivalue_line("markers", "about(*places): waits until one has been begun")
    config.stash[RESULTS] = {}
    config.stash[UNFINISHED] = {}
    config.stash[KERNELS] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Check a step with open TODOs in two forms."""
    step = step_of(Path(metafunc.module.__file__))
    if step is None or "step" not in metafunc.fixturenames:
        return
    if unfinished := unfinished_step(metafunc.config, step):
        metafunc.parametrize("step", unfinished.forms, indirect=True, scope="module")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sort by form; leave out what needs an accelerator where there is none."""
    paths = list(dict.fromkeys(item.path for item in items))
    items.sort(key=lambda i: (paths.index(i.path), form_of(i) == Form.COMPLETED))
    if accelerator_count() == 0:
        reason = "MAX finds no accelerator: `make test-gpu` on a machine that has one"
        skip = pytest.mark.skip(reason=reason)
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(skip)


def step_of(path: Path) -> Step | None:
    """The step that a test file checks, or None if it is another kind of test."""
    return next((step for step in ALL_STEPS if step.check.name == path.name), None)


def checked_files(config: pytest.Config, step: Step) -> dict[Step, Path]:
    """The file that is checked as each part of this step."""
    if config.getoption("--solutions"):
        return {part: part.solution for part in step.parts}
    file = config.getoption("--file")
    return step.files(Path(file) if file else None)


def checked_file(config: pytest.Config, step: Step) -> Path:
    """The Python file that is checked as this step."""
    return checked_files(config, step)[step]


def unfinished_step(config: pytest.Config, step: Step) -> Unfinished | None:
    """What there is to know of the open TODOs of a step, None if there are none."""
    known = config.stash[UNFINISHED]
    if step.number not in known:
        solutions = config.getoption("--solutions")
        known[step.number] = (
            None if solutions else look(step, checked_files(config, step))
        )
    return known[step.number]


def form_of(item: pytest.Item) -> Form:
    """The form in which a check gets the step."""
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("step", Form.FINISHED) if callspec else Form.FINISHED


class CheckedStep:
    """The reader's module; a name that it lacks is explained, not raised.

    Attributes:
        finished: Whether what goes wrong is a mistake, and not perhaps an open TODO.
        kernel: The Mojo file, if the step has one.
    """

    def __init__(
        self,
        module: ModuleType,
        path: Path,
        *,
        finished: bool,
        kernel: Kernel | None = None,
    ) -> None:
        self._module = module
        self._path = path
        self.finished = finished
        self.kernel = kernel

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
    form = getattr(request, "param", Form.FINISHED)
    unfinished = unfinished_step(request.config, step)
    completed = unfinished.completed if unfinished else None
    tree = completed.tree if completed and form == Form.COMPLETED else None
    module = load_step(step, path, tree)
    kernel = kernel_of(request.config, step)
    return CheckedStep(module, path, finished=form != Form.AS_WRITTEN, kernel=kernel)


def kernel_of(config: pytest.Config, step: Step) -> Kernel | None:
    """The Mojo file of a step, if it has one."""
    known = config.stash[KERNELS]
    if step.mojo and step.number not in known:
        path = checked_files(config, step)[step.mojo]
        unfinished = unfinished_step(config, step)
        mojo = unfinished.mojo if unfinished else None
        known[step.number] = (
            Kernel(path, mojo.text, mojo.numbers, mojo.places)
            if mojo
            else as_written(path, read_step(step.mojo, path))
        )
    return known.get(step.number)


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> Device:
    """Where the step computes."""
    return find_device(request.config.getoption("--device"))


@pytest.fixture(scope="module")
def tried(step: CheckedStep) -> Tried:
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
    """Skip what need not be checked, or cannot be."""
    step = step_of(item.path)
    if step is None:
        return
    result = result_of(item.config, step)
    has_failed = result.first_failure is not None
    match form_of(item):
        case Form.FINISHED:
            skip = has_failed
        case Form.AS_WRITTEN:
            skip = has_failed and takes_long(item)
        case Form.COMPLETED:
            unfinished = unfinished_step(item.config, step)
            assert unfinished is not None
            result.sure = result.sure and not takes_long(item)
            is_open = case_of(item) in unfinished.failed and result.not_done
            skip = takes_long(item) or not is_open or not is_begun(item, unfinished)
    if skip:
        pytest.skip("not reached")


def result_of(config: pytest.Config, step: Step) -> StepResult:
    """What was found about a step so far."""
    known = config.stash[RESULTS]
    if step.number not in known:
        given = config.getoption("--file")
        file = from_root(Path(given) if given else checked_file(config, step))
        result = known[step.number] = StepResult(step.number, step.title, file)
        if unfinished := unfinished_step(config, step):
            result.todo, result.done = unfinished.todo, unfinished.done
            result.later = unfinished.later
    return known[step.number]


def takes_long(item: pytest.Item) -> bool:
    """Whether a check is only worth its time when all TODOs are done."""
    return item.get_closest_marker("at_the_end") is not None


def is_begun(item: pytest.Item, unfinished: Unfinished) -> bool:
    """Whether the reader has begun anything that a check is about, if it says so."""
    mark = item.get_closest_marker("about")
    begun = {place.split()[0] for place in (*unfinished.done, *unfinished.later)}
    return mark is None or not begun.isdisjoint(mark.args)


def case_of(item: pytest.Item) -> str:
    """The same text for a check in both forms."""
    assert isinstance(item, pytest.Function)
    given = {k: v for k, v in item.callspec.params.items() if k != "step"}
    return f"{item.originalname} {given}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what each check found, in the reader's words instead of a traceback."""
    report = yield
    step = step_of(item.path)
    if step is None:
        return report
    result, name = result_of(item.config, step), check_name(item)
    if call.excinfo and not report.skipped:
        check = note_failure(item, step, call.excinfo.value)
        check.printed = _printed(report)
        report.longrepr = check.message or check.short
    elif form_of(item) == Form.COMPLETED:
        pass  # As it should be: it is done already, or only not done yet.
    elif call.excinfo and _does_not_apply(item, call):
        result.add(Check(name, passed=False, left_out=str(call.excinfo.value)))
    elif call.excinfo:
        result.add(Check(name, passed=False, message="not reached", reached=False))
    elif call.when == "call":
        told = dict(report.user_properties)
        says = str(told.pop("says", ""))
        result.measured |= {unit: float(str(told[unit])) for unit in told}
        result.add(Check(name, passed=True, message=says, printed=_printed(report)))
    return report


def _does_not_apply(item: pytest.Item, call: pytest.CallInfo[None]) -> bool:
    """Whether a check that was skipped said so itself, before it began.

    The reader's code may not: that it skips its own check does not make it right.
    """
    step = step_of(item.path)
    assert step is not None
    failed = result_of(item.config, step).first_failure
    marked = item.get_closest_marker("skip") or item.get_closest_marker("skipif")
    return bool(marked) and call.when == "setup" and not failed


def note_failure(item: pytest.Item, step: Step, error: BaseException) -> Check:
    """Note that a check failed, and why."""
    path, name = checked_file(item.config, step), check_name(item)
    unfinished = unfinished_step(item.config, step)
    result, form = result_of(item.config, step), form_of(item)
    cannot_load = isinstance(error, StepCannotLoad)
    if unfinished and form == Form.AS_WRITTEN and not cannot_load:
        unfinished.failed.add(case_of(item))
        check = Check(name, passed=False, short="not done yet", open=True)
        result.add(check)
        return check
    check = explain(name, error, path)
    if unfinished is None or form == Form.FINISHED or cannot_load:
        result.add(check)
    elif unfinished.is_unknown(error, path):
        result.sure = False
    else:
        result.replace(check)
    return check


def _printed(report: pytest.TestReport) -> str:
    return "".join(text for _, text in report.sections)


def explain(name: str, error: BaseException, path: Path) -> Check:
    """Say in the reader's words why a check failed."""
    if isinstance(error, StepCannotLoad):
        return Check(name, passed=False, message=str(error), short="cannot be read")
    if isinstance(error, CheckFailed):
        message, short = str(error), error.short
        return Check(
            name, passed=False, message=message, mistake=error.mistake, short=short
        )
    message, short = in_few_words(error, path)
    return Check(name, passed=False, message=message, short=short)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print the same report as `course check`."""
    for result in config.stash[RESULTS].values():
        if not result.passed:
            print_report(result)
