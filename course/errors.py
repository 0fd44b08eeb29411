"""Errors that reach the user as one sentence, never as a traceback."""


class CourseError(Exception):
    """Something the user can put right; the message says what and how."""

    exit_code = 1


class Misuse(CourseError):
    """The command line asks for something that does not exist here."""

    exit_code = 2
