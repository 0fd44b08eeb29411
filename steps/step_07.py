"""
Step 07: Multi-head attention

Let the tokens exchange information: each position asks a question (query), offers a
label (key) and a content (value), and gathers the values whose keys answer its query.

Tasks:
1. Import functional and Linear
2. Create the two projections
3. Split the width into heads, and merge them again
4. Compute scaled dot-product attention with the causal mask
5. Put it together in forward

Run: pixi run s07
"""

import math

# TODO: Import functional (as F) from max.experimental
# Hint: from max.experimental import ...
# TODO: Import Linear, beside Module
# Hint: from max.experimental.nn import Linear, Module
from max.experimental.nn import Module
from max.experimental.tensor import Tensor
from step_01 import GPT2Config
from step_02 import causal_mask


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

        # TODO: Create the projection to query, key and value, all three in one layer
        # Hint: Linear(n_embd, three times n_embd)
        self.c_attn = None

        # TODO: Create the projection of the result
        # Hint: Linear(n_embd, n_embd)
        self.c_proj = None

    def split_heads(self, x: Tensor) -> Tensor:
        """Give each head its own slice of the width.

        Args:
            x: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, n_head, seq_length, head_dim].
        """
        # TODO: Cut the width into n_head pieces of head_dim, then put the heads first
        # Hint: batch, seq_length, _ = x.shape
        # Hint: x.reshape([batch, seq_length, n_head, head_dim]), then x.transpose(1, 2)
        return None

    def merge_heads(self, x: Tensor) -> Tensor:
        """Put the heads' slices side by side again.

        Args:
            x: Shape [batch, n_head, seq_length, head_dim].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        # TODO: Undo split_heads: heads back beside each other, then one width
        # Hint: batch, _, seq_length, _ = x.shape
        # Hint: x.transpose(1, 2), then reshape to [batch, seq_length, n_embd]
        return None

    def attention(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Mix the values, each position by what its query finds in the keys.

        Args:
            query: Shape [batch, n_head, seq_length, head_dim].
            key: Shape [batch, n_head, seq_length, head_dim].
            value: Shape [batch, n_head, seq_length, head_dim].

        Returns:
            Shape [batch, n_head, seq_length, head_dim].
        """
        # TODO: Compare every query with every key, divided by the root of head_dim
        # Hint: query @ key.transpose(-1, -2), then / math.sqrt(...)
        scores = None

        # TODO: Add the causal mask to the scores
        # Hint: causal_mask(query.shape[-2], 0, dtype=..., device=...), as in the scores
        pass

        # TODO: Turn the scores into weights that sum to 1, and mix the values
        # Hint: F.softmax(scores), then weights @ value
        return None

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Let every position attend to itself and to the positions before it.

        Args:
            hidden_states: Shape [batch, seq_length, n_embd].

        Returns:
            Shape [batch, seq_length, n_embd].
        """
        # TODO: Project the hidden states and split them into query, key and value
        # Hint: F.split(self.c_attn(...), [self.n_embd] * 3, axis=-1)
        query, key, value = None, None, None

        # TODO: Split query, key and value into heads and attend
        # Hint: self.attention(self.split_heads(query), ...)
        attended = None

        # TODO: Merge the heads, project the result and return it
        # Hint: self.c_proj(self.merge_heads(...))
        return None
