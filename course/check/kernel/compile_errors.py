"""What the Mojo compiler says about a reader's file, cut to the reader's lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from course.check.failure import DoesNotCompile
from course.model.kernel_package import READERS_FILE
from course.open_todos import scope_of
from course.source import lines_of, read_source
from course.steps import from_root

ERROR = re.compile(rf"^\S*{re.escape(READERS_FILE)}:(\d+):\d+: error: (.*)$", re.M)
NOTE = re.compile(rf"^\S*{re.escape(READERS_FILE)}:(\d+):\d+: note: ", re.M)
ANY_NOTE = re.compile(r"note: (.*)")
ANY_ERROR = re.compile(r"error: (.*)")

Words = Callable[[re.Match[str]], str]

IN_WORDS: tuple[tuple[str, Words], ...] = (
    (
        r"use of unknown declaration '(\w+)'",
        lambda m: f"Mojo knows no `{m[1]}` here. Is it spelled as it is declared?",
    ),
    (
        r"cannot implicitly convert 'SIMD\[\.float32, .+\]' value to 'Float32'",
        lambda _: "A register is to become one number: reduce_add() adds up its lanes.",
    ),
    (
        r"cannot implicitly convert '(.*)' value to '(.*)'",
        lambda m: (
            f"This is a {_short(m[1])}, and a {_short(m[2])} is wanted. Mojo turns no "
            "number into another kind by itself: .cast[DType.float32]() does."
        ),
    ),
    (
        r"cannot be converted from '(?:Scalar|SIMD)\[dtype",
        lambda _: (
            "A weight is not float32 yet: load_weights, or .cast[DType.float32](), "
            "makes it so."
        ),
    ),
    (
        r"'(.*)' value has no attribute '(\w+)'",
        lambda m: f"A {_short(m[1])} has no `{m[2]}`.",
    ),
    (
        r"expression must be mutable|invalid mutation|immutable",
        lambda _: (
            "This cannot be written to. y.at(i, j) is a pointer, and y.at(i, j)[] is "
            "the number there; a new name is declared with `var`."
        ),
    ),
    (
        r"(?:cannot use a dynamic value|not a compile-time|dynamic value)",
        lambda _: (
            "In square brackets only what is known when the program is compiled can "
            "stand: WIDTH, ROWS, a number."
        ),
    ),
    (
        r"expected ':'",
        lambda _: "A line that opens a block ends in a colon. Perhaps the one before.",
    ),
    (
        r"no matching (?:function|method) in (?:call|initialization)"
        r"|unexpected argument",
        lambda _: (
            "What is called here does not take these arguments. Are there as many, of "
            "these kinds, and the [parameters] in square brackets?"
        ),
    ),
    (
        r"variable '?(\w+)'? .*redefinition|redefinition of '(\w+)'",
        lambda m: (
            f"`{m[1] or m[2]}` is declared twice: `var` stands only the first time."
        ),
    ),
)


def first_error(output: str, path: Path, numbers: Sequence[int]) -> DoesNotCompile:
    """The first error, with the reader's line.

    Args:
        output: What the compiler said.
        path: The reader's file.
        numbers: For each line that was compiled, its number in that file.
    """
    does_not = f"{from_root(path)} does not compile"
    line, said, more = _find(output)
    if line is None:
        return DoesNotCompile(f"{does_not}: {said}", line=None)
    number = numbers[min(line, len(numbers)) - 1]
    lines = lines_of(read_source(path))
    quoted, within = lines[number - 1].strip(), scope_of(lines, number - 1)
    words = next(
        (say(m) for pattern, say in IN_WORDS if (m := re.search(pattern, more))), ""
    )
    parts = [f"{does_not}.", f"    {number} │ {quoted}", words, f"Mojo says: {said}"]
    message = "\n".join(filter(None, parts))
    return DoesNotCompile(message, line=number, within=within)


def _find(output: str) -> tuple[int | None, str, str]:
    """The line of the first error, its message, and that with the notes on it."""
    if found := ERROR.search(output):
        more = output[found.start(2) :].partition("error: ")[0]
        return int(found[1]), found[2].strip(), more
    # Some things only show when a function is compiled for a dtype: the last note says.
    if notes := NOTE.findall(output):
        said = ANY_NOTE.findall(output)[-1].strip()
        return int(notes[-1]), said, said
    other = ANY_ERROR.search(output)
    return None, other[1] if other else output.strip()[-300:], ""


def _short(kind: str) -> str:
    """A type without what only compilers need: SIMD[DType.float32, WIDTH]."""
    kind = re.sub(r"(?:std|builtin|kernel)\.(?:\w+\.)*", "", kind)
    return kind if len(kind) < 60 else kind[:57] + "…"
