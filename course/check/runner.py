"""Running checks in a worker process, and hearing what it has to say."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course.check.result import Check, StepResult
from course.steps import ROOT, Step, from_root

TIME_LIMIT = 20.0  # Seconds that one check may run, compiling not counted.
SILENCE = 60.0  # Seconds without any sign of life.


@dataclass(frozen=True)
class Doing:
    """What the worker is busy with.

    Attributes:
        what: "start", "run", "compile" or "reference".
        step: The number of the step being checked.
    """

    what: str
    step: int


def run_checks(
    steps: Sequence[Step],
    *,
    file: Path | None = None,
    solutions: bool = False,
    device: str = "auto",
    time_limit: float | None = None,
) -> Iterator[Doing | StepResult]:
    """Check steps in a new process.

    Yields:
        A `Doing` twice a second, and a `StepResult` for every step.
    """
    if time_limit is None:
        time_limit = float(os.environ.get("COURSE_TIME_LIMIT", TIME_LIMIT))
    waiting = list(steps)
    while waiting:
        ended: _Ended | None = None
        for event in _run_worker(waiting, file, solutions, device, time_limit):
            if isinstance(event, StepResult):
                waiting = [step for step in waiting if step.number != event.step]
            if isinstance(event, _Ended):
                ended = event
            else:
                yield event
        if not waiting:
            return
        # The worker ended in the middle of a step: that step is to blame.
        assert ended is not None
        step = next((s for s in waiting if s.number == ended.step), waiting[0])
        yield _explain(step, ended, file, solutions, time_limit)
        waiting = waiting[waiting.index(step) + 1 :]


@dataclass(frozen=True)
class _Ended:
    """The worker process is gone.

    Attributes:
        step: The step that it was checking.
        name: The check that it was in.
        status: Its exit status; negative for a signal.
        frames: Where the main thread was, if it was stopped for its endless loop.
        output: The end of what it printed.
    """

    step: int
    name: str
    status: int
    frames: list[tuple[str, int]]
    output: str


def _run_worker(
    steps: Sequence[Step],
    file: Path | None,
    solutions: bool,
    device: str,
    time_limit: float,
) -> Iterator[Doing | StepResult | _Ended]:
    read_end, write_end = os.pipe()
    command = [sys.executable, "-m", "course.check.worker"]
    command += [str(write_end), str(time_limit), f"--device={device}"]
    command += ["--solutions"] if solutions else []
    command += [f"--file={file}"] if file else []
    command += [str(step.check) for step in steps]
    environment = dict(os.environ, PYTHONUTF8="1")
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])
    )
    process = subprocess.Popen(
        command,
        pass_fds=[write_end],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    os.close(write_end)
    state: dict[str, Any] = {"step": steps[0].number, "name": "", "frames": []}
    output = b""
    try:
        yield Doing("start", steps[0].number)
        for source, data in _read(process, read_end):
            if source == "output":
                output = (output + data)[-20_000:]
                continue
            event = json.loads(data)
            if event["event"] == "check":
                state.update(step=event["step"], name=event["name"])
            elif event["event"] == "stuck":
                state["frames"] = event["frames"]
            elif event["event"] == "doing":
                yield Doing(event["what"], state["step"])
            elif event["event"] == "result":
                yield StepResult.from_dict(event["result"])
        status = process.wait()
    finally:
        os.close(read_end)
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    yield _Ended(status=status, output=output.decode(errors="replace"), **state)


def _read(process: subprocess.Popen[bytes], events: int) -> Iterator[tuple[str, bytes]]:
    """Read the worker's output and, line by line, its events, until it ends."""
    assert process.stdout is not None
    pending = b""
    heard = time.monotonic()
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, "output")
        selector.register(events, selectors.EVENT_READ, "events")
        while selector.get_map():
            for key, _ in selector.select(timeout=1.0):
                data = os.read(key.fd, 65_536)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.data == "output":
                    yield "output", data
                else:
                    heard = time.monotonic()
                    *lines, pending = (pending + data).split(b"\n")
                    for line in lines:
                        yield "event", line
            if time.monotonic() - heard > SILENCE:
                os.killpg(process.pid, signal.SIGKILL)
                return
            if process.poll() is not None and not selector.select(timeout=0):
                return  # A child of the worker may still hold the pipes.


def _explain(
    step: Step, ended: _Ended, file: Path | None, solutions: bool, limit: float
) -> StepResult:
    """Say why a worker ended without a result."""
    path = step.solution if solutions else file or step.skeleton
    shown = from_root(path)
    check = Check(ended.name or "the check starts", passed=False)
    if ended.frames:
        own = [line for name, line in ended.frames if Path(name) == path]
        check.short = "no end"
        where = f", last seen at line {own[0]}" if own else ""
        check.message = f"{shown} was still running after {limit:g} seconds{where}."
        if own:
            check.message += f"\n    {own[0]} │ {_line(path, own[0])}"
            check.message += "\nIs there a loop that never ends?"
    elif ended.status < 0:
        name = signal.Signals(-ended.status).name
        check.short = "Python crashed"
        check.message = (
            f"Python itself crashed ({name}) while running {shown}. Most often an "
            "index is beyond the end of a table: a token ID not below vocab_size, a "
            "position not below n_positions."
        )
    else:
        check.short = "the check ended early"
        check.message = (
            f"The check ended with status {ended.status} before it was done. Does "
            f"{shown} call os._exit()? Its last words:\n{ended.output[-800:].strip()}"
        )
    return StepResult(step.number, step.title, shown, [check])


def _line(path: Path, number: int) -> str:
    try:
        return path.read_text(encoding="utf-8").splitlines()[number - 1].strip()
    except (OSError, IndexError):
        return ""
