"""From the texts that the scheduler has chosen to the inputs of the model."""

from abc import abstractmethod
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
    single_replica_context_batch,
)
from numpy.typing import NDArray

from serving.inputs import GPT2Inputs

RaggedArrays = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint32]]
"""Tokens, positions and row offsets, as `ServedGPT2.forward` takes them."""


class RaggedBatches(ModuleV3SingleReplicaBatchProcessor[TextContext, GPT2Inputs]):
    """Makes the inputs of the model from texts that step 18 lays end to end.

    MAX's own processor does this for models with rotary embeddings, whose positions
    its attention works out. GPT-2 looks its positions up, so they are inputs here.
    """

    @staticmethod
    @abstractmethod
    def arrays(contexts: Sequence[TextContext]) -> RaggedArrays:
        """Lay texts end to end.

        Args:
            contexts: The texts, each with the tokens that are to be read now: a
                prompt, a piece of one, or the token chosen last.

        Returns:
            Tokens, positions and row offsets.
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
            replica_batches: The texts of the one replica.
            kv_cache_inputs: The paged cache, with a place for the tokens to be read.
            return_n_logits: How many positions to score: the last of each text.

        Returns:
            The arguments of `ServedGPT2.forward`.
        """
        contexts = single_replica_context_batch(
            replica_batches, processor_name=type(self).__name__
        )
        device = self.runtime.devices[0]
        tokens, positions, row_offsets = (
            Buffer.from_numpy(array).to(device) for array in self.arrays(contexts)
        )
        return GPT2Inputs(
            tokens=tokens,
            positions=positions,
            input_row_offsets=row_offsets,
            kv_cache_inputs=kv_cache_inputs,
        )
