"""
Step 18: Serving

Serve GPT-2 to many readers at once: tell MAX's server how to read its weights, and
which classes it is made of.

Tasks:
1. Read every tensor as float32, in memory that can be written
2. Convert the tensors as in step 13, and wrap them for MAX
3. Say what the architecture is called and what it is made of
4. Register the adapter for files in safetensors format
5. Offer the architecture to the server

Run: pixi run s18
"""

from collections.abc import Mapping

from max.dtype import DType
from max.graph.weights import WeightData, Weights, WeightsFormat
from max.pipelines.context import TextContext
from max.pipelines.kv_cache.memory_planner import PagedMemoryPlanner
from max.pipelines.lib import SupportedArchitecture
from max.pipelines.modeling.types import PipelineTask
from step_13 import convert_weights

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
        # TODO: Read the tensor, make it float32, and go by way of a buffer to NumPy
        # Hint: weights.data(), .astype(DType....), .to_buffer(), .to_numpy()
        name: None
        for name, weights in state_dict.items()
    }

    # TODO: Convert the tensors, and return them by name, each as a WeightData
    # Hint: {name: WeightData.from_numpy(..., ...) for name, array in ...}
    return None


gpt2_architecture = SupportedArchitecture(
    # What `architectures` in a model's config.json says.
    # TODO: Give the name by which a model's config.json asks for it
    # Hint: name="..."
    name="",
    example_repo_ids=["openai-community/gpt2"],

    # TODO: Say that it makes text
    # Hint: task=PipelineTask....
    task=None,
    tokenizer=CheckedTokenizer,
    context_type=TextContext,

    # TODO: Give the three classes of serving/: for sizes, for running, for batches
    # Hint: config=..., pipeline_model=..., batching=...
    config=None,
    pipeline_model=None,
    batching=None,
    memory_planner=PagedMemoryPlanner,
    default_weights_format=WeightsFormat.safetensors,

    # TODO: Have safetensors files go through your adapter
    # Hint: weight_adapters={WeightsFormat.safetensors: ...}
    weight_adapters={},
    default_encoding=ServedGPT2Config.DEFAULT_ENCODING,
    supported_encodings=ServedGPT2Config.SUPPORTED_ENCODINGS,
)

# What `--custom-architectures` looks for.
# TODO: List the architecture
# Hint: ARCHITECTURES = [...]
ARCHITECTURES = []
