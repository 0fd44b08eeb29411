"""Turning "the numbers differ" into what is wrong, why it matters, where to look."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from max.experimental.nn import Module

from course.check.compare import (
    Attempt,
    CheckFailed,
    call,
    is_close,
    same_numbers,
    tensor,
    to_array,
)
from course.check.mistakes.any_step import find_in_parameters
from course.check.mistakes.mistake import Mistake, get_mistake, table_module
from course.check.mistakes.numbers import Array
from course.check.mistakes.search import Answer, Parameters, find, find_parameters
from course.check.mistakes.where import (
    Part,
    first_wrong_part,
    which_cases,
    which_places,
)
from course.check.tracebacks import in_few_words


def explain(failed: CheckFailed, attempt: Attempt) -> CheckFailed:
    """Say which mistake explains the outputs, or else where they start to differ."""
    answers, close = _answers(attempt), _close(attempt)
    if mistakes := find(attempt.number, answers, close):
        return named(mistakes, attempt.step, short=failed.short)
    places = [which_cases(answers, close), *_places(attempt, answers, close)]
    message = "\n".join([str(failed), *filter(None, places)])
    return CheckFailed(message, short=failed.short)


def explain_error(error: Exception, attempt: Attempt) -> CheckFailed | None:
    """Explain an exception by what the reader's code returns in other cases."""
    mistakes = find(attempt.number, _answers(attempt), _close(attempt))
    if not mistakes:
        return None
    message, short = in_few_words(error, Path(attempt.step.__file__))
    found = named(mistakes, attempt.step, short=short)
    return CheckFailed(
        f"{found}\nWith other inputs it ends in an error:\n{message}",
        mistake=found.mistake,
        short=short,
    )


def explain_parameters(
    failed: CheckFailed, number: int, step: Any, found: Sequence[Parameters]
) -> CheckFailed:
    """Say which mistake explains the parameters."""
    if mistake := find_parameters(number, found):
        return named((mistake,), step, detail=str(failed), short=failed.short)
    if known := find_in_parameters(found[0]):
        name, detail = known
        return failed_by(number, name, step, detail=detail, short=failed.short)
    return failed


def named(
    mistakes: Sequence[Mistake], step: Any, *, detail: str = "", short: str = ""
) -> CheckFailed:
    """Put mistakes into words, with the reader's own lines."""
    texts = [in_words(mistake, step, detail) for mistake in mistakes]
    if len(texts) > 1:
        texts = [
            "Two mistakes together give what you got.",
            *(f"{i}. {text}" for i, text in enumerate(texts, start=1)),
        ]
    name = "+".join(mistake.id for mistake in mistakes)
    return CheckFailed("\n\n".join(texts), mistake=name, short=short)


def failed_by(
    number: int, name: str, step: Any, *, detail: str = "", short: str = ""
) -> CheckFailed:
    """Put one mistake into words, by its id."""
    return named([get_mistake(number, name)], step, detail=detail, short=short)


def in_words(mistake: Mistake, step: Any, detail: str = "") -> str:
    """What is wrong, with the reader's line, why it matters, and where to look."""
    lines = [mistake.what, detail, _quote(step, mistake.lines), mistake.why]
    return "\n".join([*filter(None, lines), f"Where to look: {mistake.look}"])


def _quote(step: Any, patterns: Sequence[str]) -> str:
    """The first of the reader's lines of code that matches, with its number."""
    try:
        source = Path(step.__file__).read_text(encoding="utf-8")
        numbers = _lines_of_code(ast.parse(source))
    except (OSError, ValueError, SyntaxError):
        return ""
    lines = source.splitlines()
    for pattern in patterns:
        for number in numbers:
            line = lines[number - 1].partition("#")[0]
            if re.search(pattern, line):
                return f"    {number} │ {line.strip()}"
    return ""


def _lines_of_code(tree: ast.Module) -> list[int]:
    """The lines inside functions and classes that are no docstrings."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            found.add(node.lineno)
            for statement in node.body:
                is_text = isinstance(statement, ast.Expr) and isinstance(
                    statement.value, ast.Constant
                )
                is_scope = isinstance(statement, (ast.FunctionDef, ast.ClassDef))
                if not is_text and not is_scope:
                    end = statement.end_lineno or statement.lineno
                    found.update(range(statement.lineno, end + 1))
    return sorted(found)


def _close(attempt: Attempt) -> Callable[[Array, Array], bool]:
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


def _places(
    attempt: Attempt, answers: Sequence[Answer], close: Callable[[Array, Array], bool]
) -> list[str]:
    """Where in the output, and in which part of the module, the difference starts."""
    wrong = [answer for answer in answers if not answer.is_right(close)]
    if not wrong:
        return []
    first = wrong[0]
    actual, expected = first.actual, first.expected.output
    if actual is None or actual.shape != expected.shape:
        return []
    different = ~is_close(actual, expected, attempt.device)
    places = [which_places(different)]
    parts = getattr(table_module(attempt.number), "parts", None)
    if parts is not None and attempt.module is not None:
        module = attempt.module(first.case)
        places.append(
            first_wrong_part(
                parts(first.case, first.expected),
                lambda part: _run_part(module, part, attempt),
                close,
            )
        )
    return places


def _run_part(module: Module[..., Any], part: Part, attempt: Attempt) -> Array | None:
    """What a part of the reader's module makes of the right inputs, if it can."""
    inputs = [tensor(np.asarray(x), attempt.device) for x in part.arguments]
    try:
        found: Any = module
        for name in part.name.split("."):
            found = list(found)[int(name)] if name.isdigit() else getattr(found, name)
        return to_array(call(found, inputs))
    except Exception:
        return None
