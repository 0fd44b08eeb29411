"""The steps' models, compiled: with a KV cache and the Mojo kernels, or without.

What comes out is what `Module.compile` returns, but kept on disk for the next time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from max.driver import CPU, Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import Tensor, default_device, default_dtype

from course.model.checkpoint import Checkpoint
from course.model.every_position import EveryPosition
from course.model.four_bits import FOUR_BITS, four_bit_gpt2, four_bit_weights
from course.model.graph_cache import kept_or_compiled
from course.model.modules import Code

Compiled = Callable[..., Tensor]


@dataclass(frozen=True)
class Ending:
    """What step 15's or 17's model ends in: which logits it gives.

    Attributes:
        wrap: Makes of the model one with this ending, and with the same parameters.
        input_types: What that takes, for a configuration and a device.
        digest: Stands for the text of the step that it is from.
    """

    wrap: Callable[[Any], Any]
    input_types: Callable[[Any, Device], tuple[Any, ...]]
    digest: str


def last_position(code: Code) -> Ending:
    """The ending that these models have: logits of the last position."""
    return Ending(lambda model: model, code.cache.input_types, "last")


def every_position(code: Code) -> Ending:
    """Logits of all positions."""
    return Ending(EveryPosition, code.cache.input_types, "every")


def some_positions(code: Code) -> Ending:
    """Step 19's: logits of the positions that it asks for."""
    step = code.speculation
    text = Path(str(step.__file__)).read_bytes()
    digest = f"some {hashlib.sha256(text).hexdigest()}"
    return Ending(step.LookupGPT2, step.lookup_input_types, digest)


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
    checkpoint: Checkpoint,
    code: Code,
    device: Device,
    ending: Callable[[Code], Ending] = last_position,
) -> Compiled:
    """Compile the model of step 15, on MAX's own operations.

    Args:
        checkpoint: The sizes and weights.
        code: Whose GPT-2 computes.
        device: Where.
        ending: `last_position`, `every_position` or `some_positions`.

    Returns:
        What step 15's `Decoder`, or step 19's `LookupDecoder`, takes for a model.
    """
    config, end = code.config(checkpoint.config), ending(code)

    def compile_it() -> Any:
        model = _build(lambda: end.wrap(code.cache.CachedGPT2(config)), device)
        types = end.input_types(config, device)
        return model.compile(*types, weights=checkpoint.weights)

    key = f"cached {end.digest} {checkpoint.config} {code.digest}"
    return kept_or_compiled(key, compile_it, checkpoint.weights, device)


def compile_kernels(
    checkpoint: Checkpoint,
    code: Code,
    package: Path,
    dtype: str = "float32",
    ending: Callable[[Code], Ending] = last_position,
) -> Compiled:
    """Compile the model of step 17, on the CPU.

    Args:
        checkpoint: The sizes and weights.
        code: Whose GPT-2 computes.
        package: The compiled Mojo kernels.
        dtype: How the weights of the linear layers are kept: float32, bfloat16, int8
            or, but for the head's, int4.
        ending: `last_position`, `every_position` or `some_positions`.

    Returns:
        What step 15's `Decoder`, or step 19's `LookupDecoder`, takes for a model.
    """
    config, end = code.config(checkpoint.config), ending(code)
    if dtype == FOUR_BITS:
        weights = four_bit_weights(checkpoint.weights, code.kernel)
        build = partial(four_bit_gpt2, config, code.kernel)
    else:
        weights = code.kernel.quantize_weights(checkpoint.weights, DType[dtype])
        build = partial(code.kernel.kernel_gpt2, config, DType[dtype])

    def compile_it() -> Any:
        model = _build(lambda: end.wrap(build()), CPU())
        types = end.input_types(config, CPU())
        return model.compile(*types, weights=weights, custom_extensions=[package])

    made_of = f"{package.parent.name} {dtype} {end.digest}"
    key = f"kernels {made_of} {checkpoint.config} {code.digest}"
    return kept_or_compiled(key, compile_it, weights, CPU())


def _build(make: Callable[[], Any], device: Device) -> Any:
    # Lazily: or every weight would first be filled with random numbers.
    with default_device(device), default_dtype(DType.float32), F.lazy():
        return make().to(device)
