"""Exceptions from the reader's code, in few words and with the reader's lines."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

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
    text = shorten(str(error).strip())
    lines = [f"{name}: {text}" if text else name]
    resolved = path.resolve()
    for frame in traceback.extract_tb(error.__traceback__):
        if Path(frame.filename).resolve() == resolved and frame.line:
            lines.append(f"    {frame.lineno} │ {frame.line}")
    return "\n".join(lines), name


def shorten(text: str) -> str:
    """Cut a message to what the reader can use.

    MAX says which operation failed, on which inputs, and why, in terms of its
    compiler: `#mosh<ape[2, 7]> : !mosh.ape` is the shape [2, 7].
    """
    failed = re.match(
        r"Failed to create op '(\w+?)(?:Op)?':\nInputs:\n(.*?)\n\n"
        r"Diagnostics:\n\s*(.*?)\n",
        text + "\n",
        re.DOTALL,
    )
    if failed is None:
        return text if len(text) <= LONGEST else text[:LONGEST] + " …"
    operation, inputs, reason = failed.groups()
    reason = re.sub(r"#mosh<ape(\[.*?\])> : !mosh\.ape", r"\1", reason)
    reason = re.sub(r"^\[\w+\] ", "", reason)
    inputs = re.sub(r"Dim\('?(\w+)'?\)", r"\1", inputs)
    inputs = re.sub(
        r"TensorValue\(dtype=(\w+), shape=(\[.*?\]), device=.*?\)", r"\1 \2", inputs
    )
    return f"MAX cannot do this {operation}: {reason}\n{inputs}"
