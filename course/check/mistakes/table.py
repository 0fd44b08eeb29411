"""What is known about a mistake, and the tables in `tables/` in which that stands."""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from course.steps import ALL_STEPS, StepId, get_step

TABLES = Path(__file__).parent / "tables"


@dataclass(frozen=True)
class Refusal:
    """How a mistake shows in an operation that MAX refuses to do.

    Attributes:
        operation: How MAX's name of the operation ends, or which function it is in.
        shapes: Of the tensors, each a word of letters: b for batch, l for length, h
            for n_head, d for head_dim, n for n_embd. Any, if there are none.
        dtype: Of one of the tensors after the first; any, if it is "".
    """

    operation: str
    shapes: tuple[str, ...] = ()
    dtype: str = ""


@dataclass(frozen=True)
class Mistake:
    """One mistake; these are the keys of the tables.

    A table may also have a `place`, with what several mistakes have in common: they
    name it, and what they say themselves comes first. `lines.forward = [...]` says
    that these lines are to be found within `forward`.

    Attributes:
        id: Its name, unique in the course.
        what: What is wrong, to the reader.
        why: Why it matters.
        look: Where to look; by default, in the function `within`.
        ways: Options for what the step computes (`outputs.py`); several if there are
            variants.
        shapes: The parameters that have other shapes, or are not in GPT-2, or, if the
            shape is empty, are missing. The name of a linear layer stands for its
            weight and bias. `parameters.py` has the words for sizes.
        blocks: How many blocks there are, if not n_layer.
        names_exchanged: Two parts that have each other's names.
        in_sequential: What stands in a Sequential instead of modules: "class" or
            "list".
        refused: How it shows in an operation that MAX refuses to do.
        large_numbers: Whether it shows in large numbers only, as an overflow does.
        lines: Patterns that find the reader's line, the best one first.
        within: The function in which to look for that line; everywhere by default.
    """

    id: str
    what: str
    why: str
    look: str
    ways: tuple[dict[str, Any], ...] = ()
    shapes: dict[str, list[str]] = field(default_factory=dict)
    blocks: str = ""
    names_exchanged: tuple[str, ...] = ()
    in_sequential: str = ""
    refused: tuple[Refusal, ...] = ()
    large_numbers: bool = False
    lines: tuple[str, ...] = ()
    within: str = ""


def mistakes_of(number: StepId) -> tuple[Mistake, ...]:
    """The known mistakes of a step; 0 for what is known in every step."""
    return _read(TABLES / f"{get_step(number).module if number else 'any_step'}.toml")


def get_mistake(number: StepId, name: str) -> Mistake:
    """One mistake of a step, by its id, or one that is known in every step."""
    known = (*mistakes_of(number), *mistakes_of(0))
    return next(mistake for mistake in known if mistake.id == name)


def all_mistakes() -> dict[StepId, tuple[Mistake, ...]]:
    """All tables, by the number of the step; 0 for what is known in every step."""
    return {n: mistakes_of(n) for n in (0, *(step.number for step in ALL_STEPS))}


@functools.cache
def _read(path: Path) -> tuple[Mistake, ...]:
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    places = {name: _entry(place) for name, place in table.pop("place", {}).items()}
    return tuple(_mistake(name, _entry(e), places) for name, e in table.items())


def _entry(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with `lines.function = [...]` taken apart, and tuples for lists."""
    if isinstance(entry.get("lines"), dict):
        [(within, lines)] = entry["lines"].items()
        entry |= {"lines": lines, "within": within}
    return {k: tuple(v) if isinstance(v, list) else v for k, v in entry.items()}


def _mistake(name: str, entry: dict[str, Any], places: dict[str, Any]) -> Mistake:
    entry = places.get(entry.pop("place", ""), {}) | entry
    entry.setdefault("look", f"`{entry.get('within')}`.")
    refused = tuple(Refusal(**_entry(one)) for one in entry.pop("refused", ()))
    return Mistake(name, refused=refused, **entry)
