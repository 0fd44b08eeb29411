"""Solution for Step 07: Multi-head attention."""

import math

from max.experimental import functional as F
from max.experimental.nn import Linear, Module
from max.experimental.tensor import Tensor
from solution_01 import GPT2Config
from solution_02 import causal_mask


class GPT2MultiHeadAttention(Module[[Tensor], Tensor]):
    """Causal self-attention with several heads.

    Vaswani et al., 2017, section 3.2; `GPT2Attention` of transformers.

    Args:
        config: The model's configuration; n_embd is a multiple of n_head.
    """

    def __init__(self, config: GPT2Config) -> None:
        super().__init__()
        self.n_embd = config.n_embd
        self.n_head = config.n_head
        self.head_dim = config.n_embd // config.n_head
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = Linear(config.n_embd, config.n_embd)

    def split_heads(self, x: Tensor) -> Tensor:
        """Give each head its own slice of the width.

        Args:
            x: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, n_head, seq_length, head_dim].
        """
        batch, seq_length, _ = x.shape
        x = x.reshape([batch, seq_length, self.n_head, self.head_dim])
        return x.transpose(1, 2)

    def merge_heads(self, x: Tensor) -> Tensor:
        """Put the heads' slices side by side again.

        Args:
            x: Shape [batch, n_head, seq_length, head_dim].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        batch, _, seq_length, _ = x.shape
        return x.transpose(1, 2).reshape([batch, seq_length, self.n_embd])

    def attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mix the values, each position by what its query finds in the keys.

        Args:
            query: Shape [batch, n_head, seq_length, head_dim].
            key: Shape [batch, n_head, seq_length, head_dim].
            value: Shape [batch, n_head, seq_length, head_dim].

        Returns:
            Shape [batch, n_head, seq_length, head_dim].
        """
        scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_dim)
        seq_length = query.shape[-2]
        scores = scores + causal_mask(
            seq_length, 0, dtype=scores.dtype, device=scores.device
        )
        weights = F.softmax(scores)
        return weights @ value

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Let every position attend to itself and to the positions before it.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        query, key, value = F.split(
            self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1
        )
        attended = self.attention(
            self.split_heads(query), self.split_heads(key), self.split_heads(value)
        )
        return self.c_proj(self.merge_heads(attended))
