"""Where the course keeps what it can make again, and what it remembers."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_path, user_state_path
from rich.console import Console

NAME = "gpt2-from-scratch-in-max"


def settle() -> None:
    """Settle where caches are, for MAX and every child process as for this one.

    The specification says that an empty or relative XDG_CACHE_HOME is to be ignored,
    for which MAX would take the current folder. Where no home can be found, a temporary
    folder has to do. And without a folder of its own in the cache, MAX takes one for
    all users, if there is one.
    """
    _settle_home()
    with contextlib.suppress(OSError):
        kernel_cache().mkdir(parents=True, exist_ok=True)


def _settle_home() -> None:
    for name in ("XDG_CACHE_HOME", "XDG_STATE_HOME"):
        if not os.path.isabs(os.environ.get(name, "")):
            os.environ.pop(name, None)
    if os.environ.get("HOME"):
        return
    try:
        os.environ["HOME"] = str(Path.home())
    except RuntimeError:  # A user whom the system does not know, as in containers.
        folder = Path(tempfile.gettempdir(), f"{NAME}-{os.getuid()}")
        folder.mkdir(mode=0o700, exist_ok=True)
        os.environ["HOME"] = str(folder)


def replace_unwritable(console: Console) -> None:
    """Have a temporary cache where the user's takes nothing, and say so.

    MAX cannot compile without one.

    Args:
        console: Where it is said.
    """
    folder = kernel_cache()
    if can_be_written(folder):
        return
    with contextlib.suppress(OSError):
        instead = tempfile.mkdtemp(prefix=f"{NAME}-cache-")
        atexit.register(shutil.rmtree, instead, ignore_errors=True)
        os.environ["XDG_CACHE_HOME"] = instead
        os.environ.pop("MODULAR_DERIVED_PATH", None)
        console.print(
            f"Nothing can be written to {folder}, so what MAX compiles is kept until "
            "this command ends. Set XDG_CACHE_HOME to a folder with room.",
            markup=False,
        )


def cache_folder() -> Path:
    """The course's part of the user's cache folder; it may not exist yet."""
    return user_cache_path(NAME)


def state_folder() -> Path:
    """Where the course notes what the reader has done; it may not exist yet."""
    return user_state_path(NAME)


def kernel_cache() -> Path:
    """The folder in which MAX keeps compiled kernels, on every platform."""
    if derived := os.environ.get("MODULAR_DERIVED_PATH"):
        return Path(derived) / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "modular"


def can_be_written(folder: Path) -> bool:
    """Whether something can be kept in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError:
        return False
    return True


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
