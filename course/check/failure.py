"""How a check says that a step is not right."""

from __future__ import annotations


class CheckFailed(Exception):
    """The step computes something else than Hugging Face.

    Attributes:
        mistake: The id of the mistake that explains it, if one is known.
        short: A few words for the line with the cross.
    """

    def __init__(
        self, message: str, *, mistake: str | None = None, short: str = ""
    ) -> None:
        super().__init__(message)
        self.mistake = mistake
        self.short = short


class DoesNotCompile(CheckFailed):
    """The Mojo file of a step does not compile.

    Attributes:
        line: Where the first error is, as a number of a line of the file.
    """

    def __init__(self, message: str, *, line: int | None, within: str = "") -> None:
        where = f", in {within}" if within else ""
        super().__init__(message, short=f"does not compile{where}")
        self.line = line
