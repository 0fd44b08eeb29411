"""Solution for Step 15: KV cache."""

import dataclasses
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from max import tree
from max.driver import CPU, Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Sequential
from max.experimental.tensor import Tensor
from max.graph import BufferType, DeviceRef, TensorType, ops
from numpy.typing import NDArray
from solution_01 import GPT2Config
from solution_07 import GPT2MultiHeadAttention
from solution_08 import pre_norm_residual
from solution_09 import GPT2Block
from solution_11 import MaxGPT2LMHeadModel

# `cache[...] = new` does the same, but only where no bound of a slice is a tensor.
store_slice = F.functional(ops.buffer_store_slice)

# What hides a position, as in transformers: minus infinity would make a row that
# is all padding NaN.
HIDDEN = np.finfo(np.float32).min


@tree.dataclass
class LayerCache:
    """The keys and values that one layer has computed so far.

    Attributes:
        keys: Shape [batch, n_head, capacity, head_dim].
        values: Shape [batch, n_head, capacity, head_dim].
    """

    keys: Tensor
    values: Tensor


@tree.dataclass
class Positions:
    """Where the new tokens stand, in their texts and in the cache.

    Attributes:
        position_ids: In their texts, int64, shape [batch, seq_length].
        start: In the cache: how many positions were filled before, int64, a scalar
            in the CPU's memory.
        mask: Added to the scores, shape [batch, 1, seq_length, context], where
            context is start + seq_length: how many positions are filled afterwards.
    """

    position_ids: Tensor
    start: Tensor
    mask: Tensor


def append(cache: Tensor, new: Tensor, positions: Positions) -> Tensor:
    """Write new keys or values into a cache, in place.

    Args:
        cache: Shape [batch, n_head, capacity, head_dim].
        new: What the new tokens bring, shape [batch, n_head, seq_length, head_dim].
        positions: Where the new tokens stand.

    Returns:
        What is filled afterwards, shape [batch, n_head, context, head_dim].
    """
    start, end = positions.start, positions.start + new.shape[-2]
    # A slice whose bounds only the running graph knows says its length beside them.
    here = (slice(start, end), new.shape[-2])
    up_to_here = (slice(0, end), positions.mask.shape[-1])
    store_slice(cache, new, (slice(None), slice(None), here))
    return cache[:, :, up_to_here]


class CachedAttention(GPT2MultiHeadAttention):
    """Attention of new positions over themselves and everything before them.

    `GPT2Attention` of transformers, with `past_key_values`.
    """

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, cache: LayerCache, positions: Positions
    ) -> Tensor:
        """Attend over the cache, after adding the new keys and values to it.

        Args:
            hidden_states: Of the new tokens, shape [batch, seq_length, n_embd].
            cache: What this layer keeps; written in place.
            positions: Where the new tokens stand.

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        query, key, value = (
            self.split_heads(part)
            for part in F.split(self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1)
        )
        keys = append(cache.keys, key, positions)
        values = append(cache.values, value, positions)
        scores = query @ keys.transpose(-1, -2) / math.sqrt(self.head_dim)
        weights = F.softmax(scores + positions.mask)
        return self.c_proj(self.merge_heads(weights @ values))


class CachedBlock(GPT2Block):
    """A transformer block whose attention keeps keys and values."""

    def __init__(self, config: GPT2Config) -> None:
        """Create the block of step 09, with cached attention.

        Args:
            config: The model's configuration.
        """
        super().__init__(config)
        self.attn = CachedAttention(config)

    def forward(  # type: ignore[override]
        self, hidden_states: Tensor, cache: LayerCache, positions: Positions
    ) -> Tensor:
        """Refine the residual stream of the new tokens.

        Args:
            hidden_states: Of the new tokens, shape [batch, seq_length, n_embd].
            cache: What this layer keeps; written in place.
            positions: Where the new tokens stand.

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        attention = partial(self.attn, cache=cache, positions=positions)  # type: ignore[call-arg]
        hidden_states = pre_norm_residual(hidden_states, self.ln_1, attention)
        return pre_norm_residual(hidden_states, self.ln_2, self.mlp)


class CachedGPT2(MaxGPT2LMHeadModel):
    """GPT-2 that is given only what it has not seen yet.

    Its parameters are those of `MaxGPT2LMHeadModel`, by name and shape.
    """

    def __init__(self, config: GPT2Config) -> None:
        """Create the model of step 11, with cached blocks.

        Args:
            config: The model's configuration.
        """
        # The body of step 10 without its blocks: these are others.
        super().__init__(dataclasses.replace(config, n_layer=0))
        self.transformer.h = Sequential(
            *(CachedBlock(config) for _ in range(config.n_layer))
        )

    def forward(  # type: ignore[override]
        self,
        input_ids: Tensor,
        positions: Positions,
        caches: Sequence[LayerCache],
    ) -> Tensor:
        """Read the new tokens; score every token of the vocabulary as the next one.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand.
            caches: One for each layer; written in place.

        Returns:
            Logits of the last position, shape [batch, vocab_size].
        """
        body = self.transformer
        hidden_states = body.wte(input_ids) + body.wpe(positions.position_ids)
        hidden_states = self.run_blocks(hidden_states, positions, caches)
        return self.lm_head(body.ln_f(hidden_states[:, -1, :]))

    def run_blocks(
        self, hidden_states: Tensor, positions: Positions, caches: Sequence[LayerCache]
    ) -> Tensor:
        """Run the new tokens through all blocks.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].
            positions: Where the new tokens stand.
            caches: One for each layer; written in place.

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        for block, cache in zip(self.transformer.h, caches, strict=True):
            hidden_states = block(hidden_states, cache, positions)  # type: ignore[call-arg]
        return hidden_states


def input_types(config: GPT2Config, device: Device) -> tuple[object, ...]:
    """Describe the arguments of `CachedGPT2.forward`, for `compile`.

    Args:
        config: The model's configuration.
        device: Where the model computes.

    Returns:
        One type for each argument: one graph does for every batch, length of the new
        tokens and capacity.
    """
    head_dim = config.n_embd // config.n_head
    buffer = BufferType(
        DType.float32,
        ["batch", config.n_head, "capacity", head_dim],
        device=DeviceRef.from_device(device),
    )
    ids = TensorType(DType.int64, ["batch", "seq_length"], device=device)
    start = TensorType(DType.int64, [], device=CPU())
    mask = TensorType(
        DType.float32, ["batch", 1, "seq_length", "context"], device=device
    )
    # The same classes, with types where tensors will be.
    positions = Positions(ids, start, mask)  # type: ignore[arg-type]
    cache = LayerCache(buffer, buffer)  # type: ignore[arg-type]
    return ids, positions, [cache] * config.n_layer


class Decoder:
    """A cached model in the middle of a batch of texts.

    Texts of different lengths are filled up with padding on the left, so that their
    next tokens stand in one column; the mask hides the padding.

    Attributes:
        length: How many positions are filled, padding included.
        capacity: How many there can be.
    """

    def __init__(
        self,
        model: Callable[..., Tensor],
        config: GPT2Config,
        *,
        capacity: int,
        device: Device,
    ) -> None:
        """Prepare to decode.

        Args:
            model: A `CachedGPT2`, or what `compile` makes of it.
            config: The model's configuration.
            capacity: The longest text, in tokens, prompt included.
            device: Where the model computes.

        Raises:
            ValueError: The capacity is more than the model has positions for.
        """
        if not 0 < capacity <= config.n_positions:
            raise ValueError(
                f"A capacity of {capacity} tokens: this model has {config.n_positions} "
                "positions (n_positions)."
            )
        self.model = model
        self.config = config
        self.capacity = capacity
        self.device = device
        self.length = 0
        self.caches: list[LayerCache] = []

    def prefill(self, prompts: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Start anew with a batch of prompts, read in one go.

        Args:
            prompts: Token IDs; the lengths may differ.

        Returns:
            Logits of what follows each prompt, shape [batch, vocab_size].

        Raises:
            ValueError: A prompt is empty, or they do not fit into the cache.
        """
        lengths = [len(prompt) for prompt in prompts]
        if not lengths or min(lengths) == 0:
            raise ValueError("An empty prompt: there is nothing to go on from.")
        self.length = 0
        self.padding = max(lengths) - np.array(lengths)
        self.caches = self._empty_caches(len(prompts))
        rows = [
            [0] * padding + list(prompt)
            for padding, prompt in zip(self.padding, prompts, strict=True)
        ]
        return self._read(np.array(rows, dtype=np.int64))

    def decode(self, token_ids: Sequence[int]) -> NDArray[np.float32]:
        """Go on by one token in every text.

        Args:
            token_ids: The token chosen for each text.

        Returns:
            Logits of what follows, shape [batch, vocab_size].

        Raises:
            ValueError: There is no text to go on with, or the cache is full.
        """
        if not self.caches:
            raise ValueError("There is no text to go on with yet: prefill comes first.")
        return self._read(np.array(token_ids, dtype=np.int64)[:, None])

    def _read(self, input_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        start, end = self.length, self.length + input_ids.shape[1]
        if end > self.capacity:
            raise ValueError(
                f"{end} tokens do not fit into a cache for {self.capacity}."
            )
        columns = np.arange(start, end)
        position_ids = np.maximum(columns - self.padding[:, None], 0)
        positions = Positions(
            self._tensor(position_ids),
            Tensor.from_dlpack(np.array(start)),
            self._tensor(self._mask(columns, end)),
        )
        logits = self.model(self._tensor(input_ids), positions, self.caches)
        self.length = end
        return logits.to_numpy()

    def _mask(self, columns: NDArray[np.int64], end: int) -> NDArray[np.float32]:
        context = np.arange(end)
        later = context > columns[:, None]
        padding = context < self.padding[:, None, None]
        hidden = later | padding
        return np.where(hidden, HIDDEN, np.float32(0))[:, None]

    def _empty_caches(self, batch: int) -> list[LayerCache]:
        head_dim = self.config.n_embd // self.config.n_head
        shape = (batch, self.config.n_head, self.capacity, head_dim)
        return [
            LayerCache(
                self._tensor(np.zeros(shape, dtype=np.float32)),
                self._tensor(np.zeros(shape, dtype=np.float32)),
            )
            for _ in range(self.config.n_layer)
        ]

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return Tensor.from_dlpack(array).to(self.device)
