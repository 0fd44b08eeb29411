"""
Step 01: Model configuration

Describe a GPT-2 by seven numbers. Every later step reads its sizes from here.

Tasks:
1. Import dataclass
2. Turn GPT2Config into a dataclass
3. Give each field the value of GPT-2 small

Run: pixi run s01
"""

# TODO: Import dataclass from the dataclasses module
# Hint: from dataclasses import ...


# TODO: Make this class a dataclass
# Hint: Put @dataclass above the class
class GPT2Config:
    """The numbers that shape a GPT-2, named as in `transformers.GPT2Config`.

    The defaults are those of GPT-2 small, the model with 124M parameters.

    Attributes:
        vocab_size: How many different tokens there are.
        n_positions: The longest sequence, in tokens.
        n_embd: The width of the model: how many numbers stand for one token.
        n_layer: How many transformer blocks are stacked.
        n_head: How many attention heads share the width in each block.
        n_inner: The width inside the feed-forward network; `None` means
            4 * n_embd.
        layer_norm_epsilon: Added to the variance in layer normalization.
    """

    # TODO: Give each field its type and the value of GPT-2 small
    # Hint: name: type = value. n_inner may also be None, which stands for 4 * n_embd
    vocab_size = None
    n_positions = None
    n_embd = None
    n_layer = None
    n_head = None
    n_inner = None
    layer_norm_epsilon = None
