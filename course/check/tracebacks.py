"""Exceptions from the reader's code, in few words and with the reader's lines."""

from __future__ import annotations

import traceback
from pathlib import Path

from course.check.advice import advice
from course.check.max_errors import in_plain_words

LONGEST = 600


def in_few_words(error: BaseException, path: Path) -> tuple[str, str]:
    """Explain an exception.

    Args:
        error: What the reader's code, or MAX under it, raised.
        path: The reader's file; lines of other files are left out.

    Returns:
        The message with the reader's lines, and the exception's name.
    """
    name = type(error).__name__
    if isinstance(error, SystemExit):
        return (
            "The code calls sys.exit(). Take it out: a step only returns tensors.",
            "sys.exit()",
        )
    lines = reader_lines(error, path)
    text = str(error).strip()
    message = in_plain_words(text)
    if message is None:
        text = text if len(text) <= LONGEST else text[:LONGEST] + " …"
        message = f"{name}: {text}" if text else name
    last_line = lines[-1] if lines else ""
    parts = [message, *lines, advice(text, last_line)]
    return "\n".join(filter(None, parts)), name


def reader_lines(error: BaseException, path: Path) -> list[str]:
    """The lines of the reader's file through which an exception came."""
    resolved = path.resolve()
    return [
        f"    {frame.lineno} │ {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == resolved and frame.line
    ]
