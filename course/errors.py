"""Errors that reach the user as one sentence, never as a traceback."""

import os


class CourseError(Exception):
    """Something the user can put right; the message says what and how."""

    exit_code = 1


class Misuse(CourseError):
    """The command line asks for something that does not exist here."""

    exit_code = 2


def as_text(argument: str) -> str:
    """Read an argument as UTF-8 where the terminal's encoding has not read it.

    Python hands over bytes that it cannot decode as halves of surrogate pairs.
    """
    try:
        return os.fsencode(argument).decode()
    except UnicodeError:
        return argument


def assert_text(argument: str, name: str) -> None:
    """Refuse an argument that is no text, as the tokenizer could not read it.

    Raises:
        Misuse: It is none; the message says which byte.
    """
    try:
        argument.encode()
    except UnicodeEncodeError as error:
        byte = os.fsencode(argument[error.start])[0]
        raise Misuse(
            f"{name} is not UTF-8 text: byte 0x{byte:02X} after "
            f"“{argument[: error.start]}”."
        ) from None
