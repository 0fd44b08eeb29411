"""Reading a GPT-2 in Hugging Face format: configuration, weights and tokenizer.

Straight from the files, without torch and without transformers, and with the same
results: `course generate` and `course serve` both read a model here. Pickled weights
are refused: unpickling runs whatever code the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from course.errors import CourseError
from course.model.checkpoint.config import read_config, read_ends, sizes_of
from course.model.checkpoint.hub import find_folder
from course.model.checkpoint.shapes import stored_shapes
from course.model.checkpoint.tensors import StoredTensors, find_tensors
from course.model.checkpoint.tokenizer import read_tokenizer
from course.model.config import GPT2Config
from course.model.modules import solution

__all__ = ["Checkpoint", "open_checkpoint", "stored_shapes"]


@dataclass(frozen=True)
class Checkpoint:
    """A GPT-2 on disk, looked through but for its weights.

    Attributes:
        config: Its sizes.
        tensors: Its weights, as they are stored; each is read when it is asked for.
        tokenizer: The tokenizer that it was trained with.
        end_of_text: The token IDs that end a text.
    """

    config: GPT2Config
    tensors: StoredTensors
    tokenizer: Tokenizer
    end_of_text: frozenset[int]

    @cached_property
    def weights(self) -> dict[str, NDArray[Any]]:
        """The parameters of `MaxGPT2LMHeadModel`, float32, read once; imports MAX.

        Raises:
            CourseError: A file is damaged.
        """
        weights: dict[str, Any] = solution(13).convert_weights(self.tensors)
        head, wte = weights["lm_head.weight"], weights["transformer.wte.weight"]
        if head is not wte and np.array_equal(head, wte):
            # Stored twice: kept once.
            weights["lm_head.weight"] = wte
        return weights

    def encode(self, text: str, name: str = "prompt") -> list[int]:
        """Turn a text into token IDs, each of which the model has an embedding for.

        Args:
            text: The text.
            name: What the user calls it.

        Raises:
            CourseError: There are none, or the tokenizer cannot read the text, or the
                model does not know what it makes of it.
        """
        try:
            encoding = self.tokenizer.encode(text)
        except Exception as error:  # tokenizers raises plain Exception
            raise CourseError(
                f"The model's tokenizer cannot read the {name}: {error}. Write it in "
                "the words that the model was trained on."
            ) from None
        ids: list[int] = encoding.ids
        if not ids:
            raise CourseError(
                f"The {name} is empty: give the model some text to go on from."
                if not text
                else f"The model's tokenizer knows nothing of the {name} and makes no "
                "token of it. Write it in the words that the model was trained on."
            )
        vocab_size = self.config.vocab_size
        for token_id, token in zip(ids, encoding.tokens, strict=True):
            if token_id >= vocab_size:
                raise CourseError(
                    f"The {name} holds the token {token!r}, whose ID is {token_id}, "
                    f"and the model has embeddings for the IDs 0 to {vocab_size - 1} "
                    "(vocab_size) only: its tokenizer has got tokens that it has not. "
                    "Leave that token out, or have the model grow with "
                    "`resize_token_embeddings` of transformers."
                )
        return ids


def open_checkpoint(name: str) -> Checkpoint:
    """Look through a directory, or a model of the Hugging Face hub.

    Neither reads the weights nor imports MAX.

    Raises:
        CourseError: It does not exist, is incomplete or damaged, or is not a GPT-2
            that the course's code computes.
    """
    folder = find_folder(name)
    said = read_config(folder)
    config = sizes_of(folder, said)
    tied = said.get("tie_word_embeddings", True)
    tensors = find_tensors(folder, config, tied=tied)
    return Checkpoint(config, tensors, read_tokenizer(folder), read_ends(folder, said))
