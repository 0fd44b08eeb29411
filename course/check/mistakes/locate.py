"""Saying where a difference starts that no known mistake explains."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from course.check.attempt import Answer, Close
from course.check.mistakes.outputs import Part
from course.check.mistakes.wrong_gpt2 import Array


def which_cases(answers: Sequence[Answer], close: Close) -> str:
    """What the wrong cases have in common that the right ones have not."""
    wrong = [answer.case for answer in answers if not answer.is_right(close)]
    right = [answer.case for answer in answers if answer.is_right(close)]
    if not right or not wrong or not hasattr(wrong[0], "size"):
        return ""
    if not {case.size for case in wrong} & {case.size for case in right}:
        ours, others = wrong[0].sizes, right[0].sizes
        numbers = ", ".join(f"{k}={v}" for k, v in ours.items() if v != others[k])
        return (
            f"Only one of two configurations comes out wrong, that with {numbers}. Is "
            "one of these numbers written out in your code, or not used?"
        )
    if min(case.batch for case in wrong) > max(case.batch for case in right):
        return "Only batches of several sequences come out wrong."
    shortest = min(case.length for case in wrong)
    longest = max(case.length for case in right)
    if shortest > longest:
        return (
            f"Inputs of {shortest} tokens and more come out wrong; those of {longest} "
            "or fewer are right."
        )
    return ""


def which_places(wrong: Array) -> str:
    """Which sequences, positions and columns are wrong, if not all are."""
    if wrong.ndim != 3:
        return ""
    parts = []
    for axis, name in enumerate(("sequence", "position", "column")):
        others = tuple(i for i in range(3) if i != axis)
        bad = np.flatnonzero(wrong.any(axis=others))
        if len(bad) < wrong.shape[axis]:
            parts.append(f"{name}{'s' if len(bad) > 1 else ''} {_ranges(bad)}")
    return f"Only {' and '.join(parts)} differ." if parts else ""


def _ranges(numbers: Iterable[int]) -> str:
    """2, 3, 4, 7 as "2 to 4, 7"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = [f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    return ", ".join(texts[:4]) + (", …" if len(texts) > 4 else "")


def first_wrong_part(
    parts: Sequence[Part], run: Callable[[Part], Array | None], close: Close
) -> str:
    """Which part, given what Hugging Face gives it, is the first to go wrong."""
    tried = []
    for part in parts:
        output = run(part)
        if output is None:
            continue
        tried.append(part.name)
        if not close(output, part.output):
            return (
                f"self.{part.name}, called with what it gets in Hugging Face's GPT-2, "
                "already gives something else: look there first."
            )
    if not tried:
        return ""
    names = ", ".join(tried if len(tried) < 8 else [*tried[:3], "…", *tried[-2:]])
    return (
        f"Each part by itself is right ({names}): look at how `forward` puts them "
        "together."
    )
