"""Calls of the functions in a step 17, laid out in memory with traps around them."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import ml_dtypes
import numpy as np
from max.dtype import DType
from numpy.typing import ArrayLike, NDArray

FUNCTIONS = (
    "load_weights",
    "dot_numbers",
    "dot_registers",
    "dot",
    "dot_four",
    "dot_rows",
)
DTYPES = (DType.float32, DType.bfloat16, DType.int8)
NUMPY_DTYPES = (np.float32, ml_dtypes.bfloat16, np.int8)

CANARY = np.float32(-12345)
"""What harness.mojo writes into y beforehand."""
TRAP = 64
"""Numbers before and behind x and w that make NaN of all they are added to."""
HEADER = struct.Struct("<11q")
ALIGNMENT = 64

Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Call:
    """What to call a function with.

    Attributes:
        function: One of `FUNCTIONS`.
        dtype: How the weights are kept.
        x: float32, shape [x_rows, x_stride]; the first k columns count.
        w: The weights as float32, shape [rows, w_stride], such as the dtype can hold.
        k: The number of columns; for load_weights, the first column that is loaded.
        y_stride: How far it is from one row of y to the next.
        y_size: How many numbers there are for y.
    """

    function: str
    dtype: DType
    x: Array
    w: Array
    k: int
    y_stride: int
    y_size: int

    def y(self, numbers: ArrayLike) -> Array:
        """The memory of y if these are written: [rows, columns], or one row.

        NaN stands for what is not written.
        """
        rows = np.atleast_2d(np.asarray(numbers, float))
        y = np.full(self.y_size, np.nan, np.float32)
        for i, row in enumerate(rows):
            y[i * self.y_stride :][: len(row)] = row
        return y


def lay_out(calls: Sequence[Call]) -> bytes:
    """The file of cases that harness.mojo reads."""
    head = struct.pack("<2q", len(calls), sum(call.y_size for call in calls))
    place = len(head) + len(calls) * HEADER.size
    headers, data = [], []
    for call in calls:
        dtype = DTYPES.index(call.dtype)
        trap = np.full(TRAP, np.nan, np.float32)
        kept = call.w.astype(NUMPY_DTYPES[dtype]).ravel()
        # Whole numbers know no NaN: the largest will do.
        around = np.full(TRAP, 127 if call.dtype == DType.int8 else np.nan).astype(
            kept.dtype
        )
        places = []
        for array, guard in ((call.x.ravel(), trap), (kept, around)):
            before = b"\0" * (-(place + guard.nbytes) % ALIGNMENT) + guard.tobytes()
            places.append(place + len(before))
            data.append(before + array.tobytes() + guard.tobytes())
            place += len(data[-1])
        headers.append(
            HEADER.pack(
                FUNCTIONS.index(call.function),
                dtype,
                len(call.x),
                len(call.w),
                call.k,
                call.x.shape[1],
                call.w.shape[1],
                call.y_stride,
                call.y_size,
                *places,
            )
        )
    return b"".join([head, *headers, *data])


def results_of(calls: Sequence[Call], data: bytes) -> tuple[int, list[Array]]:
    """Read what harness.mojo wrote: WIDTH, and the memory of y after each call.

    NaN stands for what was not written, and infinity for a NaN that was.
    """
    numbers = np.frombuffer(data, np.float32)
    numbers = np.where(np.isnan(numbers), np.float32(np.inf), numbers)
    numbers = np.where(numbers == CANARY, np.float32(np.nan), numbers)
    ends = np.cumsum([call.y_size for call in calls])
    return int(numbers[0]), np.split(numbers[1:], ends[:-1])
