"""Other names for folders whose own are not taken as they stand."""

from __future__ import annotations

import contextlib
import glob
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def plain_path(folder: Path) -> Iterator[Path]:
    """Have a path to a folder without `*`, `?` and `[`, which MAX takes for a pattern.

    Yields:
        The folder itself, or a link to it for as long as the block runs.
    """
    if glob.escape(str(folder)) == str(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="gpt2-") as place:
        link = Path(place) / "model"
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield link
