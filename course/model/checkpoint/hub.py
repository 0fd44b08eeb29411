"""From the name of a model to the directory that holds it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from course.errors import CourseError

# Of the repository's top folder: others hold the same model in other forms.
WANTED = [
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
]
IN_FOLDERS = ["*/*"]

PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def find_folder(name: str) -> Path:
    """Return the directory that holds a model, fetched from the hub if need be.

    Args:
        name: A directory, or a model of the Hugging Face hub.

    Raises:
        CourseError: There is no such thing, or it cannot be fetched.
    """
    try:
        path = Path(name).expanduser()
        if path.is_dir():
            return path
        exists = path.exists()
    except (OSError, ValueError, RuntimeError) as error:
        raise CourseError(f"There is no directory {name} ({error}).") from None
    if exists:
        raise CourseError(f"{name} is a file; give the directory that holds the model.")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise CourseError(f"There is no directory {name}.")
    folder = _fetch(name)
    _assert_fetched_weights(name, folder)
    return folder


def _fetch(name: str) -> Path:
    import httpx
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    try:
        return Path(
            snapshot_download(name, allow_patterns=WANTED, ignore_patterns=IN_FOLDERS)
        )
    except GatedRepoError:
        raise CourseError(
            f"{name} is a gated model: accept its terms on its page on the Hugging "
            "Face hub, then say who you are with `hf auth login`."
        ) from None
    except (RepositoryNotFoundError, HFValidationError):
        raise CourseError(
            f"{name} is neither a directory here nor a model on the Hugging Face hub "
            "that everyone can read. For a private one, `hf auth login` comes first."
        ) from None
    except (LocalEntryNotFoundError, httpx.HTTPError):
        raise CourseError(
            f"There is no directory {name} here, and the Hugging Face hub cannot be "
            "reached to look for a model of that name. Check the path or the network; "
            "without --model the demo model is used, which needs no network."
        ) from None
    except OSError as error:
        raise CourseError(f"{name} cannot be fetched from the hub: {error}.") from None


def _assert_fetched_weights(name: str, folder: Path) -> None:
    """Say what the hub has where it has no safetensors; only they are fetched."""
    if any(folder.glob("*.safetensors")):
        return
    pickles = find_pickles(folder) or _pickles_on_hub(name)
    if pickles:
        raise CourseError(only_a_pickle(name, pickles[0]))


def _pickles_on_hub(name: str) -> list[str]:
    import httpx
    from huggingface_hub import list_repo_files

    try:
        return pickles_among(list_repo_files(name))
    except (OSError, httpx.HTTPError):
        return []


def find_pickles(folder: Path) -> list[str]:
    """The names of the pickled weights in a directory."""
    return pickles_among(path.name for path in folder.iterdir())


def pickles_among(names: Iterable[str]) -> list[str]:
    """Those of some file names that are pickled weights, the likeliest first."""
    pickles = [name for name in names if name.endswith(PICKLES) and "/" not in name]
    return sorted(
        pickles, key=lambda name: (not name.startswith("pytorch_model"), name)
    )


def only_a_pickle(where: object, pickle: str) -> str:
    """The sentence about a model that has its weights only as a pickle."""
    return (
        f"{where} holds its weights only as a pickle ({pickle}), which is not opened: "
        "unpickling runs whatever code is in the file. Where you trust it, convert it "
        "once with transformers: `GPT2LMHeadModel.from_pretrained(...)."
        "save_pretrained(FOLDER)` writes model.safetensors; then give --model FOLDER."
    )
