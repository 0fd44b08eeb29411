"""A model on its way from our reader of model directories to MAX's.

MAX reads a directory by rules of its own: it wants the architecture's name and a
float32 tensor, takes all safetensors files below a folder for one model, and adds up
what several files say of the end of a text. So it is given a folder in which there is
one way to read everything. The weights stay where they are; links lead to them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from course.model.checkpoint import Checkpoint

ARCHITECTURE = "GPT2LMHeadModel"
"""What step 18 calls it."""

KERNELS = "mojo_kernels"
"""What `serving/parts.py` calls them."""

NAMES = "names.json"


def hand_over(model: Checkpoint, folder: Path) -> None:
    """Write down what was read of a model.

    Args:
        model: The model.
        folder: An empty folder. Afterwards it holds `config.json`,
            `generation_config.json`, the tokenizer, links to the files with the
            weights, and which of the tensors in them is which.
    """
    # MAX's server does not start without one: that of no token never comes.
    ends = sorted(model.end_of_text) or [model.config.vocab_size]
    config = {
        **asdict(model.config),
        "model_type": "gpt2",
        "architectures": [ARCHITECTURE],
        "eos_token_id": ends,
    }
    _write(folder / "config.json", config)
    _write(folder / "generation_config.json", {"eos_token_id": ends})
    (folder / "tokenizer.json").write_text(model.tokenizer.to_str(), encoding="utf-8")
    _write(
        folder / "tokenizer_config.json",
        {
            # Says that the file is to be taken as it is.
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
        },
    )
    stored = model.tensors.stored
    _write(folder / NAMES, {name: place.name for name, place in stored.items()})
    files = sorted({place.path for place in stored.values()})
    for number, path in enumerate(files, 1):
        (folder / f"{number:05d}.safetensors").symlink_to(path.resolve())


def name_kernels(folder: Path, package: Path, dtype: str) -> None:
    """Write down on which kernels the model is to run.

    In config.json: it is what the process of the model reads besides weights.

    Args:
        folder: One that `hand_over` has filled.
        package: The compiled kernels.
        dtype: How the weights of the linear layers are to be kept.
    """
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    _write(path, {**config, KERNELS: {"package": str(package), "dtype": dtype}})


def weight_files(folder: Path) -> list[Path]:
    """The files with the weights in a folder that `hand_over` has filled."""
    return sorted(folder.glob("*.safetensors"))


def read_names(folder: Path) -> dict[str, str]:
    """What each tensor is called in its file, by Hugging Face's full name."""
    names: dict[str, str] = json.loads((folder / NAMES).read_text(encoding="utf-8"))
    return names


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


@dataclass(frozen=True)
class NamedAdapter:
    """An adapter for weights that is given those of the model, by their full names.

    Attributes:
        adapter: That of step 18.
        names: From `read_names`.
    """

    adapter: Callable[..., dict[str, Any]]
    names: dict[str, str]

    def __call__(
        self, state_dict: Mapping[str, Any], **options: object
    ) -> dict[str, Any]:
        """Convert the tensors of all files to the parameters of the served model.

        Args:
            state_dict: The tensors by the names that they are stored under.
            options: What MAX tells adapters besides.

        Returns:
            What `adapter` returns.
        """
        return self.adapter(
            {name: state_dict[stored] for name, stored in self.names.items()}, **options
        )
