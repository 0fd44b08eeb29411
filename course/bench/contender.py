"""What a contender is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

Prompts = Sequence[Sequence[int]]


class Contender(ABC):
    """A GPT-2 that goes on with texts, always with the most likely token.

    Attributes:
        packages: What has to be installed for it.
    """

    packages: tuple[str, ...] = ()

    @abstractmethod
    def __init__(self, folder: Path, dtype: str) -> None:
        """Load the model, and convert or compile it first where that is not done.

        Args:
            folder: A GPT-2 as `save_pretrained` of transformers writes it; what is
                made of it is kept beside it.
            dtype: How weights are kept: float32, bfloat16, int8.
        """

    @abstractmethod
    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
