"""Where MAX, the configuration, the weights and the model meet."""

from collections.abc import Callable
from functools import cached_property
from typing import Any, ClassVar

from max.driver import CPU
from max.graph import default_custom_extensions_scope
from max.graph.weights import WeightData
from max.pipelines.context import TextContext
from max.pipelines.lib import ModuleV3Outputs, ModuleV3PipelineModelWithKVCache
from max.pipelines.lib.log_probabilities import LogProbabilitiesMixin

from course.model.thread_priority import first_run_alone
from serving.gpt2 import ServedGPT2
from serving.model_config import ServedGPT2Config
from serving.parts import Stock, parts_for


class GPT2PipelineModel(
    LogProbabilitiesMixin, ModuleV3PipelineModelWithKVCache[TextContext]
):
    """Compiles GPT-2 once and runs it on every batch the scheduler makes.

    How a batch is laid out, `batch_processor_cls` says: step 18 gives it, in a class of
    its own. It stands there, and not in the architecture, since MAX hands its model
    worker, a process of its own, only the class of the model.
    """

    model_config_cls: ClassVar[type[ServedGPT2Config]] = ServedGPT2Config

    @cached_property
    def parts(self) -> Stock:
        """Which model is served."""
        return parts_for(self.huggingface_config)

    def load_model(self) -> Callable[..., ModuleV3Outputs]:
        """Compile the model, with the operations that it is made of."""
        with default_custom_extensions_scope(*self.parts.packages):
            model = super().load_model()
        return first_run_alone(model) if isinstance(self.devices[0], CPU) else model

    def _create_model_config(
        self, state_dict: dict[str, WeightData]
    ) -> ServedGPT2Config:
        return ServedGPT2Config.initialize(
            self.pipeline_config, max_seq_len=self.max_seq_len
        )

    def _prepare_state_dict(
        self, state_dict: dict[str, WeightData], model_config: ServedGPT2Config
    ) -> dict[str, Any]:
        # `--quantization-encoding bfloat16` of a model that is saved in float32.
        weights = {
            name: weight.astype(model_config.dtype)
            for name, weight in state_dict.items()
        }
        return self.parts.weights(weights)

    def _instantiate_module(self, model_config: ServedGPT2Config) -> ServedGPT2:
        model = self.parts.model(model_config.gpt2)
        return ServedGPT2(model, model_config.kv_params).to(self.devices[0])
