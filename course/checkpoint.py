"""Reading a GPT-2 in Hugging Face format: configuration, weights and tokenizer.

Straight from the files, without torch and without transformers. Pickle checkpoints
are refused: unpickling runs whatever code the file holds.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  teaches NumPy bfloat16, which safetensors may hold
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from course.code import solution
from course.errors import CourseError

Array = NDArray[Any]

SIZES: dict[str, Any] = {
    "vocab_size": 50257,
    "n_positions": 1024,
    "n_embd": 768,
    "n_layer": 12,
    "n_head": 12,
    "n_inner": None,
    "layer_norm_epsilon": 1e-5,
}

# What this GPT-2 computes; a configuration that asks for anything else is refused.
COMPUTED: dict[str, tuple[object, ...]] = {
    "model_type": ("gpt2",),
    "activation_function": ("gelu_new", "gelu_pytorch_tanh"),
    "scale_attn_weights": (True,),
    "scale_attn_by_inverse_layer_idx": (False,),
    "add_cross_attention": (False,),
    "quantization_config": (None,),
}
ASSUMED = {
    "model_type": None,
    "activation_function": "gelu_new",
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
    "quantization_config": None,
}


@dataclass(frozen=True)
class Checkpoint:
    """A GPT-2 as it lies on disk.

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


def load_checkpoint(name: str) -> Checkpoint:
    """Load a directory, or a model of the Hugging Face hub.

    Raises:
        CourseError: It does not exist, is incomplete or damaged, or is not a GPT-2
            that the course's code computes.
    """
    folder = find_folder(name)
    config = _read_config(folder)
    sizes, weights = _read_described(folder, config)
    end = config.get("eos_token_id", 50256)
    ends = [end] if isinstance(end, int) else end or []
    return Checkpoint(name, sizes, weights, _read_tokenizer(folder), frozenset(ends))


def read_model(folder: Path) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read the sizes and the weights in a directory, which needs no tokenizer.

    Returns:
        The fields of `GPT2Config`; the parameters of `MaxGPT2LMHeadModel`, float32.

    Raises:
        CourseError: It is incomplete or damaged, or not a GPT-2 that the course's
            code computes.
    """
    return _read_described(folder, _read_config(folder))


def _read_described(
    folder: Path, config: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what a configuration describes."""
    sizes = {field: config.get(field, default) for field, default in SIZES.items()}
    tied = config.get("tie_word_embeddings", True)
    return sizes, read_weights(folder, sizes, tied=tied)


def find_folder(name: str) -> Path:
    """Return the directory that holds the model, fetched from the hub if need be."""
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.exists():
        raise CourseError(f"{name} is a file; give the directory that holds the model.")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise CourseError(f"There is no directory {name}.")
    return _fetch(name)


def _fetch(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    files = ["config.json", "*.safetensors", "*.safetensors.index.json"]
    files += ["tokenizer.json", "vocab.json", "merges.txt", "*.bin"]
    try:
        # The names of pickle files are wanted for a clear message, not the files.
        return Path(
            snapshot_download(name, allow_patterns=files, ignore_patterns=["*.bin"])
        )
    except (RepositoryNotFoundError, HFValidationError):
        raise CourseError(
            f"{name} is neither a directory here nor a model on the Hugging Face hub."
        ) from None
    except (LocalEntryNotFoundError, OSError):
        raise CourseError(
            f"There is no directory {name} here, and the Hugging Face hub cannot be "
            "reached to look for a model of that name. Check the path or the network; "
            "without --model the demo model is used, which needs no network."
        ) from None


def _read_config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CourseError(
            f"{folder} has no config.json, so it is not a model in Hugging Face "
            "format. `save_pretrained` writes one."
        ) from None
    except (OSError, ValueError) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from None
    if not isinstance(config, dict):
        raise CourseError(f"{path} holds no JSON object.")
    for field, possible in COMPUTED.items():
        value = config.get(field, ASSUMED[field])
        if value not in possible:
            raise CourseError(
                f"{path}: {field} is {json.dumps(value)}, which the GPT-2 of this "
                f"course does not compute; it computes {json.dumps(possible[0])}."
            )
    _check_sizes(path, config)
    return config


def _check_sizes(path: Path, config: dict[str, Any]) -> None:
    for field, default in SIZES.items():
        value = config.get(field, default)
        whole = field != "layer_norm_epsilon"
        if field == "n_inner" and value is None:
            continue
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or value <= 0:
            raise CourseError(
                f"{path}: {field} is {json.dumps(value)}; it must be a positive "
                f"{'whole ' if whole else ''}number."
            )
    n_embd = config.get("n_embd", SIZES["n_embd"])
    n_head = config.get("n_head", SIZES["n_head"])
    if n_embd % n_head:
        raise CourseError(
            f"{path}: n_embd {n_embd} is not a multiple of n_head {n_head}."
        )


def read_weights(
    folder: Path, sizes: dict[str, Any], *, tied: bool = True
) -> dict[str, Array]:
    """Read the parameters of `MaxGPT2LMHeadModel` from safetensors files.

    Args:
        folder: Holds `model.safetensors`, or its shards and their index.
        sizes: The fields of `GPT2Config`; every tensor must have the shape that
            follows from them.
        tied: Whether `lm_head` may be left out, because it is `wte`.

    Returns:
        float32 arrays by the names that `MaxGPT2LMHeadModel` gives its parameters.

    Raises:
        CourseError: A file or a tensor is missing, damaged or of the wrong shape.
    """
    tensors = StoredTensors(_weight_files(folder))
    if not tied and "lm_head.weight" not in tensors:
        raise CourseError(
            f"{folder}: config.json says that lm_head is not tied to wte, but "
            "there is no tensor lm_head.weight."
        )
    if not any(name.endswith("wte.weight") for name in tensors):
        raise CourseError(f"{folder}: there is no tensor transformer.wte.weight.")
    weights: dict[str, Array] = solution(13).convert_weights(tensors)
    if tied:
        weights["lm_head.weight"] = weights["transformer.wte.weight"]
    _check_shapes(folder, weights, sizes)
    return weights


def _weight_files(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    index = folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            names = set(
                json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            )
        except (ValueError, KeyError, AttributeError) as error:
            raise CourseError(f"{index} cannot be read: {error}.") from None
        return [folder / str(name) for name in sorted(names)]
    pickles = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.ckpt")]
    if pickles:
        raise CourseError(
            f"{folder} holds its weights only as a pickle ({pickles[0].name}), which "
            "is not opened: unpickling runs whatever code is in the file. Where you "
            "trust it, convert it once with transformers: `save_pretrained` writes "
            "model.safetensors."
        )
    raise CourseError(f"{folder} has no model.safetensors.")


class StoredTensors(Mapping[str, Array]):
    """The tensors of safetensors files as float32, each read when it is asked for.

    So only one is in memory twice, and the largest before the others are. A file is
    opened for each: what a mapped file has shown of itself counts as memory, too.

    Raises:
        CourseError: A file is missing or damaged.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read the names of all tensors."""
        sizes: dict[str, int] = {}
        self._paths: dict[str, Path] = {}
        for path in paths:
            with _opened(path) as file:
                for name in file.keys():  # noqa: SIM118
                    self._paths[name] = path
                    sizes[name] = math.prod(file.get_slice(name).get_shape())
        self._largest_first = sorted(sizes, key=lambda name: -sizes[name])

    def __getitem__(self, name: str) -> Array:
        """Read one tensor."""
        with _opened(self._paths[name]) as file:
            # A copy: NumPy asks for large pages, which are faster to read.
            array: Array = np.array(file.get_tensor(name), dtype=np.float32)
        return array

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self._largest_first)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._paths)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except FileNotFoundError:
        raise CourseError(f"{path} is missing.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CourseError(
            f"{path} is damaged or not finished downloading ({error}). Fetch it again."
        ) from None


def expected_shapes(sizes: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """The shape of every parameter of `MaxGPT2LMHeadModel`, by name."""
    n_embd = sizes["n_embd"]
    n_inner = sizes["n_inner"] or 4 * n_embd
    vector = {"weight": (n_embd,), "bias": (n_embd,)}
    layers = {
        "ln_1": vector,
        "attn.c_attn": {"weight": (3 * n_embd, n_embd), "bias": (3 * n_embd,)},
        "attn.c_proj": {"weight": (n_embd, n_embd), "bias": (n_embd,)},
        "ln_2": vector,
        "mlp.c_fc": {"weight": (n_inner, n_embd), "bias": (n_inner,)},
        "mlp.c_proj": {"weight": (n_embd, n_inner), "bias": (n_embd,)},
    }
    shapes: dict[str, tuple[int, ...]] = {
        "transformer.wte.weight": (sizes["vocab_size"], n_embd),
        "transformer.wpe.weight": (sizes["n_positions"], n_embd),
    }
    for index in range(sizes["n_layer"]):
        for layer, parameters in layers.items():
            for parameter, shape in parameters.items():
                shapes[f"transformer.h.{index}.{layer}.{parameter}"] = shape
    for parameter, shape in vector.items():
        shapes[f"transformer.ln_f.{parameter}"] = shape
    shapes["lm_head.weight"] = (sizes["vocab_size"], n_embd)
    return shapes


def _check_shapes(
    folder: Path, weights: dict[str, Array], sizes: dict[str, Any]
) -> None:
    shapes = expected_shapes(sizes)
    for name, shape in shapes.items():
        if name not in weights:
            raise CourseError(
                f"{folder}: the tensor {name} is missing from the safetensors file. It "
                "does not belong to this config.json, or is incomplete."
            )
        if weights[name].shape != shape:
            raise CourseError(
                f"{folder}: the tensor {name} has the shape "
                f"{list(weights[name].shape)}; with this config.json it must be "
                f"{list(shape)}."
            )
    for name in weights:
        if name not in shapes:
            raise CourseError(
                f"{folder}: the tensor {name} has no place in a GPT-2 of this "
                "config.json."
            )


def _byte_level_bpe(vocabulary: Path, merges: Path) -> Tokenizer:
    """Build GPT-2's tokenizer from the two files in which it was first published."""
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def _read_tokenizer(folder: Path) -> Tokenizer:
    path = folder / "tokenizer.json"
    vocabulary, merges = folder / "vocab.json", folder / "merges.txt"
    try:
        if path.is_file():
            return Tokenizer.from_file(str(path))
        if vocabulary.is_file() and merges.is_file():
            return _byte_level_bpe(vocabulary, merges)
    except Exception as error:  # tokenizers raises plain Exception
        raise CourseError(f"{folder}: the tokenizer cannot be read: {error}.") from None
    raise CourseError(
        f"{folder} has no tokenizer.json (nor vocab.json and merges.txt)."
    )
