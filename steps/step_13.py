"""
Step 13: Pretrained weights

Load trained weights: read the files of a GPT-2 and give each tensor the name and the
shape that your model has for it.

Tasks:
1. Import functional and load_file
2. Describe the four sizes of GPT-2
3. Read the configuration from config.json
4. Give every tensor our name and shape
5. Build the model without random weights, and load it

Run: pixi run s13
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from max.driver import Device
from max.dtype import DType

# TODO: Import functional (as F) from max.experimental
# Hint: from max.experimental import ...
from max.experimental.tensor import default_device, default_dtype
from numpy.typing import NDArray

# TODO: Import load_file from safetensors.numpy
# Hint: from safetensors.numpy import ...
from step_01 import GPT2Config
from step_11 import MaxGPT2LMHeadModel

# Radford et al., 2019, table 2; the numbers of heads are in the released files.
# TODO: Describe the other three: gpt2-medium, gpt2-large, gpt2-xl
# Hint: "gpt2-medium": GPT2Config(n_embd=..., n_layer=..., n_head=...)
GPT2_SIZES = {"gpt2": GPT2Config()}

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

    # TODO: Pick the fields of GPT2Config out of what is saved, and make one of them
    # Hint: [field.name for field in dataclasses.fields(GPT2Config)]
    # Hint: GPT2Config(**{name: saved[name] for name in ... if ...})
    return None


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

        # TODO: Turn the weights of Conv1D layers over, and only these
        # Hint: name.endswith(CONV1D_WEIGHTS), then np.ascontiguousarray(tensor.T)
        pass

        # TODO: Put the prefix in front where the file has left it out
        # Hint: name.startswith(("transformer.", "lm_head."))
        pass
        weights[name] = tensor
    # GPT-2 reads and writes tokens with the same matrix, and files hold it once.
    # TODO: Give the head the weight of wte, where the file has no other
    # Hint: weights.setdefault("lm_head.weight", ...)
    pass
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
    # TODO: Build the model on the device, in float32, without computing anything yet
    # Hint: with default_device(device), default_dtype(DType.float32), F.lazy():
    # Hint:     model = MaxGPT2LMHeadModel(...).to(device)
    model = None

    # TODO: Read the tensors, convert them and load them into the model
    # Hint: model.load_state_dict(...), load_file(folder / "model.safetensors")
    pass
    return model
