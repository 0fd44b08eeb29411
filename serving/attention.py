"""Attention over a paged KV cache, for texts of different lengths at once."""

import math
from dataclasses import dataclass

from max.driver import CPU
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.nn.common_layers.functional_kernels import (
    flash_attention_ragged,
    store_k_cache_ragged,
)
from max.experimental.tensor import Tensor
from max.nn import kernels
from max.nn.attention import MHAMaskVariant
from max.nn.kv_cache import KVCacheParams, PagedCacheValues

# MAX 26.7 has a form for `Tensor` of its sister, but not of this.
store_v_cache_ragged = F.functional(kernels.store_v_cache_ragged)


@dataclass(frozen=True)
class PagedCache:
    """The keys and values of all texts in a batch, in pages.

    Attributes:
        params: The shape of the cache.
        pages: The pages, which texts own which of them, and how many tokens of each
            text they hold.
        row_offsets: Where each text begins among the batch's new tokens, and where
            the last one ends: uint32, shape [batch + 1].
    """

    params: KVCacheParams
    pages: PagedCacheValues
    row_offsets: Tensor


@dataclass(frozen=True)
class PagedAttention:
    """Attention whose keys and values go through MAX's paged cache.

    The batch is ragged: the new tokens of all texts stand one after the other in one
    axis, with no padding between them. Heads, scores, mask and softmax are MAX's own
    here, which knows from `row_offsets` what belongs together; the two projections are
    taken over.

    Attributes:
        c_attn: Makes queries, keys and values side by side, as in step 07 or 17.
        c_proj: Mixes what the heads have found.
        layer: Which layer's keys and values these are.
        cache: The paged cache; written in place.
    """

    c_attn: Module[[Tensor], Tensor]
    c_proj: Module[[Tensor], Tensor]
    layer: int
    cache: PagedCache

    def __call__(self, hidden_states: Tensor) -> Tensor:
        """Store the new keys and values, then attend over all of each text.

        Args:
            hidden_states: Of the new tokens, shape [tokens, n_embd].

        Returns:
            Shape [tokens, n_embd].
        """
        cache = self.cache
        n_head, head_dim = cache.params.n_kv_heads_per_device, cache.params.head_dim
        n_embd = n_head * head_dim
        query, key, value = (
            part.reshape([-1, n_head, head_dim])
            for part in self.c_attn(hidden_states).split([n_embd] * 3, axis=-1)
        )
        layer = F.constant(self.layer, DType.uint32, device=CPU())
        store_k_cache_ragged(cache.pages, key, cache.row_offsets, layer)
        store_v_cache_ragged(cache.pages, value, cache.row_offsets, layer)
        attended = flash_attention_ragged(
            cache.params,
            input=query,
            input_row_offsets=cache.row_offsets,
            kv_collection=cache.pages,
            layer_idx=layer,
            mask_variant=MHAMaskVariant.CAUSAL_MASK,
            scale=1 / math.sqrt(head_dim),
        )
        return self.c_proj(attended.reshape(hidden_states.shape))
