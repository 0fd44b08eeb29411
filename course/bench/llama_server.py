"""llama.cpp's server, which xllamacpp brings along.

    python -m course.bench.llama_server DIRECTORY PORT DTYPE TEXTS

It goes on with TEXTS texts at a time.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from course.bench.gguf_model import write_gguf
from course.model.checkpoint import open_checkpoint


def main() -> None:
    """Serve the model until the process is ended."""
    import xllamacpp

    folder, port, dtype, texts = sys.argv[1:]
    model = open_checkpoint(folder)
    options = xllamacpp.CommonParams()
    options.port = int(port)
    options.n_parallel = int(texts)
    options.n_ctx = int(texts) * model.config.n_positions
    for threads in (options.cpuparams, options.cpuparams_batch):
        threads.n_threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as scratch:
        options.model.path = str(Path(scratch) / "model.gguf")
        write_gguf(model, Path(options.model.path), dtype)
        server = xllamacpp.Server(options)
    print(f"listening at {server.listening_address}", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
