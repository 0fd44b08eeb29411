"""Which model is served: that of step 11, or that of step 17 on its Mojo kernels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from max.dtype import DType
from max.graph.weights import WeightData
from step_01 import GPT2Config
from step_11 import MaxGPT2LMHeadModel

KERNELS = "mojo_kernels"
"""What config.json calls the compiled kernels and the dtype of the weights there."""


class Stock:
    """The model of step 11, on MAX's own operations.

    Attributes:
        packages: The compiled Mojo packages with the operations of the model.
    """

    packages: tuple[Path, ...] = ()

    def model(self, config: GPT2Config) -> Any:
        """Make the model whose parts `ServedGPT2` takes over."""
        return MaxGPT2LMHeadModel(config)

    def weights(self, state_dict: dict[str, WeightData]) -> dict[str, Any]:
        """Make its parameters of those of step 11: they are the same."""
        return dict(state_dict)


@dataclass(frozen=True)
class OnKernels(Stock):
    """The model of step 17, for the CPU: its linear layers run the Mojo kernels.

    Step 17 is imported where it is needed: who serves without it need not have done it.

    Attributes:
        dtype: How the weights of the linear layers are kept.
        packages: The compiled kernels.
    """

    dtype: DType
    packages: tuple[Path, ...]

    def model(self, config: GPT2Config) -> Any:
        """Make the model whose parts `ServedGPT2` takes over."""
        from step_17 import kernel_gpt2

        return kernel_gpt2(config, self.dtype)

    def weights(self, state_dict: dict[str, WeightData]) -> dict[str, Any]:
        """Make its parameters of those of step 11: quantize them."""
        from step_17 import quantize_weights

        arrays = {
            name: weight.to_buffer().to_numpy() for name, weight in state_dict.items()
        }
        weights: dict[str, Any] = quantize_weights(arrays, self.dtype)
        return weights


def parts_for(saved: Any) -> Stock:
    """Return what a model's config.json asks for.

    Args:
        saved: The configuration that MAX has read.
    """
    kernels = getattr(saved, KERNELS, None)
    if kernels is None:
        return Stock()
    return OnKernels(DType[kernels["dtype"]], (Path(kernels["package"]),))
