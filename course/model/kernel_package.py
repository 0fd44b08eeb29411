"""The Mojo kernels, compiled once into a package that MAX loads."""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path

from mojo.run import subprocess_run_mojo

from course.cache import cache_folder, written_whole
from course.errors import CourseError
from course.model.instructions import Instructions, try_instructions
from course.steps import ROOT

logger = logging.getLogger(__name__)

KERNELS = ROOT / "kernels"
READERS_FILE = "few_rows.mojo"
"""The file of the kernels in whose place step 17's Mojo file can stand."""
ALLOWED = "allowed.mojo"
"""The file of the kernels that says which instructions they may use."""
PORTABLE = "comptime TILES = False\ncomptime DOT_PRODUCTS = False\n"
"""What it says where they may use none of the fast ones."""


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
    if trouble := instructions(source).trouble:
        logger.warning(
            "This processor's instructions for narrow numbers cannot be used (%s): "
            "the kernels do without.",
            trouble,
        )
        source = portable(source)
    compiled = _kept(source) / f"{source.name}.mojoc"
    if not compiled.is_file():
        _precompile(source, compiled)
    return compiled


def instructions(source: Path = KERNELS) -> Instructions:
    """What of the processor these kernels use beyond what every processor has.

    Raises:
        KernelsUnavailable: There is no Mojo compiler.
    """
    if (source / ALLOWED).read_text(encoding="utf-8") == PORTABLE:
        return Instructions({})
    try:
        return try_instructions(source, _kept(source))
    except (OSError, RuntimeError):
        raise KernelsUnavailable("There is no Mojo compiler here.") from None


def with_readers_file(file: Path) -> Path:
    """The kernels with a step 17 among them: its loop runs every linear layer.

    Instructions that would pass it by are not used.

    Returns:
        A folder of Mojo sources for `package`.
    """
    return changed({READERS_FILE: file.read_bytes(), ALLOWED: PORTABLE.encode()})


def portable(kernels: Path = KERNELS) -> Path:
    """Kernels without instructions that only some processors have.

    Returns:
        A folder of Mojo sources for `package`.
    """
    return changed({ALLOWED: PORTABLE.encode()}, kernels)


def changed(files: Mapping[str, bytes], kernels: Path = KERNELS) -> Path:
    """Kernels with other files in the place of theirs, by name.

    Returns:
        A folder of Mojo sources for `package`.
    """
    digest = hashlib.sha256(_digest(kernels).encode())
    for name, text in sorted(files.items()):
        digest.update(name.encode() + b"\0" + text)
    folder = _writable(f"changed-{digest.hexdigest()[:16]}") / KERNELS.name
    folder.mkdir(exist_ok=True)
    for source in kernels.glob("*.mojo"):
        text = files.get(source.name, source.read_bytes())
        (folder / source.name).write_bytes(text)
    return folder


def _kept(source: Path) -> Path:
    """Where what is made of these sources is kept."""
    return _writable(_digest(source))


def _writable(name: str) -> Path:
    folder = cache_folder() / "kernels" / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="gpt2-kernels-"))
    return folder


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
