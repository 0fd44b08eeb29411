"""What of the machine this process may use: a container may have a part of it."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
MEMORY = Path("/proc/meminfo")
PROCESSOR = Path("/proc/cpuinfo")

# What decides how fast a processor multiplies, as Linux calls it.
FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def usable_cores() -> int:
    """How many cores this process may use at the same time, at least one."""
    cores = float(os.cpu_count() or 1)
    with contextlib.suppress(AttributeError, OSError):  # Linux only.
        cores = len(os.sched_getaffinity(0))
    for folder in _cgroups("cpu"):
        with contextlib.suppress(OSError, ValueError):
            quota, period = _numbers(folder, "cpu.max")
            cores = min(cores, quota / period)
        with contextlib.suppress(OSError, ValueError):
            [quota] = _numbers(folder, "cpu.cfs_quota_us")
            [period] = _numbers(folder, "cpu.cfs_period_us")
            if quota > 0:  # -1: as much as there is.
                cores = min(cores, quota / period)
    return max(1, math.ceil(cores))


def free_memory() -> int | None:
    """How many bytes may still be used without swapping; None if nobody says."""
    free: list[float] = []
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = MEMORY.read_text(encoding="utf-8").splitlines()
        line = next(line for line in lines if line.startswith("MemAvailable:"))
        free.append(int(line.split()[1]) * 1024)
    for folder in _cgroups("memory"):
        for limit, used in (
            ("memory.max", "memory.current"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes"),
        ):
            with contextlib.suppress(OSError, ValueError):
                [most], [now] = _numbers(folder, limit), _numbers(folder, used)
                free.append(most - now + _reclaimable(folder))
    least = min(free, default=math.inf)
    return None if least == math.inf else max(0, int(least))


def _cgroups(controller: str) -> Iterator[Path]:
    """The groups of this process that may limit it, the innermost first.

    Version 2 has one tree, version 1 one for each controller. In a container, the
    path may be that of the host, and the limits lie at the top.
    """
    with contextlib.suppress(OSError, ValueError):
        for line in MEMBERSHIP.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            names = controllers.split(",")
            if controllers and controller not in names:
                continue
            top = CGROUPS / controller if controllers else CGROUPS
            folder = top / path.lstrip("/")
            yield from (p for p in (folder, *folder.parents) if p.is_relative_to(top))


def _numbers(folder: Path, name: str) -> list[float]:
    """The numbers in a file of a group; "max" is infinite."""
    words = (folder / name).read_text(encoding="utf-8").split()
    return [math.inf if word == "max" else float(word) for word in words]


def _reclaimable(folder: Path) -> float:
    """What a group has in use for files that it read, which the system can drop."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        lines = (folder / "memory.stat").read_text(encoding="utf-8").splitlines()
        return float(dict(line.split() for line in lines)["inactive_file"])
    return 0.0


def features() -> list[str]:
    """Which of `FEATURES` the processor has; none is known but on Linux."""
    flags = of_the_processor("flags").split()
    return [name for name in FEATURES if name in flags]


def of_the_processor(what: str) -> str:
    """What Linux says of the first core; empty elsewhere."""
    try:
        lines = PROCESSOR.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    found = (line.partition(":") for line in lines)
    return next((text.strip() for name, _, text in found if name.strip() == what), "")
