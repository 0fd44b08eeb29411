"""What is measured on: the machine, the versions, the bandwidth of its memory."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

# What decides how fast a processor multiplies, as Linux calls it.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
PACKAGES = ("max", "mojo-compiler", "torch", "transformers", "numpy", "ctranslate2")


def machine() -> dict[str, Any]:
    """What was measured on, and with what."""
    return {
        "processor": _processor(),
        "features": _features(),
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
    return _of_the_processor("model name") or platform.processor() or platform.machine()


def _features() -> list[str]:
    flags = _of_the_processor("flags").split()
    return [name for name in FEATURES if name in flags]


def _of_the_processor(what: str) -> str:
    """What Linux says of the first core; empty elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(":") for line in lines)
    return next((text.strip() for name, _, text in found if name.strip() == what), "")
