"""The steps' models, compiled: with a KV cache and the Mojo kernels, or without."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from max.driver import CPU, Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import default_device, default_dtype
from numpy.typing import NDArray

from course.model.graph_cache import kept_or_compiled
from course.model.modules import Code

Sizes = dict[str, Any]
Weights = dict[str, NDArray[Any]]


def build_whole_sequence(
    sizes: Sizes, weights: Weights, code: Code, device: Device
) -> Any:
    """Build the model of step 11, with its weights.

    Args:
        sizes: The fields of `GPT2Config`.
        weights: The parameters of `MaxGPT2LMHeadModel`, float32.
        code: Whose GPT-2 computes.
        device: Where it computes.

    Returns:
        A `MaxGPT2LMHeadModel`.
    """
    config = code.config.GPT2Config(**sizes)
    model = _build(lambda: code.language_model.MaxGPT2LMHeadModel(config), device)
    model.load_state_dict(weights)
    return model.to(device)


def compile_cached(
    sizes: Sizes, weights: Weights, code: Code, device: Device, capacity: int
) -> Any:
    """Compile the model of step 15, on MAX's own operations.

    Args:
        sizes: The fields of `GPT2Config`.
        weights: The parameters of `MaxGPT2LMHeadModel`, float32.
        code: Whose GPT-2 computes.
        device: Where it computes.
        capacity: The longest text, in tokens.

    Returns:
        The `Decoder` of step 15.
    """
    step = code.cache
    assert step is not None
    config = code.config.GPT2Config(**sizes)

    def compile_it() -> Any:
        model = _build(lambda: step.CachedGPT2(config), device)
        return model.compile(*step.input_types(config, device), weights=weights)

    key = f"cached {sizes} {code.digest}"
    model = kept_or_compiled(key, compile_it, weights, device)
    return step.Decoder(model, config, capacity=capacity, device=device)


def compile_kernels(
    sizes: Sizes,
    weights: Weights,
    code: Code,
    package: Path,
    dtype: str,
    capacity: int,
) -> Any:
    """Compile the model of step 17, on the CPU.

    Args:
        sizes: The fields of `GPT2Config`.
        weights: The parameters of `MaxGPT2LMHeadModel`, float32.
        code: Whose GPT-2 computes.
        package: The compiled Mojo kernels.
        dtype: How the weights of the linear layers are kept: float32, bfloat16, int8.
        capacity: The longest text, in tokens.

    Returns:
        The `Decoder` of step 15.
    """
    cache_step, step = code.cache, code.kernel
    assert cache_step is not None
    assert step is not None
    config = code.config.GPT2Config(**sizes)
    quantized = step.quantize_weights(weights, DType[dtype])

    def compile_it() -> Any:
        model = _build(lambda: step.KernelGPT2(config, DType[dtype]), CPU())
        return model.compile(
            *cache_step.input_types(config, CPU()),
            weights=quantized,
            custom_extensions=[package],
        )

    key = f"kernels {package.parent.name} {dtype} {sizes} {code.digest}"
    model = kept_or_compiled(key, compile_it, quantized, CPU())
    return cache_step.Decoder(model, config, capacity=capacity, device=CPU())


def _build(make: Callable[[], Any], device: Device) -> Any:
    # Lazily: or every weight would first be filled with random numbers.
    with default_device(device), default_dtype(DType.float32), F.lazy():
        return make().to(device)
