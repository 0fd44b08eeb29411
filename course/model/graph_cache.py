"""Compiled graphs, kept on disk: a second start neither traces nor compiles.

MAX keeps what it compiles as well, but has to trace a graph to find it again. That
takes seconds and some hundred megabytes.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import logging
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from max import engine, tree
from max.driver import CPU, Device, DLPackArray
from max.experimental.tensor import Tensor

from course.cache import cache_folder, written_whole
from course.model.thread_priority import first_run_alone

logger = logging.getLogger(__name__)

# MAX compiles for the processor at hand; a graph made for another may not run.
PROCESSOR = Path("/proc/cpuinfo")


class KeptGraph:
    """A graph from the disk, to be called as what `Module.compile` returns.

    Args:
        path: Where it is kept.
        weights: The parameters by name; they are not copied.
        device: Where it computes.

    Raises:
        OSError: The file cannot be read.
        RuntimeError: The file is damaged, or MAX cannot run what is in it.
    """

    def __init__(
        self, path: Path, weights: Mapping[str, DLPackArray], device: Device
    ) -> None:
        session = engine.InferenceSession(devices=[device])
        self._weights = weights
        self._model = session.init(engine.read(path), weights_registry=weights)

    def __call__(self, *arguments: Any) -> Tensor:
        """Run the graph on tensors, or lists and classes of tensors."""
        buffers = [tensor.driver_tensor for tensor in tensors_in(arguments)]
        # Calling the model does the same, but looks at its signature first: 0.8 ms.
        [output] = self._model.execute(*buffers)
        return Tensor(storage=output)


def tensors_in(arguments: Any) -> Iterator[Tensor]:
    """Go through the tensors of lists and classes, as `tree.leaves` does but faster."""
    if isinstance(arguments, Tensor):
        yield arguments
    elif tree.is_node(arguments):
        parts, _, _ = tree.flatten_one_level(arguments)
        for part in parts:
            yield from tensors_in(part)


def kept_or_compiled(
    key: str,
    compile_it: Callable[[], Any],
    weights: Mapping[str, DLPackArray],
    device: Device,
) -> Callable[..., Tensor]:
    """Load a graph if it is kept, or else compile it and keep it.

    Args:
        key: What the graph depends on, but for MAX and the machine.
        compile_it: Compiles it: `Module.compile`.
        weights: The parameters by name.
        device: Where it computes.

    Returns:
        The graph, ready to be called.
    """
    path = cache_folder() / "graphs" / f"{_digest(key, device)}.mef"
    graph = _load(path, weights, device)
    if graph is None:
        graph = compile_it()
        _keep(graph, path)
    return first_run_alone(graph) if isinstance(device, CPU) else graph


def _load(
    path: Path, weights: Mapping[str, DLPackArray], device: Device
) -> KeptGraph | None:
    if not path.is_file():
        return None
    try:
        return KeptGraph(path, weights, device)
    except (OSError, RuntimeError) as error:  # Compiling mends it.
        logger.warning(
            "A compiled graph that was kept cannot be read and is compiled again: "
            "%s (%s).",
            str(error).partition("\n")[0],
            path,
        )
        return None


def _keep(compiled: Any, path: Path) -> None:
    """Write a graph whole or not at all; without a cache, nothing is kept."""
    with contextlib.suppress(OSError), written_whole(path) as staged:
        compiled.export_mef(staged)


def _digest(key: str, device: Device) -> str:
    kind = _processor() if device.is_host else _accelerator(device)
    parts = [key, importlib.metadata.version("max"), repr(device), kind]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _accelerator(device: Device) -> str:
    """Tell one kind of accelerator from another, such as sm_80 from sm_90."""
    return f"{device.api} {device.architecture_name} {device.model_name}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        lines = PROCESSOR.read_text(encoding="utf-8").splitlines()
        kinds = ("model name", "flags", "Features", "CPU part")
        return "\n".join(sorted({line for line in lines if line.startswith(kinds)}))
    return ""
