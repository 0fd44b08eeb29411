"""From the texts that the scheduler has chosen to the inputs of the model."""

from collections.abc import Sequence

import numpy as np
from max import tree
from max.driver import Buffer
from max.dtype import DType
from max.graph import BufferType, DeviceRef, TensorType
from max.nn.kv_cache import KVCacheInputs
from max.nn.kv_cache.cache_params import KVCacheParamInterface
from max.pipelines.context import TextContext
from max.pipelines.lib.interfaces.batch_processor import (
    ModuleV3SingleReplicaBatchProcessor,
    build_single_replica_ragged_token_arrays,
    single_replica_context_batch,
)

from serving.inputs import GPT2Inputs


class RaggedBatches(ModuleV3SingleReplicaBatchProcessor[TextContext, GPT2Inputs]):
    """Lays the new tokens of all texts end to end.

    MAX's own processor does this for models with rotary embeddings, whose positions
    its attention works out. GPT-2 looks its positions up, so they are inputs here.
    """

    def get_symbolic_inputs(
        self,
        *,
        kv_params: KVCacheParamInterface,
        device_refs: list[DeviceRef],
    ) -> list[TensorType | BufferType]:
        """Describe the arguments of `ServedGPT2.forward`, for `compile`.

        Args:
            kv_params: The shape of the paged cache.
            device_refs: Where the model computes: one device.

        Returns:
            One type for each argument.
        """
        [device] = device_refs
        return [
            TensorType(DType.int64, ["tokens"], device),
            TensorType(DType.int64, ["tokens"], device),
            TensorType(DType.uint32, ["offsets"], device),
            *tree.leaves(kv_params.get_symbolic_inputs()),
        ]

    def prepare_initial_token_inputs(
        self,
        replica_batches: Sequence[Sequence[TextContext]],
        kv_cache_inputs: KVCacheInputs[Buffer, Buffer] | None = None,
        return_n_logits: int = 1,
    ) -> GPT2Inputs:
        """Make the arguments for one step of a batch.

        Args:
            replica_batches: The texts, each with the tokens that are to be read now: a
                prompt, a piece of one, or the token chosen last.
            kv_cache_inputs: The paged cache, with a place for these tokens.
            return_n_logits: How many positions to score: the last of each text.

        Returns:
            The arguments of `ServedGPT2.forward`.
        """
        texts = single_replica_context_batch(
            replica_batches, processor_name=type(self).__name__
        )
        tokens, row_offsets = build_single_replica_ragged_token_arrays(texts)
        positions = np.concatenate(
            [
                np.arange(
                    text.tokens.processed_length,
                    text.tokens.current_position,
                    dtype=np.int64,
                )
                for text in texts
            ]
        )
        device = self.runtime.devices[0]
        return GPT2Inputs(
            tokens=Buffer.from_numpy(tokens).to(device),
            positions=Buffer.from_numpy(positions).to(device),
            input_row_offsets=Buffer.from_numpy(row_offsets).to(device),
            kv_cache_inputs=kv_cache_inputs,
        )
