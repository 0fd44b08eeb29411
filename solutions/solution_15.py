"""Solution for Step 15: KV cache."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from max import tree
from max.driver import CPU, Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Embedding, Linear, Module, ModuleList
from max.experimental.tensor import Tensor
from max.graph import BufferType, DeviceRef, TensorType, ops
from numpy.typing import NDArray
from solution_01 import GPT2Config
from solution_02 import causal_mask
from solution_03 import LayerNorm
from solution_04 import GPT2MLP
from solution_07 import GPT2MultiHeadAttention
from solution_08 import pre_norm_residual

# `cache[...] = new` refuses slices whose bounds are tensors; this takes them.
store_slice = F.functional(ops.buffer_store_slice)

# The head of step 11.
linear_without_bias = partial(Linear, bias=False)

# What hides a position, as in transformers: minus infinity would make a row that
# is all padding NaN.
HIDDEN = np.finfo(np.float32).min


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


class Cache(Protocol):
    """The keys and values that one layer has computed so far."""

    def append(
        self, key: Tensor, value: Tensor, positions: Positions
    ) -> tuple[Tensor, Tensor]:
        """Add those of new tokens.

        Args:
            key: Shape [batch, n_head, seq_length, head_dim].
            value: Shape [batch, n_head, seq_length, head_dim].
            positions: Where the new tokens stand.

        Returns:
            The keys and the values of all tokens so far, each of shape
            [batch, n_head, context, head_dim].
        """
        ...


C = TypeVar("C", bound=Cache)


# First tick: one text, and a cache that grows.


@dataclass
class GrowingCache:
    """A cache of tensors that are made anew, one token longer, for each token.

    Attributes:
        keys: Shape [batch, n_head, context, head_dim].
        values: Shape [batch, n_head, context, head_dim].
    """

    keys: Tensor
    values: Tensor

    def append(
        self, key: Tensor, value: Tensor, positions: Positions
    ) -> tuple[Tensor, Tensor]:
        """Add new keys and values behind those that are there; see `Cache`."""
        self.keys = F.concat([self.keys, key], axis=2)
        self.values = F.concat([self.values, value], axis=2)
        return self.keys, self.values


class CachedAttention(Module[..., Tensor]):
    """Attention of new tokens to themselves and everything before them.

    `GPT2Attention` of transformers, with `past_key_values`. The projections and the
    heads are those of step 07.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.attention = GPT2MultiHeadAttention(config)
        # Its parameters are named as if they were this module's own.
        self.attention.name_transparent = True

    def forward(
        self, hidden_states: Tensor, cache: Cache, positions: Positions
    ) -> Tensor:
        """Attend to all tokens so far, after adding the new ones to the cache.

        Args:
            hidden_states: Of the new tokens, shape [batch, seq_length, n_embd].
            cache: What this layer keeps.
            positions: Where the new tokens stand.

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        attn = self.attention
        query, key, value = (
            attn.split_heads(part)
            for part in attn.c_attn(hidden_states).split([attn.n_embd] * 3, axis=-1)
        )
        keys, values = cache.append(key, value, positions)
        scores = query @ keys.transpose(-1, -2) / math.sqrt(attn.head_dim)
        weights = F.softmax(scores + positions.mask)
        return attn.c_proj(attn.merge_heads(weights @ values))


class CachedBlock(Module[..., Tensor]):
    """The block of step 09 around an attention that keeps keys and values.

    Args:
        config: The model's configuration.
        attn: Called with the hidden states, the layer's cache and the positions.
        mlp: The feed-forward network.
    """

    def __init__(
        self,
        config: GPT2Config,
        attn: Module[..., Tensor],
        mlp: Module[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.ln_1 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.attn = attn
        self.ln_2 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)
        self.mlp = mlp

    def forward(
        self, hidden_states: Tensor, cache: Cache, positions: Positions
    ) -> Tensor:
        """Refine the residual stream of the new tokens.

        Args:
            hidden_states: Of the new tokens, shape [batch, seq_length, n_embd].
            cache: What this layer keeps.
            positions: Where the new tokens stand.

        Returns:
            Shape [batch, seq_length, n_embd].
        """

        def attend(normalized: Tensor) -> Tensor:
            return self.attn(normalized, cache, positions)

        hidden_states = pre_norm_residual(hidden_states, self.ln_1, attend)
        return pre_norm_residual(hidden_states, self.ln_2, self.mlp)


class CachedBody(Module[..., Tensor]):
    """The body of step 10 around blocks that keep keys and values.

    Args:
        config: The model's configuration.
        blocks: One for each layer.
    """

    def __init__(
        self, config: GPT2Config, blocks: Iterable[Module[..., Tensor]]
    ) -> None:
        super().__init__()
        self.wte = Embedding(config.vocab_size, dim=config.n_embd)
        self.wpe = Embedding(config.n_positions, dim=config.n_embd)
        self.h = ModuleList(blocks)
        self.ln_f = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)

    def forward(
        self, input_ids: Tensor, positions: Positions, caches: Sequence[Cache]
    ) -> Tensor:
        """Read the new tokens.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand.
            caches: One for each layer.

        Returns:
            The hidden states of the last position, shape [batch, n_embd].
        """
        hidden_states = self.wte(input_ids) + self.wpe(positions.position_ids)
        for block, cache in zip(self.h, caches, strict=True):
            hidden_states = block(hidden_states, cache, positions)
        return self.ln_f(hidden_states[:, -1, :])


class CachedGPT2(Module[..., Tensor]):
    """GPT-2 that is given only what it has not seen yet.

    Made of the parts that it has by itself, its parameters are those of
    `MaxGPT2LMHeadModel`, by name and shape.

    Args:
        config: The model's configuration.
        attention: Makes the attention of a block, from the configuration.
        mlp: Makes the feed-forward network of a block, as `GPT2MLP` is made.
        head: Makes the language model head, from n_embd and vocab_size.
    """

    def __init__(
        self,
        config: GPT2Config,
        *,
        attention: Callable[[GPT2Config], Module[..., Tensor]] = CachedAttention,
        mlp: Callable[[int, GPT2Config], Module[[Tensor], Tensor]] = GPT2MLP,
        head: Callable[[int, int], Module[[Tensor], Tensor]] = linear_without_bias,
    ) -> None:
        super().__init__()
        inner_dim = config.n_inner if config.n_inner is not None else 4 * config.n_embd
        blocks = [
            CachedBlock(config, attention(config), mlp(inner_dim, config))
            for _ in range(config.n_layer)
        ]
        self.transformer = CachedBody(config, blocks)
        self.lm_head = head(config.n_embd, config.vocab_size)

    def forward(
        self, input_ids: Tensor, positions: Positions, caches: Sequence[Cache]
    ) -> Tensor:
        """Read the new tokens; score every token of the vocabulary as the next one.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand.
            caches: One for each layer.

        Returns:
            Logits of what follows, shape [batch, vocab_size].
        """
        return self.lm_head(self.transformer(input_ids, positions, caches))


def empty_caches(
    kind: Callable[[Tensor, Tensor], C],
    config: GPT2Config,
    *,
    batch: int,
    capacity: int,
    device: Device,
) -> list[C]:
    """Make a cache for each layer.

    Args:
        kind: The class of the caches.
        config: The model's configuration.
        batch: How many texts there are.
        capacity: How many tokens of each text fit; 0 for a cache that grows.
        device: Where the model computes.

    Returns:
        Caches whose keys and values have the shape [batch, n_head, capacity, head_dim].
    """
    head_dim = config.n_embd // config.n_head
    shape = (batch, config.n_head, capacity, head_dim)

    def zeros() -> Tensor:
        return Tensor.from_dlpack(np.zeros(shape, dtype=np.float32)).to(device)

    return [kind(zeros(), zeros()) for _ in range(config.n_layer)]


def positions_after(past: int, new: int, device: Device) -> Positions:
    """Say where the next tokens of a single text stand.

    Args:
        past: How many tokens are in the cache.
        new: How many follow them.
        device: Where the model computes.

    Returns:
        Their positions; the batch is 1.
    """
    position_ids = np.arange(past, past + new)
    mask = causal_mask(new, past, dtype=DType.float32, device=device)
    return Positions(
        Tensor.from_dlpack(position_ids[None]).to(device),
        Tensor.from_dlpack(np.array(past)),
        mask.reshape([1, 1, *mask.shape]),
    )


# Second tick: a cache of fixed size, written in place by a compiled graph.


def write(buffer: Tensor, new: Tensor, positions: Positions) -> Tensor:
    """Write new keys or values into a buffer, in place.

    Args:
        buffer: Shape [batch, n_head, capacity, head_dim].
        new: Shape [batch, n_head, seq_length, head_dim].
        positions: Where the new tokens stand.

    Returns:
        What is filled afterwards, shape [batch, n_head, context, head_dim].
    """
    start, end = positions.start, positions.start + new.shape[-2]
    # A slice whose bounds only the running graph knows says its length beside them.
    here = (slice(start, end), new.shape[-2])
    up_to_here = (slice(0, end), positions.mask.shape[-1])
    store_slice(buffer, new, (slice(None), slice(None), here))
    return buffer[:, :, up_to_here]


@tree.dataclass
class LayerCache:
    """A cache of buffers, which stay where they are.

    Attributes:
        keys: Shape [batch, n_head, capacity, head_dim].
        values: Shape [batch, n_head, capacity, head_dim].
    """

    keys: Tensor
    values: Tensor

    def append(
        self, key: Tensor, value: Tensor, positions: Positions
    ) -> tuple[Tensor, Tensor]:
        """Write new keys and values into the buffers; see `Cache`."""
        return (
            write(self.keys, key, positions),
            write(self.values, value, positions),
        )


def input_types(config: GPT2Config, device: Device) -> tuple[Any, ...]:
    """Describe the arguments of `CachedGPT2.forward`, for `compile`.

    Args:
        config: The model's configuration.
        device: Where the model computes.

    Returns:
        What `forward` takes, with types where tensors will be: one graph does for
        every batch, length of the new tokens and capacity.
    """
    head_dim = config.n_embd // config.n_head
    buffer: Any = BufferType(
        DType.float32,
        ["batch", config.n_head, "capacity", head_dim],
        device=DeviceRef.from_device(device),
    )
    ids: Any = TensorType(DType.int64, ["batch", "seq_length"], device=device)
    start: Any = TensorType(DType.int64, [], device=CPU())
    mask: Any = TensorType(
        DType.float32, ["batch", 1, "seq_length", "context"], device=device
    )
    caches = [LayerCache(buffer, buffer) for _ in range(config.n_layer)]
    return ids, Positions(ids, start, mask), caches


# Third tick: texts of different lengths.


def left_pad(
    prompts: Sequence[Sequence[int]],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fill shorter prompts up on the left, so that all end in the same column.

    Args:
        prompts: Token IDs; the lengths may differ.

    Returns:
        The token IDs, shape [batch, longest], and how many of each text are padding,
        shape [batch].
    """
    lengths = np.array([len(prompt) for prompt in prompts])
    padding = lengths.max() - lengths
    rows = [
        [0] * count + list(prompt)
        for count, prompt in zip(padding, prompts, strict=True)
    ]
    return np.array(rows, dtype=np.int64), padding


def padded_positions(
    columns: NDArray[np.int64], padding: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Say which position each new token has in its text.

    Args:
        columns: Where in the cache they stand, shape [seq_length].
        padding: How much of it each text has in front, shape [batch].

    Returns:
        Rows of the table of positions, shape [batch, seq_length].
    """
    return np.maximum(columns - padding[:, None], 0)


def attention_mask(
    columns: NDArray[np.int64], padding: NDArray[np.int64]
) -> NDArray[np.float32]:
    """Hide what is later than the token that looks, and what is padding.

    Args:
        columns: Where in the cache the new tokens stand, shape [seq_length].
        padding: How much of it each text has in front, shape [batch].

    Returns:
        The mask, shape [batch, 1, seq_length, context].
    """
    context = np.arange(columns[-1] + 1)
    later = context > columns[:, None]
    is_padding = context < padding[:, None, None]
    return np.where(later | is_padding, HIDDEN, np.float32(0))[:, None]


class Decoder:
    """A cached model in the middle of a batch of texts.

    Texts of different lengths are filled up with padding on the left, so that their
    next tokens stand in one column; the mask hides the padding.

    Args:
        model: A `CachedGPT2`, or what `compile` makes of it.
        config: The model's configuration.
        capacity: The longest text, in tokens, prompt included.
        device: Where the model computes.

    Attributes:
        length: How many positions are filled, padding included.

    Raises:
        ValueError: The capacity is more than the model has positions for.
    """

    def __init__(
        self,
        model: Callable[..., Tensor],
        config: GPT2Config,
        *,
        capacity: int,
        device: Device,
    ) -> None:
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
        if not prompts or min(map(len, prompts)) == 0:
            raise ValueError("An empty prompt: there is nothing to go on from.")
        input_ids, self.padding = left_pad(prompts)
        self.length = 0
        self.caches = empty_caches(
            LayerCache,
            self.config,
            batch=len(prompts),
            capacity=self.capacity,
            device=self.device,
        )
        return self._read(input_ids)

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
        positions = Positions(
            self._tensor(padded_positions(columns, self.padding)),
            Tensor.from_dlpack(np.array(start)),
            self._tensor(attention_mask(columns, self.padding)),
        )
        logits = self.model(self._tensor(input_ids), positions, self.caches)
        self.length = end
        return logits.to_numpy()

    def _tensor(self, array: NDArray[np.generic]) -> Tensor:
        return Tensor.from_dlpack(array).to(self.device)
