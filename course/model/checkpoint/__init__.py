"""Reading a GPT-2 in Hugging Face format: configuration, weights and tokenizer.

Straight from the files, without torch and without transformers, and with the same
results: `course generate` and `course serve` both read a model here. Pickled weights
are refused: unpickling runs whatever code the file holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from course.errors import CourseError
from course.model.checkpoint.config import SIZES, read_config, read_ends, sizes_of
from course.model.checkpoint.hub import find_folder
from course.model.checkpoint.shapes import expected_shapes
from course.model.checkpoint.tensors import StoredTensors, find_tensors
from course.model.checkpoint.tokenizer import read_tokenizer
from course.model.modules import solution

__all__ = [
    "SIZES",
    "Checkpoint",
    "Opened",
    "encode",
    "expected_shapes",
    "find_folder",
    "load_checkpoint",
    "open_checkpoint",
    "read_model",
]

Array = NDArray[Any]


@dataclass(frozen=True)
class Opened:
    """A GPT-2 on disk, looked through but for its weights.

    Attributes:
        folder: Where it is.
        sizes: The fields of `GPT2Config`.
        tensors: Its weights, as they are stored; each is read when it is asked for.
        tokenizer: The tokenizer that it was trained with.
        end_of_text: The token IDs that end a text.
    """

    folder: Path
    sizes: dict[str, Any]
    tensors: StoredTensors
    tokenizer: Tokenizer
    end_of_text: frozenset[int]


@dataclass(frozen=True)
class Checkpoint:
    """A GPT-2 in memory.

    Attributes:
        name: What the user called it.
        sizes: The fields of `GPT2Config`.
        weights: The parameters of `MaxGPT2LMHeadModel`, float32.
        tokenizer: The tokenizer that it was trained with.
        end_of_text: The token IDs that end a text.
    """

    name: str
    sizes: dict[str, Any]
    weights: dict[str, Array]
    tokenizer: Tokenizer
    end_of_text: frozenset[int]


def open_checkpoint(name: str) -> Opened:
    """Look through a directory, or a model of the Hugging Face hub.

    Neither reads the weights nor imports MAX.

    Raises:
        CourseError: It does not exist, is incomplete or damaged, or is not a GPT-2
            that the course's code computes.
    """
    folder = find_folder(name)
    config = read_config(folder)
    sizes, tensors = _find(folder, config)
    ends = read_ends(folder, config)
    return Opened(folder, sizes, tensors, read_tokenizer(folder), ends)


def load_checkpoint(name: str) -> Checkpoint:
    """Load a directory, or a model of the Hugging Face hub.

    Raises:
        CourseError: As `open_checkpoint`.
    """
    opened = open_checkpoint(name)
    return Checkpoint(
        name,
        opened.sizes,
        _read(opened.tensors),
        opened.tokenizer,
        opened.end_of_text,
    )


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read the sizes and the weights in a directory, which needs no tokenizer.

    Returns:
        The fields of `GPT2Config`; the parameters of `MaxGPT2LMHeadModel`, float32.

    Raises:
        CourseError: It is incomplete or damaged, or not a GPT-2 that the course's
            code computes.
    """
    sizes, tensors = _find(folder, read_config(folder))
    return sizes, _read(tensors)


def _find(folder: Path, config: dict[str, Any]) -> tuple[dict[str, Any], StoredTensors]:
    sizes = sizes_of(folder, config)
    tied = config.get("tie_word_embeddings", True)
    return sizes, find_tensors(folder, sizes, tied=tied)


def _read(tensors: StoredTensors) -> dict[str, Array]:
    weights: dict[str, Array] = solution(13).convert_weights(tensors)
    head, wte = weights["lm_head.weight"], weights["transformer.wte.weight"]
    if head is not wte and np.array_equal(head, wte):
        # Stored twice: kept once.
        weights["lm_head.weight"] = wte
    return weights


def encode(opened: Opened | Checkpoint, prompt: str) -> list[int]:
    """Turn a prompt into token IDs, each of which the model has an embedding for.

    Raises:
        CourseError: There are none, or the tokenizer cannot read the prompt, or the
            model does not know what it makes of it.
    """
    try:
        encoding = opened.tokenizer.encode(prompt)
    except Exception as error:  # tokenizers raises plain Exception
        raise CourseError(
            f"The model's tokenizer cannot read the prompt: {error}. Write it in the "
            "words that the model was trained on."
        ) from None
    ids: list[int] = encoding.ids
    if not ids:
        raise CourseError(
            "The prompt is empty: give the model some text to go on from."
            if not prompt
            else "The model's tokenizer knows nothing of the prompt and makes no token "
            "of it. Write it in the words that the model was trained on."
        )
    vocab_size = opened.sizes["vocab_size"]
    for token_id, token in zip(ids, encoding.tokens, strict=True):
        if token_id >= vocab_size:
            raise CourseError(
                f"The prompt holds the token {token!r}, whose ID is {token_id}, and "
                f"the model has embeddings for the IDs 0 to {vocab_size - 1} "
                "(vocab_size) only: its tokenizer has got tokens that it has not. "
                "Leave that token out, or have the model grow with "
                "`resize_token_embeddings` of transformers."
            )
    return ids
