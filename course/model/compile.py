"""The steps' models, compiled: with a KV cache and the Mojo kernels, or without.

What comes out is what `Module.compile` returns, but kept on disk for the next time.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from max.driver import CPU, Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor, default_device, default_dtype

from course.model.checkpoint import Checkpoint
from course.model.graph_cache import kept_or_compiled
from course.model.modules import Code

Compiled = Callable[..., Tensor]
Ending = Callable[[Any], Any]
"""Makes of step 15's or 17's model one with the same parameters and another ending."""


def last_position(model: Any) -> Any:
    """The ending that these models have: logits of the last position."""
    return model


def build_whole_sequence(checkpoint: Checkpoint, code: Code, device: Device) -> Any:
    """Build the model of step 11, with its weights; it is not compiled.

    Returns:
        A `MaxGPT2LMHeadModel`.
    """
    config = code.config(checkpoint.config)
    model = _build(lambda: code.language_model.MaxGPT2LMHeadModel(config), device)
    model.load_state_dict(checkpoint.weights)
    return model.to(device)


def compile_cached(
    checkpoint: Checkpoint, code: Code, device: Device, ending: Ending = last_position
) -> Compiled:
    """Compile the model of step 15, on MAX's own operations.

    Returns:
        What step 15's `Decoder` takes for a model.
    """
    config = code.config(checkpoint.config)

    def compile_it() -> Any:
        model = _build(lambda: ending(code.cache.CachedGPT2(config)), device)
        types = code.cache.input_types(config, device)
        return model.compile(*types, weights=checkpoint.weights)

    key = f"cached {ending.__name__} {checkpoint.config} {code.digest}"
    return kept_or_compiled(key, compile_it, checkpoint.weights, device)


def compile_kernels(
    checkpoint: Checkpoint,
    code: Code,
    package: Path,
    dtype: str = "float32",
    ending: Ending = last_position,
) -> Compiled:
    """Compile the model of step 17, on the CPU.

    Args:
        checkpoint: The sizes and weights.
        code: Whose GPT-2 computes.
        package: The compiled Mojo kernels.
        dtype: How the weights of the linear layers are kept: float32, bfloat16, int8.
        ending: `last_position`, or `EveryPosition`.

    Returns:
        What step 15's `Decoder` takes for a model.
    """
    config = code.config(checkpoint.config)
    weights = code.kernel.quantize_weights(checkpoint.weights, DType[dtype])

    def compile_it() -> Any:
        model = _build(
            lambda: ending(code.kernel.kernel_gpt2(config, DType[dtype])), CPU()
        )
        types = code.cache.input_types(config, CPU())
        return model.compile(*types, weights=weights, custom_extensions=[package])

    parts = (
        package.parent.name,
        dtype,
        ending.__name__,
        checkpoint.config,
        code.digest,
    )
    key = " ".join(map(str, ("kernels", *parts)))
    return kept_or_compiled(key, compile_it, weights, CPU())


def _build(make: Callable[[], Any], device: Device) -> Any:
    # Lazily: or every weight would first be filled with random numbers.
    with default_device(device), default_dtype(DType.float32), F.lazy():
        return make().to(device)
