"""What Hugging Face computes, kept on disk so that torch is imported only once.

The answers are computed on the reader's machine by the `transformers` module that
each check names. They are used again only for the same library versions and the
same code, and only if the file is whole.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import inspect
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from course.cache import cache_folder, written_whole
from course.check import cases as cases_module
from course.check import toy_model
from course.steps import DEMO_MODEL

if TYPE_CHECKING:
    import torch

Array = NDArray[Any]
C = TypeVar("C")

_QUESTIONS: dict[str, dict[str, Callable[[], object]]] = {}  # By module and name.


@dataclass(frozen=True)
class Expected:
    """What a step must compute for one case.

    Attributes:
        weights: The parameters, named and shaped as MAX wants them.
        inputs: The arguments of `forward`.
        output: What Hugging Face computes from them.
    """

    weights: dict[str, Array] = field(default_factory=dict)
    inputs: tuple[Array, ...] = ()
    output: Array = field(default_factory=lambda: np.zeros(0))


def reference(
    cases: Sequence[C],
) -> Callable[[Callable[[C], Expected]], Callable[[C], Expected]]:
    """Decorate a function that asks Hugging Face, so that it is asked only once.

    Args:
        cases: All the cases that will be asked for; `str(case)` tells them apart.
    """

    def decorate(compute: Callable[[C], Expected]) -> Callable[[C], Expected]:
        @functools.cache
        def load_all() -> dict[str, Expected]:
            return _load_or_compute(compute, cases)

        @functools.wraps(compute)
        def lookup(case: C) -> Expected:
            return load_all()[str(case)]

        questions = _QUESTIONS.setdefault(compute.__module__, {})
        questions[compute.__qualname__] = load_all
        return lookup

    return decorate


def ask_all(module: str) -> None:
    """Have the answers ready to all questions of a module, whichever it will need."""
    for load_all in _QUESTIONS.get(module, {}).values():
        load_all()


def randomize(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """Give every parameter random values, and turn dropout off.

    Hugging Face starts biases at 0, norms at 1 and weights near 0, where many
    mistakes do not show.
    """
    import torch

    random = np.random.default_rng(seed)
    for name, parameter in module.named_parameters():
        values = random.standard_normal(parameter.shape)
        if name.endswith(("wte.weight", "wpe.weight")):
            values *= 0.5
        elif parameter.ndim == 2:  # A linear layer, [in, out]
            values *= 1.5 / np.sqrt(parameter.shape[0])
        elif name.endswith("weight"):  # The scale of a layer norm
            values = 1 + 0.3 * values
        else:
            values *= 0.3
        parameter.data = torch.from_numpy(values).to(parameter.dtype)
    return module.eval()


def weights_of(module: torch.nn.Module) -> dict[str, Array]:
    """The parameters of a Hugging Face module as MAX wants them.

    Hugging Face's GPT-2 keeps the weights of its linear layers as [in, out]
    (`Conv1D`); MAX's `Linear` keeps them as [out, in].
    """
    from transformers.pytorch_utils import Conv1D

    weights = {name: value.numpy() for name, value in module.state_dict().items()}
    for name, layer in module.named_modules():
        if isinstance(layer, Conv1D):
            key = f"{name}.weight" if name else "weight"
            weights[key] = np.ascontiguousarray(weights[key].T)
    return weights


def _load_or_compute(
    compute: Callable[[C], Expected], cases: Sequence[C]
) -> dict[str, Expected]:
    check = Path(inspect.getfile(compute)).stem
    path = cache_folder() / f"{check}-{compute.__name__}.npz"
    key = _key(compute, cases)
    answers = _read(path, key, cases)
    if answers is None:
        answers = ask_hugging_face(compute, cases)
        _write(path, key, answers)
    return answers


def ask_hugging_face(
    compute: Callable[[C], Expected], cases: Sequence[C]
) -> dict[str, Expected]:
    """Compute the answers. Imports torch and transformers, which takes seconds."""
    import torch
    from transformers.utils import logging

    # Or they would stand in the report, as what the reader's code has printed.
    logging.disable_progress_bar()
    with torch.no_grad():
        return {str(case): compute(case) for case in cases}


def _key(compute: Callable[[C], Expected], cases: Sequence[C]) -> str:
    """A digest of everything that the answers depend on."""
    modules = (inspect.getfile(compute), __file__, cases_module.__file__)
    files = [Path(file) for file in (*modules, toy_model.__file__)]
    # Of any question, so that none can forget to say that it is about the demo model.
    files += sorted(DEMO_MODEL.iterdir())
    sources = [file.read_bytes() for file in files]
    versions = [
        f"{name} {importlib.metadata.version(name)}"
        for name in ("torch", "transformers", "tokenizers", "numpy")
    ]
    parts = [
        *sources,
        *(v.encode() for v in versions),
        *(str(c).encode() for c in cases),
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _write(path: Path, key: str, answers: dict[str, Expected]) -> None:
    arrays: dict[str, Array] = {}
    # By number: the name of a case may hold any character.
    for number, answer in enumerate(answers.values()):
        arrays[f"{number}/output"] = answer.output
        for index, value in enumerate(answer.inputs):
            arrays[f"{number}/input/{index}"] = value
        for name, value in answer.weights.items():
            arrays[f"{number}/weight/{name}"] = value
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    content = buffer.getvalue()
    digest = hashlib.sha256(key.encode() + content).hexdigest()
    try:
        with written_whole(path) as staged:
            staged.write_bytes(digest.encode() + content)
    except OSError as error:
        _say_once(
            f"note: {path.parent} cannot be written ({error.strerror}), so Hugging "
            "Face is asked again each time. Set XDG_CACHE_HOME to a folder of yours."
        )


def _read(path: Path, key: str, cases: Sequence[C]) -> dict[str, Expected] | None:
    """Read the answers, or None if they are missing, stale or damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    digest, content = data[:64], data[64:]
    if hashlib.sha256(key.encode() + content).hexdigest().encode() != digest:
        return None
    names = list(dict.fromkeys(map(str, cases)))
    parts: dict[str, dict[str, dict[str, Array]]] = {}
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        for entry, value in arrays.items():
            number, kind, *rest = entry.split("/", 2)
            kinds = parts.setdefault(names[int(number)], {})
            kinds.setdefault(kind, {})["".join(rest)] = value
    return {
        case: Expected(
            weights=kinds.get("weight", {}),
            inputs=tuple(kinds.get("input", {}).values()),
            output=kinds["output"][""],
        )
        for case, kinds in parts.items()
    }


@functools.cache
def _say_once(message: str) -> None:
    print(message, file=sys.stderr)
