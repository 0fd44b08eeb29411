"""The process of one contender: it does what its standard input says."""

from __future__ import annotations

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
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        answer = {"seconds": seconds, "tokens": tokens, "peak_bytes": peak}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    from course.runtime import prepare

    prepare()
    main()
