"""Standard output and error that take any text, on any terminal."""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import sys
import unicodedata
from typing import Any

# What the course prints beyond ASCII, for terminals that cannot show it.
PLAIN = {
    "✓": "v",
    "✗": "x",
    "▸": ">",
    "·": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "│": "|",
    "─": "-",
    "━": "-",
    "╸": "-",
    "╺": "-",
    "×": "x",
    "−": "-",
    "→": "->",
    "≤": "<=",
    "≥": ">=",
    "“": '"',
    "”": '"',
    "‘": "'",
    "’": "'",
    "√": "sqrt ",
    "\N{NO-BREAK SPACE}": " ",
}


def prepare_streams() -> None:
    """Have both take what their encoding lacks, and be there even if they are closed.

    A character that cannot be encoded is replaced by what looks like it, or by "?".
    """
    codecs.register_error("course", _replace)
    for descriptor, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
        if getattr(sys, name) is None:
            # Closed by the caller (`>&-`): the next file opened would take its place.
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                continue
            os.open(os.devnull, os.O_RDWR)
            mode = "w" if descriptor else "r"
            setattr(sys, name, open(descriptor, mode, encoding="utf-8"))  # noqa: SIM115
    if not os.environ.get("COLUMNS", "80").strip("0"):
        del os.environ["COLUMNS"]  # Nothing fits into no columns.
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="course")


def print_json(value: Any) -> None:
    """Print one line of JSON, with escapes where the output cannot have characters."""
    text = json.dumps(value, ensure_ascii=False)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = json.dumps(value)
    print(text)


def discard_output() -> None:
    """Have what is still in the buffers go nowhere: nobody reads it any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    bad = error.object[error.start : error.end]
    return "".join(map(_plain, bad)), error.end


def _plain(character: str) -> str:
    if character in PLAIN:
        return PLAIN[character]
    letter = unicodedata.normalize("NFKD", character)[0]
    return letter if letter.isascii() else "?"
