"""The small models and inputs on which a step is compared with Hugging Face."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from course.check.loading import load_solution
from course.model.config import inner_dim

if TYPE_CHECKING:
    import torch
    import transformers

# The two differ in everything that can be mixed up: n_head from n_layer, in one of
# them by more than 1, n_inner from 4 * n_embd, and an epsilon so large that using it
# wrongly shows. There are fewer tokens than positions, so that a token ID looked up
# as a position gives a wrong row, and not one beyond the end of the table. A second
# deep model would tell no more and cost a third of the time.
WIDE: dict[str, Any] = {
    "vocab_size": 29,
    "n_positions": 32,
    "n_embd": 48,
    "n_layer": 3,
    "n_head": 4,
    "n_inner": 80,
    "layer_norm_epsilon": 1e-5,
}
NARROW: dict[str, Any] = {
    "vocab_size": 13,
    "n_positions": 17,
    "n_embd": 24,
    "n_layer": 1,
    "n_head": 6,
    "n_inner": None,
    "layer_norm_epsilon": 0.05,
}
# For step 13 only: from the eleventh layer on, the order of the names is not that of
# the numbers.
DEEP: dict[str, Any] = {
    "vocab_size": 7,
    "n_positions": 8,
    "n_embd": 4,
    "n_layer": 11,
    "n_head": 2,
    "n_inner": 6,
    "layer_norm_epsilon": 1e-3,
}
# No size is a multiple of what a processor computes at once: MAX's exp overflows only
# in the rest, which is computed number by number.
ODD: dict[str, Any] = WIDE | {"n_embd": 45, "n_head": 5, "n_inner": 83}
SIZES = {"wide": WIDE, "narrow": NARROW, "deep": DEEP, "odd": ODD}


@dataclass(frozen=True)
class Case:
    """One model size with one input shape.

    Attributes:
        size: The name of the model's size, one of `SIZES`.
        batch: How many sequences.
        length: How many tokens each has.
        times: How much larger the hidden states are than usual. Large ones make
            exponentials overflow, unless care is taken.
    """

    size: str
    batch: int
    length: int
    times: float = 1.0

    def __str__(self) -> str:
        times = f"-times-{self.times:g}" if self.times != 1 else ""
        return f"{self.size}-{self.batch}x{self.length}{times}"

    @property
    def sizes(self) -> dict[str, Any]:
        """The fields of the configuration."""
        return SIZES[self.size]

    @property
    def config(self) -> Any:
        """The reference `GPT2Config` of this case, from solution 01."""
        return load_solution(1).GPT2Config(**self.sizes)

    @property
    def hugging_face_config(self) -> transformers.GPT2Config:
        """The same sizes as `transformers.GPT2Config`."""
        from transformers import GPT2Config

        config = GPT2Config(**self.sizes)
        config._attn_implementation = "eager"
        return config

    @property
    def rounding(self) -> float:
        """How many times more than usual right numbers may be off.

        Attention scores grow with the square of the hidden states, and with them what
        their last digit is worth.
        """
        return self.times**2

    @property
    def inner_dim(self) -> int:
        """The width inside the feed-forward network."""
        return inner_dim(self.config)

    def hugging_face_mask(self) -> torch.Tensor:
        """Hugging Face's causal mask, added to scores, [batch, 1, length, length]."""
        from transformers.masking_utils import eager_mask

        return eager_mask(self.batch, q_length=self.length, kv_length=self.length)

    def hidden_states(self) -> torch.Tensor:
        """Random hidden states, float32, shape [batch, length, n_embd]."""
        import torch

        shape = (self.batch, self.length, self.sizes["n_embd"])
        values = self.times * self._random().standard_normal(shape)
        return torch.from_numpy(values).float()

    def input_ids(self) -> torch.Tensor:
        """Random token IDs, int64, shape [batch, length]."""
        import torch

        vocab_size = self.sizes["vocab_size"]
        ids = self._random().integers(vocab_size, size=(self.batch, self.length))
        return torch.from_numpy(ids)

    def _random(self) -> np.random.Generator:
        return np.random.default_rng([len(self.size), self.batch, self.length])


# Batch, length and size vary so that no two of them explain the same wrong cases.
CASES = (
    Case("wide", batch=2, length=7),
    Case("wide", batch=1, length=1),
    Case("narrow", batch=2, length=1),
    Case("narrow", batch=1, length=5),
    Case("narrow", batch=1, length=17),
)
# Attention scores beyond 100, and up to 50 in the feed-forward network.
LARGE = Case("odd", batch=1, length=5, times=10.0)
# For the whole model, which takes MAX longest. If it is wrong, all cases are looked at.
MODEL_CASES = tuple(
    case for case in CASES if str(case) in {"wide-2x7", "narrow-2x1", "narrow-1x17"}
)


def shorter(cases: Sequence[Case]) -> list[Case]:
    """Those without the longest sequence: positions off by one crash Python there."""
    return [case for case in cases if case.length < case.sizes["n_positions"]]


def one_of_each_size(cases: Sequence[Case]) -> list[Case]:
    """One case for each size: weights depend on nothing else."""
    return list({case.size: case for case in shorter(cases)}.values())
