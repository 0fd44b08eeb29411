"""
Step 15: KV cache

Keep the keys and values of the tokens that were read, so that each token is computed
only once.

Tasks:
1. Append keys and values to the cache, in place
2. Attend over the cache
3. Hand the cache through the block
4. Read new tokens at their positions, and score only what comes next
5. Pad shorter texts on the left, and refuse what does not fit
6. Say where tokens stand and what they may see

Run: pixi run s15
"""

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from max import tree
from max.driver import CPU, Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.nn import Embedding, Linear, Module, ModuleList
from max.experimental.tensor import Tensor
from max.graph import BufferType, DeviceRef, TensorType, ops
from numpy.typing import NDArray
from step_01 import GPT2Config
from step_03 import LayerNorm
from step_04 import GPT2MLP
from step_08 import pre_norm_residual

# `cache[...] = new` refuses slices whose bounds are tensors; this takes them.
store_slice = F.functional(ops.buffer_store_slice)

# The head of step 11.
linear_without_bias = partial(Linear, bias=False)

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
    # TODO: Say where the new tokens go in the cache: from start to end
    # Hint: (slice(from, to), length), and new.shape[-2] is the length
    here = None

    # TODO: Say what is filled afterwards: from 0 to end
    # Hint: (slice(0, to), positions.mask.shape[-1])
    up_to_here = None

    # TODO: Store the new keys or values there
    # Hint: store_slice(cache, new, (slice(None), slice(None), ...))
    pass

    # TODO: Return what is filled
    # Hint: cache[:, :, ...]
    return None


class CachedAttention(Module[..., Tensor]):
    """Attention of new positions over themselves and everything before them.

    `GPT2Attention` of transformers, with `past_key_values`.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_embd = config.n_embd
        self.n_head = config.n_head
        self.head_dim = config.n_embd // config.n_head
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = Linear(config.n_embd, config.n_embd)

    def forward(
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
            for part in self.c_attn(hidden_states).split([self.n_embd] * 3, axis=-1)
        )

        # TODO: Append the new keys and the new values to their caches
        # Hint: append(cache.keys, key, positions), and the same for the values
        keys, values = None, None

        # TODO: Compute the scores: the new queries against all keys
        # Hint: query @ keys.transpose(-1, -2), divided by math.sqrt(...)
        scores = None

        # TODO: Add the mask and apply softmax
        # Hint: F.softmax(scores + positions.mask)
        weights = None

        # TODO: Mix all values, merge the heads, project
        # Hint: self.c_proj(self.merge_heads(... @ ...))
        return None

    def split_heads(self, x: Tensor) -> Tensor:
        """[batch, seq_length, n_embd] to [batch, n_head, seq_length, head_dim]."""
        batch, seq_length, _ = x.shape
        x = x.reshape([batch, seq_length, self.n_head, self.head_dim])
        return x.transpose(1, 2)

    def merge_heads(self, x: Tensor) -> Tensor:
        """[batch, n_head, seq_length, head_dim] to [batch, seq_length, n_embd]."""
        batch, _, seq_length, _ = x.shape
        return x.transpose(1, 2).reshape([batch, seq_length, self.n_embd])


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

        def attend(normalized: Tensor) -> Tensor:
            # TODO: Give attention its input, this layer's cache and the positions
            # Hint: self.attn(normalized, ..., ...)
            return None

        # TODO: Add what attention and then what the feed-forward network finds
        # Hint: pre_norm_residual(hidden_states, self.ln_1, ...), then with self.ln_2
        return None


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
        self, input_ids: Tensor, positions: Positions, caches: Sequence[LayerCache]
    ) -> Tensor:
        """Read the new tokens.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand.
            caches: One for each layer; written in place.

        Returns:
            The hidden states of the last position, shape [batch, n_embd].
        """
        # TODO: Add token embeddings and position embeddings
        # Hint: self.wte(...) + self.wpe(positions....)
        hidden_states = None
        for block, cache in zip(self.h, caches, strict=True):
            # TODO: Apply the block, with its own cache
            # Hint: block(hidden_states, ..., ...)
            pass

        # TODO: Normalize the last position only
        # Hint: hidden_states[:, -1, :], then self.ln_f
        return None


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
        self, input_ids: Tensor, positions: Positions, caches: Sequence[LayerCache]
    ) -> Tensor:
        """Read the new tokens; score every token of the vocabulary as the next one.

        Args:
            input_ids: The new tokens, int64, shape [batch, seq_length].
            positions: Where they stand.
            caches: One for each layer; written in place.

        Returns:
            Logits of what follows, shape [batch, vocab_size].
        """
        return self.lm_head(self.transformer(input_ids, positions, caches))


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
        lengths = [len(prompt) for prompt in prompts]
        if not lengths or min(lengths) == 0:
            raise ValueError("An empty prompt: there is nothing to go on from.")
        self.length = 0

        # TODO: Count how much padding each text needs to be as long as the longest
        # Hint: max(lengths) - np.array(lengths)
        self.padding = None
        self.caches = self._empty_caches(len(prompts))

        # TODO: Put that many zeros in front of each prompt
        # Hint: [0] * padding + list(prompt) for each pair
        # Hint: of zip(self.padding, prompts, strict=True)
        rows = None
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

        # TODO: Raise a ValueError if the new tokens do not fit into the cache
        # Hint: compare end with self.capacity, and name both numbers in the message
        pass
        columns = np.arange(start, end)

        # TODO: Compute the position of each new token in its text, [batch, seq_length]
        # Hint: np.maximum(columns - self.padding[:, None], 0)
        position_ids = None
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

        # TODO: Find what is later than the token that looks, [seq_length, context]
        # Hint: compare context with columns[:, None]
        later = None

        # TODO: Find what is padding, [batch, 1, context]
        # Hint: compare context with self.padding[:, None, None]
        padding = None
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
