"""Which kernels are compiled: files beside MAX's own cache that say so."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from course.cache import NAME, kernel_cache
from course.process.launcher import environment

ASK = "from max.driver import accelerator_count; print(accelerator_count())"
# Where drivers of accelerators show themselves, and who may hide them from MAX.
DRIVERS = ("nvidia*", "kfd", "dri/*", "accel/*")
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def stamp(kernel: str, device: str) -> Path:
    """The file that says a kernel is compiled.

    Args:
        kernel: Its name.
        device: "auto", "cpu" or "gpu".
    """
    return _folder() / kind(device) / kernel


def kind(device: str) -> str:
    """What `--device` comes to on this machine: "cpu" or "gpu"."""
    if device != "auto":
        return device
    return _kind_of_auto()


@functools.cache
def _kind_of_auto() -> str:
    """What "auto" means. MAX is asked once for each set of drivers, as it is slow."""
    seen = [*(f"{name}={os.environ.get(name)}" for name in HIDING)]
    for pattern in DRIVERS:
        seen += sorted(str(path) for path in Path("/dev").glob(pattern))
    digest = hashlib.sha256("\0".join(seen).encode(errors="replace")).hexdigest()
    note = _folder() / f"auto-{digest[:16]}"
    with contextlib.suppress(OSError):
        return note.read_text(encoding="utf-8")
    # Not in this process: MAX changes what children inherit.
    asked = subprocess.run(
        [sys.executable, "-P", "-c", ASK],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    found = "cpu" if asked.stdout.strip() in {"", "0"} else "gpu"
    if asked.returncode == 0:
        with contextlib.suppress(OSError):
            note.parent.mkdir(parents=True, exist_ok=True)
            note.write_text(found, encoding="utf-8")
    return found


def _folder() -> Path:
    version = importlib.metadata.version("max")
    return kernel_cache() / NAME / f"{version}-{platform.machine()}"
