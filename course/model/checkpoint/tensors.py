"""Which tensors of a directory are the weights of its GPT-2, and reading them."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import ml_dtypes  # noqa: F401  teaches NumPy bfloat16, which safetensors may hold
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from course.errors import CourseError
from course.model.checkpoint.hub import find_pickles, only_a_pickle
from course.model.checkpoint.json_file import read_object
from course.model.checkpoint.shapes import stored_shapes
from course.model.config import GPT2Config

Array = NDArray[Any]

WTE = "transformer.wte.weight"
HEAD = "lm_head.weight"

# In every GPT-2, and in its body: what stands before it stands before all of that.
LANDMARKS = ("wte.weight", "wpe.weight", "h.0.ln_1.weight", "ln_f.weight")

SAFETENSORS = ".safetensors"
FLOATS = ("F64", "F32", "F16", "BF16")


@dataclass(frozen=True)
class Stored:
    """A tensor in a file.

    Attributes:
        path: The file.
        name: What it is called there.
        dtype: In safetensors' words, such as F32.
        shape: Its shape.
    """

    path: Path
    name: str
    dtype: str
    shape: tuple[int, ...]


class StoredTensors(Mapping[str, Array]):
    """The weights of a directory by Hugging Face's full names, as float32.

    The names are those of `GPT2LMHeadModel`: `transformer.wte.weight` and so on, and
    `lm_head.weight` if it is not tied. Each is read when it is asked for. So only one
    is in memory twice, and the largest before the others are. A file is opened for
    each: what a mapped file has shown of itself counts as memory, too.

    Attributes:
        stored: Where each of them is.

    Raises:
        CourseError: A file is damaged.
    """

    def __init__(self, stored: Mapping[str, Stored]) -> None:
        self.stored = dict(
            sorted(stored.items(), key=lambda item: -math.prod(item[1].shape))
        )

    def __getitem__(self, name: str) -> Array:
        """Read one tensor."""
        stored = self.stored[name]
        with _opened(stored.path) as file:
            # A copy: NumPy asks for large pages, which are faster to read.
            array: Array = np.array(file.get_tensor(stored.name), dtype=np.float32)
        return array

    def __iter__(self) -> Iterator[str]:
        """The names."""
        return iter(self.stored)

    def __len__(self) -> int:
        """How many there are."""
        return len(self.stored)


def find_tensors(folder: Path, config: GPT2Config, *, tied: bool) -> StoredTensors:
    """Find the weights in a directory; only the heads of its files are read.

    What transformers takes no notice of, such as stored masks and the heads of other
    tasks, is left out.

    Args:
        folder: Holds `model.safetensors`, or its shards and their index.
        config: Its sizes.
        tied: Whether `lm_head` may be left out, because it is `wte`. Where both are
            there, each is used, as transformers does it.

    Raises:
        CourseError: A file or a tensor is missing, damaged or of the wrong shape, or
            it is not clear which tensor is meant.
    """
    present = _read_heads(_weight_files(folder))
    wanted = stored_shapes(config)
    named = _by_full_name(folder, present, wanted)
    if HEAD not in named and not tied:
        raise CourseError(
            f"{folder}: config.json says that lm_head is not tied to wte, but "
            f"there is no tensor {HEAD}."
        )
    if WTE not in named and HEAD in named and tied:
        named[WTE] = named.pop(HEAD)
    _assert_complete(folder, named, wanted)
    _assert_no_layer_left(folder, present, config.n_layer)
    return StoredTensors(named)


def _weight_files(folder: Path) -> list[Path]:
    single = folder / "model.safetensors"
    index = folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        return _shards(folder, index)
    adapter = folder / "adapter_model.safetensors"
    if adapter.is_file():
        raise CourseError(
            f"{folder} holds an adapter ({adapter.name}), not a model. Merge the two "
            "with peft: `merge_and_unload`, then `save_pretrained`."
        )
    if others := sorted(path.name for path in folder.glob("*.safetensors")):
        raise CourseError(
            f"{folder} has no model.safetensors, but {others[0]}. If that is the whole "
            "model, call it model.safetensors."
        )
    if pickles := find_pickles(folder):
        raise CourseError(only_a_pickle(folder, pickles[0]))
    raise CourseError(
        f"{folder} has no model.safetensors. `save_pretrained` of transformers writes "
        "it."
    )


def _shards(folder: Path, index: Path) -> list[Path]:
    places = read_object(index).get("weight_map")
    names = list(places.values()) if isinstance(places, dict) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise CourseError(
            f"{index}: weight_map must be an object that names a file for each tensor. "
            "Fetch the file again."
        )
    for name in names:
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not name.endswith(SAFETENSORS):
            raise CourseError(
                f"{index} names {json.dumps(name)}; only safetensors files in the same "
                "directory are read."
            )
    return [folder / name for name in sorted(set(names))]


def _read_heads(paths: list[Path]) -> dict[str, Stored]:
    """Read what tensors there are in some files."""
    present: dict[str, Stored] = {}
    for path in paths:
        with _opened(path) as file:
            for name in file.keys():  # noqa: SIM118
                if name in present:
                    raise CourseError(
                        f"The tensor {name} is both in {present[name].path} and in "
                        f"{path}. Fetch or save the model again."
                    )
                tensor = file.get_slice(name)
                shape = tuple(tensor.get_shape())
                present[name] = Stored(path, name, tensor.get_dtype(), shape)
    return present


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except FileNotFoundError:
        raise CourseError(f"{path} is missing. Fetch it again.") from None
    except PermissionError:
        raise CourseError(f"{path} is not readable to you.") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise CourseError(
            f"{path} is damaged or not finished downloading ({error}). Fetch it again."
        ) from None


def _by_full_name(
    folder: Path, present: dict[str, Stored], wanted: Mapping[str, object]
) -> dict[str, Stored]:
    """Find the tensors that are wanted, whatever stands before their names."""
    body = _find_prefix(folder, present)
    wrapper = body.removesuffix("transformer.")
    found = {}
    for name in wanted:
        stands_for = name.replace("transformer.", body, 1)
        stored = present.get(wrapper + name if name == HEAD else stands_for)
        if stored is not None:
            found[name] = stored
    return found


def _find_prefix(folder: Path, present: dict[str, Stored]) -> str:
    """Find what stands before the names of the body's tensors.

    `GPT2LMHeadModel` saves "transformer.", `GPT2Model` nothing; wrappers such as those
    of `torch.compile` and of parallel training put words of their own in front.
    """
    prefixes = {
        name.removesuffix(landmark)
        for name in present
        for landmark in LANDMARKS
        if name == landmark or name.endswith(f".{landmark}")
    }
    for usual in ("transformer.", ""):
        if usual in prefixes:
            return usual
    if len(prefixes) > 1:
        first, second, *_ = sorted(prefixes)
        raise CourseError(
            f"{folder}: there are tensors of more than one GPT-2, {first}* and "
            f"{second}*, and none is called transformer.*, as transformers saves it. "
            "Save the one that is meant with `save_pretrained`."
        )
    return prefixes.pop() if prefixes else "transformer."


def _assert_complete(
    folder: Path, named: dict[str, Stored], wanted: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in wanted.items():
        stored = named.get(name)
        if stored is None:
            if name == HEAD:
                continue
            raise CourseError(
                f"{folder}: the tensor {name} is missing from the safetensors file. It "
                "does not belong to this config.json, or is incomplete."
            )
        if stored.dtype not in FLOATS:
            raise CourseError(
                f"{folder}: the tensor {stored.name} is stored as {stored.dtype}; "
                f"only {', '.join(FLOATS)} are read. Save the model with "
                "`save_pretrained` after `.float()`."
            )
        if stored.shape != shape:
            raise CourseError(
                f"{folder}: the tensor {stored.name} has the shape "
                f"{list(stored.shape)}; with this config.json it must be {list(shape)}."
            )


def _assert_no_layer_left(
    folder: Path, present: dict[str, Stored], n_layer: int
) -> None:
    """Refuse more layers than the configuration has: one of the two is wrong."""
    body = _find_prefix(folder, present)
    more = f"{body}h.{n_layer}."
    for name in present:
        if name.startswith(more):
            raise CourseError(
                f"{folder}: the tensor {name} has no place in a GPT-2 of this "
                f"config.json, which says n_layer {n_layer}."
            )
