"""The Mojo kernels, compiled once into a package that MAX loads."""

from __future__ import annotations

import hashlib
import importlib.metadata
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mojo.run import subprocess_run_mojo

from course.cache import cache_folder, written_whole
from course.errors import CourseError
from course.resources import features
from course.steps import ROOT

KERNELS = ROOT / "kernels"
READERS_FILE = "few_rows.mojo"
"""The file of the kernels in whose place step 17's Mojo file can stand."""
PORTABLE = "comptime TILES = False\ncomptime DOT_PRODUCTS = False\n"
"""What kernels/allowed.mojo says where no loop is to be passed by."""


class KernelsUnavailable(CourseError):
    """The kernels do not compile on this machine; the stock operations do."""


def package(source: Path = KERNELS) -> Path:
    """Compile a Mojo package, unless that was done before.

    MAX can compile a package by itself, but then compiles every graph that uses it
    anew in the next process. A package that is the same file each time lets it find
    the graph in its cache.

    Args:
        source: A folder with an `__init__.mojo`.

    Returns:
        The compiled package, in the user's cache.

    Raises:
        KernelsUnavailable: The source cannot be compiled.
    """
    folder = cache_folder() / "kernels" / _digest(source)
    compiled = folder / f"{source.name}.mojoc"
    if compiled.is_file():
        return compiled
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="gpt2-kernels-"))
        compiled = folder / compiled.name
    _precompile(source, compiled)
    return compiled


def with_readers_file(file: Path) -> Path:
    """The kernels with a step 17 among them: its loop runs every linear layer.

    Instructions that would pass it by are not used.

    Returns:
        A folder of Mojo sources for `package`.
    """
    digest = hashlib.sha256(file.read_bytes() + _digest(KERNELS).encode()).hexdigest()
    replaced = {READERS_FILE: file.read_bytes(), "allowed.mojo": PORTABLE.encode()}
    return _copy(f"step-17-{digest[:16]}", replaced)


def portable() -> Path:
    """The kernels without instructions that only some processors have.

    Returns:
        A folder of Mojo sources for `package`.
    """
    return _copy(f"portable-{_digest(KERNELS)}", {"allowed.mojo": PORTABLE.encode()})


def _copy(name: str, replaced: Mapping[str, bytes]) -> Path:
    """Copy the kernels, with some of the files replaced, to the user's cache."""
    folder = cache_folder() / "kernels" / name / KERNELS.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="gpt2-kernels-")) / KERNELS.name
        folder.mkdir()
    for source in KERNELS.glob("*.mojo"):
        content = replaced.get(source.name, source.read_bytes())
        (folder / source.name).write_bytes(content)
    return folder


def uses_tiles(source: Path, dtype: str) -> bool:
    """Whether these kernels multiply such weights in tiles on this processor."""
    feature = {"int8": "amx_int8", "bfloat16": "amx_bf16"}.get(dtype)
    return source == KERNELS and feature in features()


def _digest(source: Path) -> str:
    digest = hashlib.sha256(importlib.metadata.version("mojo-compiler").encode())
    for path in sorted(source.glob("*.mojo")):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _precompile(source: Path, compiled: Path) -> None:
    with written_whole(compiled) as staged:
        try:
            ran = subprocess_run_mojo(
                ["precompile", str(source), "-o", str(staged)],
                capture_output=True,
                text=True,
                check=False,
            )
        except (OSError, RuntimeError):
            raise KernelsUnavailable("There is no Mojo compiler here.") from None
        if ran.returncode != 0:
            raise KernelsUnavailable(_first_error(ran.stderr))


def _first_error(output: str) -> str:
    errors = [line for line in output.splitlines() if "error:" in line]
    return errors[0] if errors else "The Mojo compiler failed."
