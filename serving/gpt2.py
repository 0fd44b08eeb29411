"""GPT-2 for ragged batches and a paged cache."""

import dataclasses
from functools import partial

from max import tree
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Sequential
from max.experimental.tensor import Tensor
from max.nn.kv_cache import KVCacheInputsPerDevice
from max.pipelines.lib import ModuleV3Outputs
from solution_01 import GPT2Config
from solution_08 import pre_norm_residual
from solution_09 import GPT2Block
from solution_11 import MaxGPT2LMHeadModel

from serving.attention import PagedAttention, PagedCache
from serving.config import ServedGPT2Config


class PagedBlock(GPT2Block):
    """The block of step 09 with paged attention."""

    def __init__(self, config: GPT2Config, layer: int) -> None:
        """Create the block.

        Args:
            config: The model's configuration.
            layer: Which layer this is, from 0.
        """
        super().__init__(config)
        self.attn = PagedAttention(config, layer)

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, cache: PagedCache
    ) -> Tensor:
        """Refine the residual stream of the new tokens.

        Args:
            hidden_states: Of the new tokens, shape [tokens, n_embd].
            cache: The paged cache; written in place.

        Returns:
            Shape [tokens, n_embd].
        """
        attention = partial(self.attn, cache=cache)  # type: ignore[call-arg]
        hidden_states = pre_norm_residual(hidden_states, self.ln_1, attention)
        return pre_norm_residual(hidden_states, self.ln_2, self.mlp)


class ServedGPT2(MaxGPT2LMHeadModel):
    """The model of step 11, as `max serve` calls it.

    Its parameters are those of `MaxGPT2LMHeadModel`, by name and shape.
    """

    def __init__(self, config: ServedGPT2Config) -> None:
        """Create the model of step 11, with other blocks.

        Args:
            config: The configuration.
        """
        # The body of step 10 without its blocks: these are others.
        super().__init__(dataclasses.replace(config.gpt2, n_layer=0))
        self.kv_params = config.kv_params
        self.transformer.h = Sequential(
            *(PagedBlock(config.gpt2, layer) for layer in range(config.gpt2.n_layer))
        )

    def forward(  # type: ignore[override]
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
        hidden_states = body.wte(tokens) + body.wpe(positions)
        for block in body.h:
            hidden_states = block(hidden_states, cache)  # type: ignore[call-arg]
        last = F.gather(hidden_states, row_offsets[1:] - 1, axis=0)
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
