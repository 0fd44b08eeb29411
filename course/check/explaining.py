"""Explaining what is wrong by the mistake behind it.

`course.check.mistakes` is imported inside functions, as soon as something is wrong: a
right step costs nothing of it, and is right without it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from course.check.attempt import Attempt
from course.check.failure import CheckFailed
from course.steps import StepId


@contextmanager
def explained(attempt: Attempt) -> Iterator[None]:
    """Explain what goes wrong in this block by the mistake behind it, if known.

    Not if the step is not finished: then what goes wrong need not be a mistake.
    """
    finished = getattr(attempt.step, "finished", True)
    try:
        yield
    except CheckFailed as failed:
        if failed.mistake or not finished:
            raise
        from course.check.mistakes.explain import explain

        raise explain(failed, attempt) from None
    except Exception as error:
        if not finished:
            raise
        from course.check.mistakes.explain import explain_error

        if better := explain_error(error, attempt):
            raise better from None
        raise


def known(
    number: StepId,
    name: str,
    step: Any,
    *,
    detail: str = "",
    short: str = "",
    lines: Sequence[str] = (),
    within: str = "",
) -> CheckFailed:
    """The failure that a known mistake is, put into words.

    Args:
        number: The number of the step.
        name: The mistake's id.
        step: The reader's module, whose line is quoted.
        detail: What there is to say about this time.
        short: A few words for the line with the cross.
        lines: Patterns for the line, if this time they are known better.
        within: The function to look in, likewise.
    """
    from course.check.mistakes.explain import named
    from course.check.mistakes.table import get_mistake

    mistake = get_mistake(number, name)
    here = replace(
        mistake,
        lines=tuple(lines) or mistake.lines,
        within=within or mistake.within,
    )
    return named([here], step, detail=detail, short=short)
