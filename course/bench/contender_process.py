"""The process of one contender: it does what its parent says."""

from __future__ import annotations

import contextlib
import resource
import sys
import time
from pathlib import Path

from course.bench.contenders import CONTENDERS
from course.process import parent


def main() -> None:
    """Load the contender; then answer each request with the seconds that it took."""
    name, folder = sys.argv[1:]
    entry = CONTENDERS[name]
    contender = entry.kind(Path(folder), entry.dtype)
    parent.tell(ready=True)
    for request in parent.messages():
        start = time.perf_counter()
        tokens = contender.generate(request["prompts"], request["new_tokens"])
        seconds = time.perf_counter() - start
        parent.tell(seconds=seconds, tokens=tokens, peak_bytes=peak_memory())


def peak_memory() -> int:
    """The most memory that this process has used, in bytes."""
    with contextlib.suppress(OSError):
        # Not getrusage, which counts what the parent used before this process began.
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        [line] = [line for line in lines if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


if __name__ == "__main__":
    from course.runtime import prepare

    prepare()
    main()
