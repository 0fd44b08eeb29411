"""What is measured on: the machine, the versions, the bandwidth of its memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from course.resources import features, of_the_processor

PACKAGES = (
    *("max", "mojo-compiler", "torch", "transformers", "numpy"),
    *("ctranslate2", "openvino", "nncf", "xllamacpp"),
)


def machine() -> dict[str, Any]:
    """What was measured on, and with what."""
    return {
        "processor": _processor(),
        "features": features(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in PACKAGES if _version(name)},
    }


def read_bandwidth(repeats: int) -> list[float]:
    """How fast all cores together read memory, in bytes per second.

    Args:
        repeats: How often to measure.

    Returns:
        One figure for each time: half a gigabyte, read once.
    """
    cores = os.cpu_count() or 1
    parts = np.split(np.ones(cores * (125_000_000 // cores), dtype=np.float32), cores)
    figures = []
    with ThreadPoolExecutor(cores) as pool:
        for _ in range(repeats + 1):
            start = time.perf_counter()
            list(pool.map(np.max, parts))
            seconds = time.perf_counter() - start
            figures.append(sum(part.nbytes for part in parts) / seconds)
    return figures[1:]


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _processor() -> str:
    return of_the_processor("model name") or platform.processor() or platform.machine()
