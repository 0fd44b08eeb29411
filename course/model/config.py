"""The sizes of a GPT-2: the configuration of step 01, and what follows from it."""

from solution_01 import GPT2Config

__all__ = ["GPT2Config", "head_dim", "inner_dim"]


def head_dim(config: GPT2Config) -> int:
    """How many numbers each attention head has of a token."""
    return config.n_embd // config.n_head


def inner_dim(config: GPT2Config) -> int:
    """The width inside the feed-forward network."""
    return config.n_inner or 4 * config.n_embd
