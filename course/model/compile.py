"""The steps' models, compiled: with a KV cache and the Mojo kernels, or without.

What comes out is what `Module.compile` returns, but kept on disk for the next time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
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
    checkpoint: Checkpoint, code: Code, device: Device, *, lookup: bool = False
) -> Compiled:
    """Compile the model of step 15, on MAX's own operations.

    Args:
        checkpoint: The sizes and weights.
        code: Whose GPT-2 computes.
        device: Where.
        lookup: Whether step 19 asks it for several logits.

    Returns:
        What step 15's `Decoder` takes for a model, or step 19's `LookupDecoder`.
    """
    config = code.config(checkpoint.config)
    graph = _Graph(code, config, device, lookup)

    def compile_it() -> Any:
        model = graph.build(lambda: code.cache.CachedGPT2(config))
        return model.compile(*graph.types(), weights=checkpoint.weights)

    key = f"cached {checkpoint.config} {graph.digest}"
    return kept_or_compiled(key, compile_it, checkpoint.weights, device)


def compile_kernels(
    checkpoint: Checkpoint,
    code: Code,
    package: Path,
    dtype: str = "float32",
    *,
    lookup: bool = False,
) -> Compiled:
    """Compile the model of step 17, on the CPU.

    Args:
        checkpoint: The sizes and weights.
        code: Whose GPT-2 computes.
        package: The compiled Mojo kernels.
        dtype: How the weights of the linear layers are kept: float32, bfloat16, int8.
        lookup: Whether step 19 asks it for several logits.

    Returns:
        What step 15's `Decoder` takes for a model, or step 19's `LookupDecoder`.
    """
    config = code.config(checkpoint.config)
    weights = code.kernel.quantize_weights(checkpoint.weights, DType[dtype])

    graph = _Graph(code, config, CPU(), lookup)

    def compile_it() -> Any:
        model = graph.build(lambda: code.kernel.kernel_gpt2(config, DType[dtype]))
        return model.compile(
            *graph.types(), weights=weights, custom_extensions=[package]
        )

    key = f"kernels {package.parent.name} {dtype} {checkpoint.config} {graph.digest}"
    return kept_or_compiled(key, compile_it, weights, CPU())


@dataclass(frozen=True)
class _Graph:
    """A cached model that gives the last logits, or those that step 19 asks for."""

    code: Code
    config: Any
    device: Device
    lookup: bool

    def build(self, make: Callable[[], Any]) -> Any:
        """Build it around what `make` makes: a `CachedGPT2`."""
        if not self.lookup:
            return _build(make, self.device)
        return _build(lambda: self.code.speculation.LookupGPT2(make()), self.device)

    def types(self) -> tuple[Any, ...]:
        """What it takes."""
        if not self.lookup:
            return tuple(self.code.cache.input_types(self.config, self.device))
        step = self.code.speculation
        return tuple(step.lookup_input_types(self.config, self.device))

    @property
    def digest(self) -> str:
        """Stands for the text of the steps that make it."""
        if not self.lookup:
            return self.code.digest
        step_19 = Path(str(self.code.speculation.__file__)).read_bytes()
        return f"{self.code.digest} {hashlib.sha256(step_19).hexdigest()}"


def _build(make: Callable[[], Any], device: Device) -> Any:
    # Lazily: or every weight would first be filled with random numbers.
    with default_device(device), default_dtype(DType.float32), F.lazy():
        return make().to(device)
