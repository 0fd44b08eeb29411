"""Solution for Step 13: Pretrained weights."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from max.driver import Device
from max.dtype import DType
from max.experimental import functional as F
from max.experimental.tensor import default_device, default_dtype
from numpy.typing import NDArray
from safetensors.numpy import load_file
from solution_01 import GPT2Config
from solution_11 import MaxGPT2LMHeadModel

# Radford et al., 2019, table 2; the numbers of heads are in the released files.
GPT2_SIZES = {
    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_embd=1024, n_layer=24, n_head=16),
    "gpt2-large": GPT2Config(n_embd=1280, n_layer=36, n_head=20),
    "gpt2-xl": GPT2Config(n_embd=1600, n_layer=48, n_head=25),
}

# Linear layers that Hugging Face keeps as `Conv1D`: [in, out] instead of [out, in].
CONV1D_WEIGHTS = ("c_attn.weight", "c_proj.weight", "c_fc.weight")
# Old files store the causal mask beside the weights.
STORED_MASKS = (".attn.bias", ".attn.masked_bias")
# Whatever else a file holds, such as the head of another task, is no part of GPT-2.
PARTS = ("transformer.", "wte.", "wpe.", "h.", "ln_f.", "lm_head.")


def read_config(folder: Path) -> GPT2Config:
    """Read the sizes of a model from its `config.json`.

    Args:
        folder: A directory that `save_pretrained` of transformers has written.

    Returns:
        The configuration; what the file leaves out has its default.
    """
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    fields = [field.name for field in dataclasses.fields(GPT2Config)]
    return GPT2Config(**{name: saved[name] for name in fields if name in saved})


def convert_weights(
    tensors: Mapping[str, NDArray[np.floating]],
) -> dict[str, NDArray[np.float32]]:
    """Give Hugging Face's tensors the names and shapes of our parameters.

    Args:
        tensors: The tensors of a GPT-2 by name, with or without the prefix
            "transformer.", with or without lm_head and stored masks, in any
            precision.

    Returns:
        The parameters of `MaxGPT2LMHeadModel` by name, float32.
    """
    weights = {}
    for name, tensor in tensors.items():
        if name.endswith(STORED_MASKS):
            continue
        if not name.startswith(PARTS):
            continue
        tensor = np.asarray(tensor, dtype=np.float32)
        if name.endswith(CONV1D_WEIGHTS):
            tensor = np.ascontiguousarray(tensor.T)
        if not name.startswith(("transformer.", "lm_head.")):
            name = f"transformer.{name}"
        weights[name] = tensor
    # GPT-2 reads and writes tokens with the same matrix, and files hold it once.
    weights.setdefault("lm_head.weight", weights["transformer.wte.weight"])
    return weights


def load_pretrained(folder: Path, *, device: Device) -> MaxGPT2LMHeadModel:
    """Make the model that a directory describes, with its weights.

    Args:
        folder: Holds `config.json` and `model.safetensors`, as `save_pretrained`
            of transformers writes them.
        device: Where the model computes.

    Returns:
        The model, float32.
    """
    # Lazily: or every weight would first be filled with random numbers.
    with default_device(device), default_dtype(DType.float32), F.lazy():
        model = MaxGPT2LMHeadModel(read_config(folder)).to(device)
    model.load_state_dict(convert_weights(load_file(folder / "model.safetensors")))
    return model
