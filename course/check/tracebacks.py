"""Exceptions from the reader's code, in few words and with the reader's lines."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from course.check.advice import advice
from course.check.lost import lost_results
from course.check.max_errors import Refused, in_plain_words, parse
from course.check.suggest import definition, resolve, suggestion

LONGEST = 600
UNPACKED = re.compile(r"(?:not enough|too many) values to unpack \(expected (\d+)")


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
    lines, frame = reader_lines(error, path), _frame(error, path)
    text = str(error).strip()
    last_line = lines[-1] if lines else ""
    message = _unpacked(error, path) or _truth(text, last_line) or in_plain_words(text)
    known = message is not None and not message.endswith("in order?")
    if message is None:
        text = _without_paths(text)
        message = f"{name}: {text}" if text else name
    defined, lacking = definition(text, path)
    parts = [
        message,
        *(lines or [defined]),
        lacking
        or advice(text, last_line)
        or ("" if known else suggestion(error, frame, last_line)),
        lost_results(path),
    ]
    return "\n".join(filter(None, parts)), name


def reader_lines(error: BaseException, path: Path) -> list[str]:
    """The lines of the reader's file through which an exception came."""
    lines = [
        f"    {frame.lineno} │ {frame.line}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).resolve() == path.resolve() and frame.line
    ]
    # A list made by a loop in one line is a function of its own.
    return [line for i, line in enumerate(lines) if line not in lines[:i]]


def refused_by(error: BaseException, path: Path) -> Refused | None:
    """What an exception says about shapes: an operation, or an unpacking, refused."""
    frame, shape = _frame(error, path), _unpacked_shape(error, path)
    if frame and shape:
        return Refused(f"unpacking in {frame.f_code.co_name}", [shape[1]], [], "")
    return parse(str(error).strip())


def _frame(error: BaseException, path: Path) -> FrameType | None:
    """Where in the reader's file an exception came from."""
    frames = [
        frame
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if Path(frame.f_code.co_filename).resolve() == path.resolve()
    ]
    return frames[-1] if frames else None


def _without_paths(text: str) -> str:
    """Python's message without what only its own programmers need."""
    text = re.sub(r" \((?:/|unknown location)[^)]*\)", "", text)
    text = re.sub(r"[\w.]*<locals>\.<?(\w+)>?", r"\1", text)
    text = re.sub(r"\bfn\(\) |\belementwise_op\(\) |\blambda\(\) ", "", text)
    text = re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", text)
    text = re.sub(r"module 'max\.experimental\.functional'", "F", text)
    return text if len(text) <= LONGEST else text[:LONGEST] + " …"


def _unpacked(error: BaseException, path: Path) -> str | None:
    """Which tensor has another number of axes than there are names for them."""
    found = _unpacked_shape(error, path)
    if found is None:
        return None
    name, shape, names = found
    return (
        f"{name} has the shape {shape} here: {len(shape)} axes, and there are {names} "
        "names on the left. Either these are not the right ones, or the tensor is not."
    )


def _unpacked_shape(
    error: BaseException, path: Path
) -> tuple[str, list[int], int] | None:
    """The tensor whose shape was unpacked, its shape, and for how many names."""
    unpacked, frame = UNPACKED.match(str(error)), _frame(error, path)
    lines = reader_lines(error, path)
    if not (unpacked and frame and lines):
        return None
    tensor = re.search(r"= *([A-Za-z_][\w.]*)\.shape", lines[-1])
    shape = tensor and resolve(f"{tensor[1]}.shape", frame)
    if not (tensor and isinstance(shape, Sequence)):
        return None
    return tensor[1], [int(size) for size in shape], int(unpacked[1])


def _truth(text: str, line: str) -> str | None:
    """What a tensor of many numbers cannot be asked; MAX then says nothing at all."""
    if text:
        return None
    if ".item(" in line:
        return "item() is for one number; x.to_numpy() gives all numbers of a tensor."
    if re.search(r"\b(if|while|and|or|not|max|min|any|all|assert|sorted)\b", line):
        return (
            "A tensor of many numbers is neither true nor false. F.where chooses one "
            "by one; F.max and F.argmax find the largest."
        )
    return None
