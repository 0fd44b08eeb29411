"""The process of one contender: it does what its standard input says."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path

from course.bench.contenders import CONTENDERS


def main() -> None:
    """Load the contender; then answer each line with the seconds that it took."""
    name, folder = sys.argv[1:]
    # Whatever the libraries print is not an answer.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    contender = CONTENDERS[name](Path(folder))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        start = time.perf_counter()
        tokens = contender.generate(request["prompts"], request["new_tokens"])
        seconds = time.perf_counter() - start
        answer = {"seconds": seconds, "tokens": tokens, "peak_bytes": peak_memory()}
        print(json.dumps(answer), file=answers, flush=True)


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
