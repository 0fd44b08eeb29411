"""What `F.band_part` keeps, by its arguments."""

from __future__ import annotations

from typing import Any

import numpy as np
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor

from book.numbers.example import DEVICE
from book.pictures.svg import WIDTH, Drawing

SIZE = 4
CALLS: tuple[dict[str, Any], ...] = (
    {"num_lower": None, "num_upper": 0},
    {"num_lower": None, "num_upper": 1},
    {"num_lower": 1, "num_upper": 0},
    {"num_lower": None, "num_upper": 0, "exclude": True},
    {"num_lower": None, "num_upper": 1, "exclude": True},
    {"num_lower": 1, "num_upper": 0, "exclude": True},
)


def band_part() -> Drawing:
    """Six calls on a matrix of ones: what stays, and what becomes 0."""
    ones = Tensor(np.ones((SIZE, SIZE)).tolist(), dtype=DType.float32, device=DEVICE)
    kept = [F.band_part(ones, **call).to_numpy() for call in CALLS]
    told = " ".join(
        f"With {arguments(call)} the rows keep "
        f"{', '.join(columns_kept(row) for row in matrix)}."
        for call, matrix in zip(CALLS, kept, strict=True)
    )
    drawing = Drawing(
        "What band_part keeps",
        f"Six times a matrix of 4 by 4; x marks a number that stays, 0 one that is "
        f"set to 0. {told}",
        WIDTH,
        320,
    )
    cell = 24
    for place, (call, matrix) in enumerate(zip(CALLS, kept, strict=True)):
        left = 118 * (place % 3)
        top = 164 * (place // 3)
        drawing.text(left, top + 12, f"num_lower={call['num_lower']}", "mono tiny")
        drawing.text(left, top + 28, f"num_upper={call['num_upper']}", "mono tiny")
        if "exclude" in call:
            drawing.text(left, top + 44, "exclude=True", "mono tiny")
        for (row, column), value in np.ndenumerate(matrix):
            drawing.box(
                left + column * cell,
                top + 50 + row * cell,
                cell,
                cell,
                "x" if value else "0",
                "blue" if value else "box",
                "mid mono small" if value else "mid mono small dim",
            )
    return drawing


def arguments(call: dict[str, Any]) -> str:
    """The arguments as they are written in a call."""
    return ", ".join(f"{name}={value}" for name, value in call.items())


def columns_kept(row: Any) -> str:
    """The columns of a row that were not set to 0."""
    return " and ".join(str(column) for column in np.flatnonzero(row)) or "nothing"
