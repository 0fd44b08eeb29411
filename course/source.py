"""Reading Python files as Python reads them, and steps among them."""

from __future__ import annotations

import io
import stat
import tokenize
from pathlib import Path

from course.errors import CourseError
from course.steps import Step, from_root


class NotPythonText(Exception):
    """A file that Python cannot read as source; the message says why."""


class StepCannotLoad(CourseError):
    """A step's file cannot be read or imported; the message says why."""


def read_source(path: Path) -> str:
    """Read a Python file: a byte-order mark, `# coding:` and any line ends will do.

    Raises:
        NotPythonText: Its bytes are no text in the encoding that it has.
        OSError: There is no such file, or it cannot be read.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(0, "It is not a file of text")  # Reading a pipe would never end.
    data = path.read_bytes()
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        text = io.TextIOWrapper(io.BytesIO(data), encoding).read()
    except UnicodeDecodeError as error:
        raise NotPythonText(
            f"is not {_called(error.encoding)} text: byte {error.start} cannot be read"
        ) from None
    except (LookupError, SyntaxError, UnicodeError) as error:
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError as broken:
            place = f"byte {broken.start} cannot be read"
            raise NotPythonText(f"is not UTF-8 text: {place}") from None
        raise NotPythonText(f"names an encoding that cannot be used: {error}") from None
    if "\0" in text:
        number = text[: text.index("\0")].count("\n") + 1
        raise NotPythonText(f"holds a null byte, in line {number}")
    return text


def read_step(step: Step, path: Path) -> str:
    """Read a step file.

    Raises:
        StepCannotLoad: It is missing, empty, not text or not a file.
    """
    restore = f"`course reset {step.number}` puts the skeleton back."
    shown = from_root(path)
    try:
        source = read_source(path)
    except FileNotFoundError:
        raise StepCannotLoad(f"{shown} is missing. {restore}") from None
    except NotPythonText as error:
        raise StepCannotLoad(
            f"{shown} {error}. Save it as UTF-8, or {restore}"
        ) from None
    except OSError as error:
        raise StepCannotLoad(f"{shown} cannot be read: {error.strerror}.") from None
    if not source.strip():
        raise StepCannotLoad(f"{shown} is empty. {restore}")
    return source


def lines_of(source: str) -> list[str]:
    """The lines as Python counts them; `splitlines` also ends them at form feeds."""
    return source.removesuffix("\n").split("\n")


def _called(encoding: str) -> str:
    return "UTF-8" if encoding.startswith("utf-8") else encoding
