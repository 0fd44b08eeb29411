"""Where the course keeps what it can make again."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

NAME = "gpt2-from-scratch-in-max"


def user_cache() -> Path:
    """The user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def cache_folder() -> Path:
    """The course's part of the user's cache folder; it may not exist yet."""
    return user_cache() / NAME


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Have a file written aside, and moved into place when it is complete.

    Another process may be looking. The file has its final name from the beginning, as
    Mojo calls a package what its file is called.

    Raises:
        OSError: The folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as aside:
        staged = Path(aside) / path.name
        yield staged
        staged.replace(path)
