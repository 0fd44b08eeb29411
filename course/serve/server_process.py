"""The process in which MAX's server runs; `course serve` starts it and watches it.

It does what `max serve` does (`max/_entrypoints/cli/serve/`), with three differences:
`gateway` stands before MAX's app, `Pipeline` does what MAX's pipeline leaves undone,
and the socket comes from the parent. What MAX writes goes to a log file; the parent is
told how far it is.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from course.errors import CourseError
from course.process import parent, unnoticed
from course.process.signals import what_ended

GRACE = 10
"""How many seconds running requests have to end when the server does."""


@dataclass(frozen=True)
class Order:
    """What is to be served, and how.

    Attributes:
        folder: Holds the model, from `hand_over`.
        name: What clients call it.
        architecture: Where MAX finds it: FOLDER:MODULE.
        kernels: The folder of the Mojo sources; None for MAX's own operations.
        dtype: How weights are kept.
        device: auto, cpu or gpu.
        max_batch_size: How many texts the model goes on with at a time.
        listener: The file descriptor of the socket.
        cores: On which it computes; all if there are none.
    """

    folder: str
    name: str
    architecture: str
    kernels: str | None
    dtype: str
    device: str
    max_batch_size: int
    listener: int
    cores: list[int]

    def write(self) -> str:
        """Write the order as an argument for this module."""
        return json.dumps(asdict(self))


def main(order: Order) -> None:
    """Serve until SIGTERM."""
    listener = socket.socket(fileno=order.listener)
    listener.set_inheritable(False)
    signal.signal(signal.SIGTERM, _leave)
    if order.cores:
        # Before MAX starts as many threads as there are.
        os.sched_setaffinity(0, order.cores)
    with _errors_to_the_parent():
        serve(order, listener)


def serve(order: Order, listener: socket.socket) -> None:
    """Start MAX's server, and serve until SIGTERM.

    Args:
        order: What is to be served.
        listener: Where.
    """
    import uvloop
    from max.serve.api_server import (
        ServingTokenGeneratorSettings,
        fastapi_app,
        fastapi_config,
        lifespan,
    )
    from max.serve.config import APIType, MetricRecordingMethod, Settings
    from max.serve.process_control import SubprocessExit
    from max.serve.router import openai_routes
    from max.serve.telemetry.common import configure_logging
    from sse_starlette.sse import unpatch_uvicorn_signal_handler
    from uvicorn import Server

    from course.serve.gateway import gateway
    from course.serve.guard import is_loopback
    from course.serve.logprobs import completion_logprobs
    from course.serve.pipeline import Pipeline

    settings = Settings(
        MAX_SERVE_API_TYPES=[APIType.OPENAI],
        MAX_SERVE_DISABLE_TELEMETRY=True,
        # Otherwise measurements are served as well, on another port.
        MAX_SERVE_METRIC_RECORDING_METHOD=MetricRecordingMethod.NOOP,
        MAX_SERVE_LOGS_CONSOLE_LEVEL="WARNING",
        MAX_SERVE_GRACEFUL_SHUTDOWN_TIMEOUT_S=GRACE,
    )
    configure_logging(settings)
    serving = ServingTokenGeneratorSettings(**_pipeline(order))
    app = fastapi_app(settings, serving)
    # MAX's own names no tokens.
    openai_routes._process_log_probabilities = completion_logprobs  # type: ignore[assignment]
    config = fastapi_config(app=app, server_settings=settings)
    config.app = gateway(app, order.name, is_loopback(listener.getsockname()[0]))
    server = Server(config)
    # As in `max serve`: or running streams would be cut off at once.
    unpatch_uvicorn_signal_handler()

    async def run() -> None:
        async with lifespan(app, settings, serving, app.state.zmq_endpoint_base):
            made = app.state.pipeline
            app.state.pipeline = Pipeline(
                model_name=made.model_name,
                tokenizer=made.tokenizer,
                model_worker=made.model_worker,
            )
            started.set()
            parent.tell(ready=True)
            await server.serve(sockets=[listener])

    parent.tell(doing="preparing the model")
    started = unnoticed.watch(_end)
    try:
        uvloop.run(run())
    except SubprocessExit as error:
        _tell_what_ended(_status(error))
        raise SystemExit(1) from None


def _pipeline(order: Order) -> dict[str, Any]:
    """Have MAX find out all it needs to know of the model."""
    from max.driver import DeviceSpec
    from max.pipelines import PIPELINE_REGISTRY, PipelineArgs
    from max.pipelines.lib import PipelineConfig
    from max.pipelines.modeling.types import PipelineTask

    from course.runtime import find_device
    from course.serve.handover import NamedAdapter, read_names, weight_files
    from course.serve.kernels import use_kernels
    from course.steps import from_root

    handed_over = Path(order.folder)
    on_cpu = find_device(order.device).is_host
    if order.kernels:
        use_kernels(Path(order.kernels), order.dtype, handed_over, on_cpu)
    # MAX takes FOLDER:MODULE as well, but no colon in the folder.
    folder, _, module = order.architecture.rpartition(":")
    sys.path.append(folder)
    try:
        PIPELINE_REGISTRY._import_custom_architectures([module])
    except ValueError as error:
        path = from_root(Path(folder) / f"{module}.py")
        reason = f"{type(error.__cause__).__name__}: {error.__cause__}"
        raise CourseError(
            f"{path} cannot be imported: {reason}. `course check 18` says more."
        ) from error
    config = PipelineConfig.from_args(
        PipelineArgs.from_flat_kwargs(
            model_path=order.folder,
            weight_path=weight_files(handed_over),
            # However they are stored; MAX would look for a file in this encoding.
            quantization_encoding="float32",
            served_model_name=order.name,
            device_specs=[DeviceSpec.cpu() if on_cpu else DeviceSpec.accelerator()],
            max_batch_size=order.max_batch_size,
            custom_architectures=[module],
            task=PipelineTask.TEXT_GENERATION,
            enable_penalties=True,
        )
    )
    found = PIPELINE_REGISTRY.retrieve_factory(config, task=config.task)
    factory: Any = found.factory
    names = read_names(handed_over)
    adapters = {
        kind: NamedAdapter(adapter, names)
        for kind, adapter in factory.keywords["weight_adapters"].items()
    }
    return {
        "model_factory": functools.partial(factory, weight_adapters=adapters),
        "pipeline_config": config,
        "tokenizer": found.tokenizer,
        "task": config.task,
        "memory_plan": found.memory_plan,
    }


@contextlib.contextmanager
def _errors_to_the_parent() -> Iterator[None]:
    try:
        yield
    except CourseError as error:
        parent.tell(error=str(error), status=error.exit_code)
        raise SystemExit(error.exit_code) from None
    except Exception as error:
        # The innermost cause is what went wrong; the log has all of it.
        cause: BaseException = error
        while cause.__cause__ is not None:
            cause = cause.__cause__
        parent.tell(died=f"{type(cause).__name__}: {cause}")
        raise


def _end(status: int) -> None:
    """End without the main thread, which waits for the model's process for ever."""
    _tell_what_ended(status)
    os._exit(1)


def _tell_what_ended(status: int) -> None:
    parent.tell(died=f"{what_ended(status, 'the process of the model')}.")


def _status(error: Exception) -> int:
    """The exit status that MAX has put into words."""
    said = str(error)
    signals = {signal.strsignal(each): each for each in signal.valid_signals()}
    return -signals[said] if said in signals else int(said)


def _leave(signum: int, frame: FrameType | None) -> None:
    # Unwinds the server, which ends the model's process: see `max serve`.
    raise SystemExit(0)


if __name__ == "__main__":
    main(Order(**json.loads(sys.argv[1])))
