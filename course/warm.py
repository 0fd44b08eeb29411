"""What the checks need once: compiled kernels, and Hugging Face's answers.

MAX compiles an eager operation when it is first used: about 15 seconds each on one
core, then kept on disk for every shape. `max warm-interpreter-cache` compiles all of
more than a thousand; a GPT-2 and its KV cache need eighteen.
"""

from __future__ import annotations

import contextlib
import importlib.util
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from course.errors import CourseError
from course.process.pool import process_pool
from course.process.signals import first_to_end, what_ended
from course.resources import free_memory, usable_cores
from course.runtime import find_device, prepare
from course.stamps import stamp
from course.steps import Step, StepId

MEMORY = 1_600_000_000
"""What compiling one operation takes at most, in bytes: 1,444 MiB were measured."""


@dataclass(frozen=True)
class Kernel:
    """An operation that the checks use, and what it takes to have it compiled.

    Attributes:
        name: How progress and stamps call it.
        steps: The steps whose solutions use it.
        run: Uses it once, on the device given.
        seconds: What compiling it takes on one core of the author's machine.
    """

    name: str
    steps: frozenset[StepId]
    run: Callable[[Any], object]
    seconds: float = 15.0


def _floats(device: Any, *shape: int) -> Any:
    import numpy as np
    from max.experimental.tensor import Tensor

    return Tensor(np.ones(shape, np.float32)).to(device)


def _ids(device: Any, *shape: int) -> Any:
    import numpy as np
    from max.experimental.tensor import Tensor

    return Tensor(np.zeros(shape, np.int64)).to(device)


def _matmul(device: Any) -> object:
    return _floats(device, 2, 3, 4) @ _floats(device, 4, 3)


def _add(device: Any) -> object:
    return _floats(device, 2, 3) + _floats(device, 2, 3)


def _divide(device: Any) -> object:
    return _floats(device, 2, 3) / _floats(device, 2, 3)


def _transpose(device: Any) -> object:
    return _floats(device, 2, 3).transpose(0, 1)


def _broadcast(device: Any) -> object:
    return _floats(device, 1).broadcast_to([3])


def _slice(device: Any) -> object:
    return _floats(device, 2, 3, 4)[:, -1, :]


def _gather(device: Any) -> object:
    from max.experimental import functional as F

    return F.gather(_floats(device, 4, 3), _ids(device, 2, 2), axis=0)


def _split(device: Any) -> object:
    from max.experimental import functional as F

    return F.split(_floats(device, 2, 6), [3, 3], axis=-1)


def _band_part(device: Any) -> object:
    from max.experimental import functional as F

    return F.band_part(_floats(device, 3, 3), None, 0, exclude=True)


def _layer_norm(device: Any) -> object:
    from max.experimental import functional as F

    scale, shift = _floats(device, 3), _floats(device, 3)
    return F.layer_norm(_floats(device, 2, 3), gamma=scale, beta=shift, epsilon=1e-5)


def _softmax(device: Any) -> object:
    from max.experimental import functional as F

    return F.softmax(_floats(device, 2, 3))


def _gelu(device: Any) -> object:
    from max.experimental import functional as F

    return F.gelu(_floats(device, 2, 3), approximate="tanh")


def _argmax(device: Any) -> object:
    from max.experimental import functional as F

    return F.argmax(_floats(device, 2, 3), axis=-1)


def _concat(device: Any) -> object:
    from max.experimental import functional as F

    return F.concat([_ids(device, 1, 3), _ids(device, 1, 1)], axis=1)


def _concat_floats(device: Any) -> object:
    from max.experimental import functional as F

    return F.concat([_floats(device, 1, 3), _floats(device, 1, 1)], axis=1)


def _add_positions(device: Any) -> object:
    return _ids(device, 2) + _ids(device, 2)


def _slice_heads(device: Any) -> object:
    return _floats(device, 1, 2, 3, 4)[:, :, 0:2]


def _store_slice(device: Any) -> object:
    cache = _floats(device, 1, 2, 3, 4)
    cache[:, :, 0:1] = _floats(device, 1, 2, 1, 4)
    return cache


def _steps(*numbers: int) -> frozenset[StepId]:
    return frozenset(numbers)


# What the whole model uses, in whichever step it is run.
_MODEL = (10, 11, 13, 14, 15, 19)

KERNELS = (
    Kernel("matmul", _steps(4, 7, 8, 9, *_MODEL), _matmul, seconds=40.0),
    Kernel("add", _steps(2, 4, 7, 8, 9, *_MODEL), _add),
    Kernel("broadcast", _steps(2, 3, 4, 7, 8, 9, 12, *_MODEL), _broadcast),
    Kernel("transpose", _steps(4, 7, 8, 9, *_MODEL), _transpose),
    Kernel("softmax", _steps(2, 7, 9, 12, *_MODEL), _softmax),
    Kernel("band_part", _steps(2, 7, 9, *_MODEL), _band_part),
    Kernel("layer_norm", _steps(3, 8, 9, *_MODEL), _layer_norm),
    Kernel("gelu", _steps(4, 8, 9, *_MODEL), _gelu),
    Kernel("gather", _steps(5, 6, *_MODEL), _gather),
    Kernel("split", _steps(7, 9, *_MODEL), _split),
    Kernel("divide", _steps(7, 9, 12, *_MODEL), _divide),
    Kernel("slice", _steps(12, 14, 15), _slice),
    Kernel("argmax", _steps(12), _argmax),
    Kernel("concat", _steps(12, 15, 19), _concat),
    Kernel("concat_floats", _steps(15), _concat_floats),
    Kernel("add_positions", _steps(15, 19), _add_positions),
    Kernel("slice_heads", _steps(15, 19), _slice_heads),
    Kernel("store_slice", _steps(15, 19), _store_slice),
)


def is_compiled(kernel: Kernel, device: str) -> bool:
    """Whether an operation has been compiled on this machine."""
    return stamp(kernel.name, device).exists()


def missing_kernels(steps: Sequence[StepId], device: str) -> list[Kernel]:
    """The kernels of these steps that have not been compiled on this machine."""
    wanted = set(steps)
    return [k for k in KERNELS if k.steps & wanted and not is_compiled(k, device)]


def warm(kernels: Sequence[Kernel], device: str, console: Console) -> None:
    """Compile kernels in parallel processes, showing progress.

    Raises:
        CourseError: A process broke down; what had been compiled is kept.
    """
    if not kernels:
        return
    workers = min(len(kernels), processes())
    total = sum(kernel.seconds for kernel in kernels)
    minutes = math.ceil(total / workers / 60)
    console.print(
        f"MAX compiles {len(kernels)} operations, {workers} at a time. This is done "
        f"once and takes about {minutes} min on a machine like the author's."
    )
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[left]}"),
        TimeElapsedColumn(),
        console=console,
    )
    executor = process_pool(workers)
    started = executor._processes
    with progress:
        bar = progress.add_task("compiling", total=total, left="")
        try:
            _follow(executor, kernels, device, workers, progress, bar)
        except BrokenProcessPool:
            raise CourseError(
                f"Compiling stopped: {_why(executor, started)} What was compiled is "
                "kept; `course warm` goes on from there."
            ) from None
        except BaseException:
            for process in list(executor._processes.values()):
                process.terminate()
            raise
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def processes() -> int:
    """How many processes may compile at a time: cores and memory say."""
    free = free_memory()
    fitting = usable_cores() if free is None else free // MEMORY
    return max(1, min(usable_cores(), fitting))


def _why(executor: ProcessPoolExecutor, started: Mapping[int, BaseProcess]) -> str:
    """Why one of these processes ended; the others are being told to."""
    # The pool's own thread waits for them, and only one can be told how each ended.
    executor.shutdown()
    status = first_to_end(process.exitcode for process in started.values())
    return f"{what_ended(1 if status is None else status)}."


def warm_answers(steps: Sequence[Step], console: Console) -> None:
    """Ask Hugging Face for the right answers to all checks; they are kept on disk."""
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
    )
    # One process, as importing torch takes longer than asking; not this one, where
    # MAX is not imported.
    executor = process_pool(1)
    started = executor._processes
    with progress:
        bar = progress.add_task("asking Hugging Face GPT-2", total=len(steps))
        try:
            for _ in executor.map(_ask, steps):
                progress.advance(bar)
        except BrokenProcessPool:
            raise CourseError(
                f"Hugging Face could not be asked: {_why(executor, started)} The "
                "answers it gave are kept."
            ) from None
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
        progress.update(bar, description="Hugging Face GPT-2 has answered")


def _ask(step: Step) -> None:
    """Have the answers to one step's check on disk."""
    prepare()
    from course.check.answers import ask_all

    spec = importlib.util.spec_from_file_location(step.check.stem, step.check)
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))
    ask_all(step.check.stem)


def _follow(
    executor: ProcessPoolExecutor,
    kernels: Sequence[Kernel],
    device: str,
    workers: int,
    progress: Progress,
    bar: TaskID,
) -> None:
    """Wait for all, longest first, moving the bar by what is done and under way."""
    queue = sorted(kernels, key=lambda kernel: -kernel.seconds)
    running: dict[Future[None], tuple[Kernel, float]] = {}
    done = 0.0
    start = time.monotonic()
    while queue or running:
        while queue and len(running) < workers:
            kernel = queue.pop(0)
            future = executor.submit(_compile, kernel.name, device)
            running[future] = (kernel, time.monotonic())
        finished, _ = wait(running, timeout=0.5, return_when=FIRST_COMPLETED)
        for future in finished:
            kernel, _ = running.pop(future)
            future.result()
            done += kernel.seconds
        now = time.monotonic()
        under_way = sum(
            min(now - began, 0.95 * kernel.seconds)
            for kernel, began in running.values()
        )
        total = progress.tasks[0].total or 1.0
        share = (done + under_way) / total
        left = (now - start) * (1 - share) / share if share > 0.1 else None
        names = ", ".join(kernel.name for kernel, _ in running.values())
        progress.update(
            bar,
            completed=done + under_way,
            description=f"compiling {names}",
            left=f"{left:.0f} s left" if left is not None else "",
        )
    progress.update(bar, description=f"compiled {len(kernels)} operations", left="")


def _compile(name: str, device: str) -> None:
    """Use a kernel once, in a worker process."""
    prepare()
    kernel = next(kernel for kernel in KERNELS if kernel.name == name)
    kernel.run(find_device(device))
    note = stamp(kernel.name, device)
    # A cache that cannot be written is compiled for again next time.
    with contextlib.suppress(OSError):
        note.parent.mkdir(parents=True, exist_ok=True)
        note.touch()
