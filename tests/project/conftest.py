"""What the project's tests share."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

from course.book import find_mdbook
from course.steps import DEMO_MODEL, ROOT
from tests.project import whole_run
from tests.project.browser import (
    FLAGS,
    NO_BROWSER,
    NO_FIREFOX,
    Visit,
    file_server,
    find_chromium,
    find_firefox,
)
from tests.project.mutants.warm_checks import WarmChecks
from tests.project.serving import Served

# The same examples each time: what fails here fails everywhere.
settings.register_profile("project", derandomize=True, deadline=None, database=None)
settings.load_profile("project")


def pytest_addoption(parser):
    """Add the option of `make test-all`."""
    parser.addoption("--thorough", action="store_true", help="run what takes long, too")


def pytest_configure(config):
    """Say what the marks mean; keep the order of the tests in all processes."""
    for mark in whole_run.MARKS:
        config.addinivalue_line("markers", mark)
    config.option.loadscopereorder = False


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """How many processes `-n auto` starts."""
    return whole_run.processes()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes():
    """Start them with the variables of this one, without those that MAX has set."""
    for name in ("PYTHONEXECUTABLE", "PYTHONPATH"):
        os.unsetenv(name)
        if name in os.environ:
            os.putenv(name, os.environ[name])
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # torch: each has one core.


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Give each group to the next process that is free."""
    from xdist.scheduler import LoadScopeScheduling

    scheduler = LoadScopeScheduling(config, log)
    scheduler._split_scope = whole_run.group_of
    return scheduler


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Leave out what takes long, unless it is asked for; put the long groups first."""
    if not config.getoption("--thorough", default=False):
        whole_run.leave_out(items)
    whole_run.arrange(items)


def pytest_terminal_summary(terminalreporter):
    """Say what did not run, why, and what makes it run."""
    if left_out := whole_run.reasons(terminalreporter.getreports("skipped")):
        terminalreporter.section("not run")
        for reason, count in left_out:
            terminalreporter.line(f"{count:5}  {reason}")


@pytest.fixture(scope="session", autouse=True)
def _notes_of_nobody(tmp_path_factory):
    """Keep what passes here out of the notes of who runs the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


class Ran:
    """A command that has ended."""

    def __init__(self, process):
        self.status = process.returncode
        self.out = process.stdout.decode()
        self.err = process.stderr.decode()
        self.both = self.out + self.err


@pytest.fixture(scope="session")
def course():
    """Run `course` as a user does: in a process of its own, from another folder."""

    def run(*arguments, cwd="/", timeout=600, **environment):
        process = subprocess.run(
            [sys.executable, "-m", "course", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, "COLUMNS": "100", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout,
            check=False,
        )
        ran = Ran(process)
        assert "Traceback" not in ran.both, ran.both
        return ran

    return run


@pytest.fixture(scope="session")
def checks():
    """A warm process that checks files."""
    with WarmChecks() as warm:
        yield warm


@pytest.fixture(scope="session")
def demo():
    """The demo model as the course reads it."""
    from course.model.checkpoint import open_checkpoint

    return open_checkpoint(str(DEMO_MODEL))


@pytest.fixture(scope="session")
def solutions():
    """The code of the solutions that generating needs."""
    from course.model.modules import load_code

    return load_code("solutions")


@pytest.fixture(scope="session")
def on_kernels(solutions):
    """Compile a model on the Mojo kernels: a decoder of step 15."""
    from max.driver import CPU

    from course.model.compile import compile_kernels
    from course.model.kernel_package import package

    def decoder(checkpoint, dtype="float32"):
        config = checkpoint.config
        model = compile_kernels(checkpoint, solutions, package(), dtype)
        capacity = min(config.n_positions, 256)
        return solutions.cache.Decoder(model, config, capacity=capacity, device=CPU())

    return decoder


@pytest.fixture(scope="session")
def fast_demo(demo, on_kernels):
    """The demo model on the Mojo kernels."""
    return on_kernels(demo)


@pytest.fixture(scope="session")
def logits_after(demo):
    """The solutions' logits for what follows a text, one operation at a time."""
    from max.driver import CPU

    from course.model.compile import build_whole_sequence
    from course.model.modules import load_code
    from course.runtime import prepare

    prepare()
    code = load_code("solutions")
    model = build_whole_sequence(demo, code, CPU())

    def logits(text):
        ids = code.generation.encode_text(text, demo.tokenizer, device=CPU())
        return model(ids).to_numpy()[0, -1].astype(np.float64)

    return logits


@pytest.fixture(scope="session")
def built(tmp_path_factory):
    """The folder of the built book."""
    folder = tmp_path_factory.mktemp("book")
    subprocess.run(
        [find_mdbook(), "build", str(ROOT / "book"), "--dest-dir", str(folder)],
        check=True,
        capture_output=True,
    )
    return folder


@pytest.fixture(scope="session")
def book_server(built):
    """The address of the built book on a server."""
    with file_server(built) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def served():
    """One `course serve` for all tests of a file that leave it as it was.

    Not for the session: also when nobody asks, MAX's threads take a part of a core.
    """
    with Served() as running:
        yield running


@pytest.fixture(scope="module")
def server(served):
    """Its address."""
    return served.address


@pytest.fixture(scope="module")
def complete(served):
    """Ask it for a completion: greedy, unless said otherwise."""
    client = served.client()

    def ask(**values):
        values = {"model": "demo", "temperature": 0, "max_tokens": 12, **values}
        values.setdefault("prompt", "Once upon a time")
        return client.completions.create(**values)

    return ask


@pytest.fixture(scope="module")
def playwright():
    """What drives the browsers; without it, the tests in them are skipped."""
    reason = "playwright is missing: `make setup` installs it"
    api = pytest.importorskip("playwright.sync_api", reason=reason)
    with api.sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def firefox(playwright):
    """The system's Firefox; without one, the tests that ask for it are skipped."""
    path = find_firefox()
    if path is None:
        pytest.skip(NO_FIREFOX)
    # Not Playwright's own build, but any, over WebDriver BiDi.
    running = playwright.firefox.launch(channel="moz-firefox", executable_path=path)
    try:
        running.new_context().close()
    except Exception as error:
        if "unknown command" not in str(error):
            raise
        pytest.skip(f"this Playwright needs a newer Firefox than {running.version}")
    return running


@pytest.fixture(scope="module")
def browser(playwright):
    """Chromium; without it, the tests that ask for it are skipped."""
    path = find_chromium()
    if path is None:
        pytest.skip(NO_BROWSER)
    return playwright.chromium.launch(executable_path=path, args=FLAGS)


@pytest.fixture
def visit(browser, server):
    """Open pages of `server`; nothing may go wrong on any of them."""
    contexts = []

    def start(base=server, width=1280, **options):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, **options)
        context.add_init_script("window.print = () => {}")
        contexts.append((context, Visit(context, base)))
        return contexts[-1][1]

    yield start
    for context, visited in contexts:
        context.close()
        assert not visited.faults


def solution_with(number: int, old: str, new: str, folder: Path) -> Path:
    """Write a solution with one change, and return its path."""
    source = (ROOT / "solutions" / f"solution_{number:02d}.py").read_text()
    assert source.count(old) == 1, f"{old!r} stands {source.count(old)} times"
    path = folder / f"changed_{number:02d}.py"
    path.write_text(source.replace(old, new))
    return path
