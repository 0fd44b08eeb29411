"""Where MAX, the configuration, the weights and the model meet."""

from typing import ClassVar

from max.graph.weights import WeightData
from max.pipelines.context import TextContext
from max.pipelines.lib import ModuleV3PipelineModelWithKVCache
from max.pipelines.lib.log_probabilities import LogProbabilitiesMixin
from step_11 import MaxGPT2LMHeadModel

from serving.gpt2 import ServedGPT2
from serving.model_config import ServedGPT2Config


class GPT2PipelineModel(
    LogProbabilitiesMixin, ModuleV3PipelineModelWithKVCache[TextContext]
):
    """Compiles GPT-2 once and runs it on every batch the scheduler makes.

    How a batch is laid out, `batch_processor_cls` says: step 18 gives it, in a class of
    its own. It stands there, and not in the architecture, since MAX hands its model
    worker, a process of its own, only the class of the model.
    """

    model_config_cls: ClassVar[type[ServedGPT2Config]] = ServedGPT2Config

    def _create_model_config(
        self, state_dict: dict[str, WeightData]
    ) -> ServedGPT2Config:
        return ServedGPT2Config.initialize(
            self.pipeline_config, max_seq_len=self.max_seq_len
        )

    def _prepare_state_dict(
        self, state_dict: dict[str, WeightData], model_config: ServedGPT2Config
    ) -> dict[str, WeightData]:
        # `--quantization-encoding bfloat16` of a model that is saved in float32.
        return {
            name: weight.astype(model_config.dtype)
            for name, weight in state_dict.items()
        }

    def _instantiate_module(self, model_config: ServedGPT2Config) -> ServedGPT2:
        model = MaxGPT2LMHeadModel(model_config.gpt2)
        return ServedGPT2(model, model_config.kv_params).to(self.devices[0])
