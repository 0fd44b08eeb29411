"""Turning "the numbers differ" into what is wrong, why it matters, where to look."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from max.experimental.nn import Module
from max.experimental.tensor import Tensor

from course.check.attempt import Answer, Attempt, Close
from course.check.building import call, tensor
from course.check.compare import (
    Array,
    is_close,
    same_numbers,
    to_array,
    tolerance_on,
)
from course.check.failure import CheckFailed
from course.check.lost import lost_results
from course.check.mistakes.locate import first_wrong_part, which_cases, which_places
from course.check.mistakes.outputs import Part, parts
from course.check.mistakes.parameters import (
    Parameters,
    find_in_module,
    find_in_parameters,
    find_parameters,
)
from course.check.mistakes.quote import quote
from course.check.mistakes.refusals import find_refused
from course.check.mistakes.search import find
from course.check.mistakes.table import Mistake, get_mistake
from course.check.tracebacks import in_few_words, reader_lines, refused_by


def explain(failed: CheckFailed, attempt: Attempt) -> CheckFailed:
    """Say which mistake explains the outputs, or else where they start to differ."""
    answers, close = _answers(attempt), _close(attempt)
    if mistakes := find(attempt.number, answers, close):
        return named(mistakes, attempt.step, short=failed.short)
    places = [
        which_cases(answers, close),
        *_places(attempt, answers, close),
        lost_results(Path(attempt.step.__file__)),
    ]
    message = "\n".join([str(failed), *filter(None, places)])
    return CheckFailed(message, short=failed.short)


def explain_error(error: Exception, attempt: Attempt) -> CheckFailed | None:
    """Explain an exception by its shapes, or by what other cases return."""
    path = Path(attempt.step.__file__)
    message, short = in_few_words(error, path)
    refused = refused_by(error, path)
    if refused and (mistake := find_refused(attempt.number, refused, attempt.cases)):
        detail = message.partition("\n")[0]
        line = quote(attempt.step, mistake.lines, mistake.within)
        line = line or "".join(reader_lines(error, path)[-1:])
        text = in_words(mistake, detail, line)
        return CheckFailed(
            "\n".join(filter(None, [text, lost_results(path)])),
            mistake=mistake.id,
            short="shapes or dtypes do not fit",
        )
    mistakes = find(attempt.number, _answers(attempt), _close(attempt))
    if not mistakes:
        part = _part_behind_an_error(attempt)
        return CheckFailed(f"{message}\n{part}", short=short) if part else None
    found = named(mistakes, attempt.step, short=short)
    return CheckFailed(
        f"{found}\nWith other inputs it ends in an error:\n{message}",
        mistake=found.mistake,
        short=short,
    )


def explain_parameters(
    failed: CheckFailed,
    number: int,
    step: Any,
    module: Module[..., Any],
    found: Sequence[Parameters],
) -> CheckFailed:
    """Say which mistake explains the parameters."""
    mistake = find_parameters(number, found) or find_in_module(number, module)
    if mistake:
        return named((mistake,), step, detail=str(failed), short=failed.short)
    if known := find_in_parameters(found[0]):
        name, detail, lines = known
        mistake = get_mistake(number, name)
        here = replace(mistake, lines=tuple(lines) or mistake.lines)
        return named([here], step, detail=detail, short=failed.short)
    return failed


def named(
    mistakes: Sequence[Mistake], step: Any, *, detail: str = "", short: str = ""
) -> CheckFailed:
    """Put mistakes into words, with the reader's own lines."""
    texts = [
        in_words(mistake, detail, quote(step, mistake.lines, mistake.within))
        for mistake in mistakes
    ]
    if len(texts) > 1:
        texts = [
            "Two mistakes together give what you got.",
            *(f"{i}. {text}" for i, text in enumerate(texts, start=1)),
        ]
    name = "+".join(mistake.id for mistake in mistakes)
    return CheckFailed("\n\n".join(texts), mistake=name, short=short)


def in_words(mistake: Mistake, detail: str, line: str) -> str:
    """What is wrong, with the reader's line, why it matters, and where to look."""
    lines = [mistake.what, detail, line, mistake.why]
    return "\n".join([*filter(None, lines), f"Where to look: {mistake.look}"])


def _close(attempt: Attempt) -> Close:
    if attempt.close is not None:
        return attempt.close
    return lambda one, other: same_numbers(one, other, attempt.device)


def _answers(attempt: Attempt) -> list[Answer]:
    """What the reader's code returns in each case; other errors are left out."""
    found = []
    for case, expected in attempt.cases.items():
        try:
            output = attempt.output(case)
            actual = output if isinstance(output, np.ndarray) else to_array(output)
        except Exception as error:
            if re.search(r"index \S+ is out of bounds", str(error)):
                found.append(Answer(case, expected, None))
        else:
            found.append(Answer(case, expected, actual))
    return found


def _places(attempt: Attempt, answers: Sequence[Answer], close: Close) -> list[str]:
    """Where in the output, and in which part of the module, the difference starts."""
    wrong = [answer for answer in answers if not answer.is_right(close)]
    if not wrong:
        return []
    first = wrong[0]
    actual, expected = first.actual, first.expected.output
    if actual is None or actual.shape != expected.shape:
        return []
    different = ~is_close(actual, expected, tolerance_on(attempt.device))
    places = [which_places(different)]
    if attempt.module is not None:
        module = attempt.module(first.case)
        places.append(
            first_wrong_part(
                parts(attempt.number, first.case, first.expected),
                lambda part: _run_part(module, part, attempt),
                close,
            )
        )
    return places


def _part_behind_an_error(attempt: Attempt) -> str:
    """Which part gives something wrong, so that others fail; "" if a part fails."""
    if attempt.module is None:
        return ""
    case, expected = next(iter(attempt.cases.items()))
    try:
        module = attempt.module(case)
        return first_wrong_part(
            parts(attempt.number, case, expected),
            lambda part: _call_part(module, part, attempt),
            _close(attempt),
        )
    except Exception:  # The lines through which the error came say where it is.
        return ""


def _run_part(module: Module[..., Any], part: Part, attempt: Attempt) -> Array | None:
    """What a part of the reader's module makes of the right inputs, if it can."""
    try:
        return _call_part(module, part, attempt)
    except Exception:
        return None


def _call_part(module: Module[..., Any], part: Part, attempt: Attempt) -> Array:
    found: Any = module
    for name in part.name.split("."):
        found = list(found)[int(name)] if name.isdigit() else getattr(found, name)
    return to_array(call(found, _inputs(part, attempt)))


def _inputs(part: Part, attempt: Attempt) -> list[Tensor]:
    return [tensor(np.asarray(x), attempt.device) for x in part.arguments]
