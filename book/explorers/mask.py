"""The causal mask."""

from __future__ import annotations

import numpy as np

from book.explorers.demo import Data, Demo
from course.check.loading import load_solution
from course.runtime import prepare

LONGEST_SEQUENCE = 5  # more columns do not fit on a phone
MOST_PAST_TOKENS = 5
STATIC = (4, 0)
CAPTION = "Computed by the solution of step 2."


def compute(demo: Demo) -> Data:
    """What `causal_mask` of step 2 returns, as the number of zeros of every row."""
    prepare()
    from max.driver import CPU
    from max.dtype import DType

    causal_mask = load_solution(2).causal_mask
    zeros = {}
    for length in range(1, LONGEST_SEQUENCE + 1):
        for past in range(MOST_PAST_TOKENS + 1):
            mask = causal_mask(length, past, dtype=DType.float32, device=CPU())
            rows = mask.to_numpy()
            counts = (rows == 0).sum(axis=1).tolist()
            # Zeros first, then nothing but minus infinity: the counts say it all.
            for row, count in zip(rows, counts, strict=True):
                assert (row[:count] == 0).all()
                assert (row[count:] == -np.inf).all()
            assert rows.shape == (length, past + length)
            zeros[f"{length},{past}"] = counts
    return {
        "longest_sequence": LONGEST_SEQUENCE,
        "most_past_tokens": MOST_PAST_TOKENS,
        "zeros": zeros,
    }


def draw(data: Data) -> str:
    """The mask as a table; mask.js draws the same."""
    length, past = STATIC
    counts = data["zeros"][f"{length},{past}"]
    head = "".join(f'<th scope="col">{j}</th>' for j in range(past + length))
    rows = "\n".join(
        f'<tr><th scope="row">{past + i}</th>'
        + "".join(
            '<td class="sees">0</td>' if j < count else '<td class="masked">−∞</td>'
            for j in range(past + length)
        )
        + "</tr>"
        for i, count in enumerate(counts)
    )
    return (
        '<table class="mask-grid">\n'
        f"<caption><code>causal_mask({length}, {past})</code>, shape "
        f"[{length}, {past + length}]</caption>\n"
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n"
        "<p>Each row is a new token that looks, each column a position that it looks "
        "at.</p>"
    )
