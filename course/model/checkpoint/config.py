"""What `config.json` and `generation_config.json` say of a GPT-2."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from course.errors import CourseError
from course.model.checkpoint.json_file import read_object
from course.model.config import GPT2Config

# transformers knows four of them by a second name (`GPT2Config.attribute_map`).
SECOND_NAMES = {
    "hidden_size": "n_embd",
    "max_position_embeddings": "n_positions",
    "num_attention_heads": "n_head",
    "num_hidden_layers": "n_layer",
}

# What this GPT-2 computes, the default first; anything else is refused. All the
# activation functions are GELU by way of tanh, under the names it has had.
COMPUTED: dict[str, tuple[object, ...]] = {
    "model_type": ("gpt2",),
    "activation_function": (
        "gelu_new",
        "gelu_pytorch_tanh",
        "gelu_python_tanh",
        "gelu_fast",
        "gelu_accurate",
    ),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "tie_word_embeddings": (True, False),
    "quantization_config": (None,),
}


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json`.

    Raises:
        CourseError: It is missing or damaged, or describes a model that the course's
            code does not compute.
    """
    path = folder / "config.json"
    try:
        config = read_object(path)
    except FileNotFoundError:
        raise CourseError(
            f"{folder} has no config.json, so it is not a model in Hugging Face "
            "format. `save_pretrained` writes one."
        ) from None
    for field, possible in COMPUTED.items():
        value = config.get(field, possible[0])
        if value not in possible:
            raise CourseError(
                f"{path}: {field} is {json.dumps(value)}, which the GPT-2 of this "
                f"course does not compute; it computes {json.dumps(possible[0])}."
            )
    return config


def sizes_of(folder: Path, config: dict[str, Any]) -> GPT2Config:
    """Return the sizes in a configuration; what it leaves out has its default.

    Args:
        folder: Where it was read, for messages.
        config: What `read_config` returns.

    Raises:
        CourseError: One of them makes no sense.
    """
    path = folder / "config.json"
    names = SECOND_NAMES | {
        field.name: field.name for field in dataclasses.fields(GPT2Config)
    }
    sizes = GPT2Config(
        **{field: config[name] for name, field in names.items() if name in config}
    )
    for field, value in vars(sizes).items():
        if field == "n_inner" and value is None:
            continue
        if field == "layer_norm_epsilon":
            what, fits = "number", _is_positive_number(value)
        else:
            what, fits = "whole number", type(value) is int and value > 0
        if not fits:
            raise CourseError(
                f"{path}: {field} is {json.dumps(value)}; it must be a positive {what}."
            )
    if sizes.n_embd % sizes.n_head:
        raise CourseError(
            f"{path}: n_embd {sizes.n_embd} is not a multiple of n_head {sizes.n_head}."
        )
    return sizes


def _is_positive_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return 0 < value < math.inf


def read_ends(folder: Path, config: dict[str, Any]) -> frozenset[int]:
    """Return the token IDs that end a text, as `generate` of transformers finds them.

    They stand in `generation_config.json`, and only where there is no such file in
    `config.json`. Nothing else of `generation_config.json` is used: how tokens are
    chosen is said on the command line, or in the request.

    Args:
        folder: The directory.
        config: What `read_config` returns.

    Raises:
        CourseError: They are no token IDs, or the file is damaged.
    """
    path = folder / "generation_config.json"
    try:
        said = read_object(path)
    except FileNotFoundError:
        path, said = folder / "config.json", config
    ends = said.get("eos_token_id")
    listed = ends if isinstance(ends, list) else [] if ends is None else [ends]
    if any(type(end) is not int for end in listed):
        raise CourseError(
            f"{path}: eos_token_id is {json.dumps(ends)}; it must be a token ID, a "
            "list of them, or null."
        )
    return frozenset(end for end in listed if end >= 0)
