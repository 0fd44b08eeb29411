"""GPT-2 for ragged batches and a paged cache."""

from typing import Any

from max import tree
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from max.nn.kv_cache import KVCacheInputsPerDevice, KVCacheParams
from max.pipelines.lib import ModuleV3Outputs
from step_08 import pre_norm_residual

from serving.attention import PagedAttention, PagedCache


class ServedGPT2(Module[..., ModuleV3Outputs]):
    """The model of step 11 or 17, as `max serve` calls it.

    Its parameters are those of that model, by name and shape.

    Args:
        model: The model whose parts this one takes over.
        kv_params: The shape of the paged cache.
    """

    def __init__(self, model: Any, kv_params: KVCacheParams) -> None:
        super().__init__()
        self.transformer = model.transformer
        self.lm_head = model.lm_head
        self.kv_params = kv_params

    def forward(
        self,
        tokens: Tensor,
        positions: Tensor,
        row_offsets: Tensor,
        *kv_inputs: Tensor,
    ) -> ModuleV3Outputs:
        """Read the new tokens of all texts; score what follows each text.

        Args:
            tokens: The new tokens, int64, shape [tokens].
            positions: Where each stands in its text, int64, shape [tokens].
            row_offsets: Where each text begins, uint32, shape [batch + 1].
            kv_inputs: The paged cache, in the order of `kv_params`.

        Returns:
            Logits of the last position of each text, float32, shape
            [batch, vocab_size].
        """
        cache = self.paged_cache(row_offsets, kv_inputs)
        body = self.transformer
        x = body.wte(tokens) + body.wpe(positions)
        for layer, block in enumerate(body.h):
            attn = block.attn
            attention = PagedAttention(attn.c_attn, attn.c_proj, layer, cache)
            x = pre_norm_residual(x, block.ln_1, attention)
            x = pre_norm_residual(x, block.ln_2, block.mlp)
        last = F.gather(x, row_offsets[1:] - 1, axis=0)
        logits = self.lm_head(body.ln_f(last))
        return ModuleV3Outputs(next_token_logits=F.cast(logits, DType.float32))

    def paged_cache(
        self, row_offsets: Tensor, kv_inputs: tuple[Tensor, ...]
    ) -> PagedCache:
        """Put the inputs that describe the cache together again.

        Args:
            row_offsets: Where each text begins, uint32, shape [batch + 1].
            kv_inputs: The paged cache, in the order of `kv_params`.

        Returns:
            The cache of the one device.
        """
        values = iter(tensor._graph_value for tensor in kv_inputs)
        inputs = self.kv_params.unflatten_kv_inputs(values)
        [pages] = tree.leaves(inputs, leaf=KVCacheInputsPerDevice)
        return PagedCache(self.kv_params, pages, row_offsets)
