"""What the known mistakes in the quantization of step 17 give, by their ids."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course.check.mistakes.wrong_gpt2 import Array, ByMistake


def quantized_rows(weight: Array, kept: Array, scale: Array) -> ByMistake:
    """What the known mistakes in quantize_rows make of a matrix.

    Args:
        weight: The matrix.
        kept: What the reader's code returns for it.
        scale: The scales that it returns beside it.
    """
    largest = np.abs(weight).max(axis=1)

    def scaled(scale: Array, round_: Callable[[Array], Array] = np.rint) -> Array:
        scale = np.where(scale == 0, np.float32(1), scale)[:, None]
        with np.errstate(invalid="ignore"):
            product: Array = round_(weight / scale).astype(np.int8) * scale
        return product

    def not_127() -> Array:
        """The reader's own, if the largest number of each row becomes the same."""
        with np.errstate(divide="ignore"):
            become = largest[largest > 0] / scale[largest > 0]
        same = np.allclose(become, become[0]) and not np.isclose(become[0], 127)
        return kept * scale[:, None] if same else np.full_like(weight, np.nan)

    right = largest / np.float32(127)
    return {
        "one-scale": lambda: scaled(np.full_like(right, right.max())),
        "scale-without-abs": lambda: scaled(weight.max(axis=1) / np.float32(127)),
        "cut-off": lambda: scaled(right, np.trunc),
        "rounded-down": lambda: scaled(right, np.floor),
        "half-added": lambda: scaled(right, lambda x: np.trunc(x + np.float32(0.5))),
        "wrapped-around": lambda: scaled(largest / np.float32(128)),
        "not-127": not_127,
    }


def rounded(weight: Array) -> ByMistake:
    """What the known mistakes make of a weight that is to be kept in 16 bits."""

    def half_precision() -> Array:
        bits = weight.astype(np.float16).view(np.uint16).astype(np.uint32)
        return (bits << 16).view(np.float32)

    def cut_bits() -> Array:
        return (weight.view(np.uint32) >> 16 << 16).view(np.float32)

    return {"half-precision": half_precision, "bits-cut-off": cut_bits}
