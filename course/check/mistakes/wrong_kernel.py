"""What the known mistakes in the Mojo file of step 17 give, by their ids."""

from __future__ import annotations

from collections.abc import Callable

import ml_dtypes
import numpy as np
from max.dtype import DType

from course.check.kernel.calls import Call
from course.check.mistakes.wrong_gpt2 import Array, ByMistake

ROWS = 4


def wrong(call: Call, width: int) -> ByMistake:
    """What the known mistakes in a function give for a call, as `Call.y` lays it out.

    Args:
        call: The call.
        width: How many numbers a register has.
    """
    makers = {
        "load_weights": _load_weights,
        "dot_numbers": _dot_numbers,
        "dot_registers": _dot_registers,
        "dot": _dot,
        "dot_four": _dot_four,
        "dot_rows": _dot_rows,
    }
    return makers[call.function](call, width)


def _load_weights(call: Call, width: int) -> ByMistake:
    row = call.w.ravel()

    def at(one: int, several: int) -> Callable[[], Array]:
        return lambda: call.y([row[one], *row[several : several + width]])

    k = call.k
    return {
        "column-not-used": at(0, 0),
        "column-of-registers": at(k, k * width),
        "width-not-used": lambda: call.y([row[k], *[row[k]] * width]),
    }


def _dot_numbers(call: Call, _: int) -> ByMistake:
    x, w = _columns(call)
    return {
        "last-number-left-out": lambda: call.y([x[:-1] @ w[:-1]]),
        "first-number-left-out": lambda: call.y([x[1:] @ w[1:]]),
        "only-last-number": lambda: call.y([x[-1] * w[-1]]),
        "total-not-changed": lambda: call.y([0]),
        "returned-too-early": lambda: call.y([x[0] * w[0]]),
        "converted-before": lambda: call.y([_in_few_bits(x, w, call.dtype)]),
        "x-not-used": lambda: call.y([w.sum()]),
        "added-not-multiplied": lambda: call.y([(x + w).sum()]),
    }


def _dot_registers(call: Call, width: int) -> ByMistake:
    x, w = _columns(call)
    registers = (x * w).reshape(-1, width)
    starts = range(0, len(x) - width + 1)
    again = np.resize(x[:width], len(x))
    return {
        "sums-not-changed": lambda: call.y([0]),
        "only-one-lane": lambda: call.y([registers[:, 0].sum()]),
        "only-last-register": lambda: call.y([registers[-1].sum()]),
        "last-register-left-out": lambda: call.y([registers[:-1].sum()]),
        "steps-of-one": lambda: call.y(
            [np.sum([x[i : i + width] @ w[i : i + width] for i in starts])]
        ),
        "same-register-of-x": lambda: call.y([again @ w]),
        "same-register-of-w": lambda: call.y([x @ np.resize(w[:width], len(w))]),
        "converted-before": lambda: call.y([_in_few_bits(x, w, call.dtype)]),
        "largest-lane": lambda: call.y([registers.sum(axis=0).max()]),
    }


def _dot(call: Call, width: int) -> ByMistake:
    x, w = _columns(call)
    k, whole = len(x), len(x) // width * width
    left, registers = k - whole, x[:whole] @ w[:whole]
    last = slice(max(0, k - width), k)
    return {
        "tail-forgotten": lambda: call.y([registers]),
        "whole-registers-counted": lambda: call.y([_counted(x, w, width)]),
        "only-the-tail": lambda: call.y([x[whole:] @ w[whole:]]),
        "tail-counted-twice": lambda: call.y([registers + x[last] @ w[last]]),
        "tail-from-the-front": lambda: call.y([registers + x[:left] @ w[:left]]),
        "tail-of-one-operand": lambda: call.y([registers + x[whole:] @ w[:left]]),
        "tail-of-the-other-operand": lambda: call.y([registers + x[:left] @ w[whole:]]),
        "all-counted-twice": lambda: call.y([registers + x @ w]),
    }


def _dot_four(call: Call, width: int) -> ByMistake:
    x, k = call.x[0, : call.k].astype(float), call.k
    rows = call.w[:, :k].astype(float)
    whole, memory = k // width * width, call.w.ravel().astype(float)
    packed = np.array([memory[j * k : (j + 1) * k] for j in range(ROWS)])
    right = rows @ x
    tails = rows[:, whole:] @ x[whole:]
    return {
        "one-row-for-all": lambda: call.y(np.full(ROWS, right[0])),
        "stride-not-used": lambda: call.y(packed @ x),
        "rows-backwards": lambda: call.y(right[::-1]),
        "tail-forgotten-in-four": lambda: call.y(right - tails),
        "tail-of-first-row": lambda: call.y(right - tails + tails[0]),
        "tail-from-the-front-of-the-row": lambda: call.y(
            right - tails + rows[:, : k - whole] @ x[whole:]
        ),
        "sum-of-all-rows": lambda: call.y(np.full(ROWS, right.sum())),
        "only-last-row": lambda: call.y(np.array([0, 0, 0, right[-1]])),
    }


def _dot_rows(call: Call, _: int) -> ByMistake:
    x = call.x[:, : call.k].astype(float)
    w = call.w[:, : call.k].astype(float)
    right = x @ w.T
    four_end = len(w) // ROWS * ROWS

    def without(rows: slice) -> Array:
        y = right.copy()
        y[:, rows] = np.nan
        return y

    first_rows = np.stack([np.resize(row[:ROWS], len(w)) for row in right])
    return {
        "rest-of-rows-forgotten": lambda: call.y(without(slice(four_end, None))),
        "fours-forgotten": lambda: call.y(without(slice(0, four_end))),
        "same-four-rows": lambda: call.y(
            np.concatenate([first_rows[:, :four_end], right[:, four_end:]], axis=1)
        ),
        "one-row-of-x": lambda: call.y(np.tile(right[0], (len(x), 1))),
        "one-row-of-y": lambda: _all_in_one_row(call, right),
        "y-transposed": lambda: _transposed(call, right),
        "y-transposed-in-fours": lambda: _transposed(call, right, fours=True),
        "y-stride-not-used": lambda: _packed(call, right),
    }


def _counted(x: Array, w: Array, width: int) -> float:
    """The sum if whole registers are counted, and not the columns in them."""
    count = len(x) // width
    # A register is loaded at every WIDTH-th column below the count.
    inside = -(-count // width) * width
    return float(x[:inside] @ w[:inside] + x[count:] @ w[count:])


def _columns(call: Call) -> tuple[Array, Array]:
    """The row of x and that of w that are multiplied, in float64."""
    return call.x[0, : call.k].astype(float), call.w[0, : call.k].astype(float)


def _in_few_bits(x: Array, w: Array, dtype: DType) -> float:
    """The sum if x is made as narrow as w, and the products too."""
    if dtype == DType.float32:
        return float("nan")
    kind = np.int8 if dtype == DType.int8 else ml_dtypes.bfloat16
    with np.errstate(all="ignore"):
        products = x.astype(np.float32).astype(kind) * w.astype(kind)
    return float(products.astype(float).sum())


def _all_in_one_row(call: Call, right: Array) -> Array:
    y = np.full(call.y_size, np.nan)
    y[: right.shape[1]] = right[-1]
    return y


def _transposed(call: Call, right: Array, *, fours: bool = False) -> Array:
    y = np.full(call.y_size + ROWS, np.nan)
    for i, row in enumerate(right):
        j = 0
        while j < len(row):
            count = ROWS if fours and j + ROWS <= len(row) else 1
            y[j * call.y_stride + i :][:count] = row[j : j + count]
            j += count
    return y[: call.y_size]


def _packed(call: Call, right: Array) -> Array:
    y = np.full(call.y_size, np.nan)
    y[: right.size] = right.ravel()
    return y
