"""Solution for Step 18: Serving."""

from collections.abc import Mapping

from max.dtype import DType
from max.graph.weights import WeightData, Weights, WeightsFormat
from max.pipelines.context import TextContext
from max.pipelines.kv_cache.memory_planner import PagedMemoryPlanner
from max.pipelines.lib import SupportedArchitecture
from max.pipelines.modeling.types import PipelineTask
from solution_13 import convert_weights

from serving.batch_processor import RaggedBatches
from serving.model import GPT2PipelineModel
from serving.model_config import ServedGPT2Config
from serving.tokenizer import CheckedTokenizer


def convert_checkpoint(
    state_dict: Mapping[str, Weights], **_: object
) -> dict[str, WeightData]:
    """Convert as in step 13: transpose Conv1D, drop masks, tie the head.

    Args:
        state_dict: The tensors of a `model.safetensors` by name.

    Returns:
        The parameters of `ServedGPT2` by name, float32.
    """
    tensors = {
        # By way of a buffer: MAX takes no array that is read-only, as those of
        # `np.from_dlpack` are.
        name: weights.data().astype(DType.float32).to_buffer().to_numpy()
        for name, weights in state_dict.items()
    }
    return {
        name: WeightData.from_numpy(array, name)
        for name, array in convert_weights(tensors).items()
    }


gpt2_architecture = SupportedArchitecture(
    # What `architectures` in a model's config.json says.
    name="GPT2LMHeadModel",
    example_repo_ids=["openai-community/gpt2"],
    task=PipelineTask.TEXT_GENERATION,
    tokenizer=CheckedTokenizer,
    context_type=TextContext,
    config=ServedGPT2Config,
    pipeline_model=GPT2PipelineModel,
    batching=RaggedBatches,
    memory_planner=PagedMemoryPlanner,
    default_weights_format=WeightsFormat.safetensors,
    weight_adapters={WeightsFormat.safetensors: convert_checkpoint},
    default_encoding=ServedGPT2Config.DEFAULT_ENCODING,
    supported_encodings=ServedGPT2Config.SUPPORTED_ENCODINGS,
)

# What `--custom-architectures` looks for.
ARCHITECTURES = [gpt2_architecture]
