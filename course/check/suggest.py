"""What a reader may have meant by a name, and how a function wants to be called."""

from __future__ import annotations

import ast
import builtins
import difflib
import inspect
import math
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

from max.experimental import functional as F
from max.experimental import nn
from max.experimental.tensor import Tensor

from course.steps import STEPS

# Names of torch, NumPy and transformers that MAX and tokenizers lack.
ELSEWHERE = {
    "act": 'There is no such layer here: F.gelu(x, approximate="tanh").',
    "avg": "It is F.mean.",
    "gelu": 'It is a function here: F.gelu(x, approximate="tanh").',
    "inf": 'It is float("inf").',
    "append": "A tensor does not grow: F.concat([a, b], axis=...) makes a new one.",
    "bmm": "Matrices are multiplied with @.",
    "cat": "It is F.concat([a, b], axis=...).",
    "chunk": "It is F.chunk(x, n, axis=...), or F.split(x, sizes, axis=...).",
    "concatenate": "It is F.concat([a, b], axis=...).",
    "contiguous": "Leave it out: MAX sees to that.",
    "convert_ids_to_tokens": "It is tokenizer.decode(ids).",
    "dropout": "Leave it out: GPT-2 drops nothing when it is used, only in training.",
    "einsum": "Matrices are multiplied with @, after a transpose.",
    "expand": "It is F.broadcast_to(x, shape).",
    "flatten": "It is reshape: x.reshape([...]).",
    "float": "Another dtype: x.cast(DType.float32).",
    "gelu_new": 'It is F.gelu(x, approximate="tanh").',
    "input_ids": "The token IDs are in .ids.",
    "layernorm": "It is F.layer_norm.",
    "linear": "A linear layer is Linear(in_dim, out_dim), which is then called.",
    "logits": "The model gives the logits themselves: model(input_ids).",
    "long": "Another dtype: x.cast(DType.int64).",
    "masked_fill": "Add a mask of 0 and minus infinity instead, or use F.where.",
    "matmul": "Matrices are multiplied with @.",
    "modulelist": "The layers of a list are given to Sequential(*layers).",
    "mt": "It is x.transpose(-1, -2).",
    "multinomial": "Draw with NumPy: rng.choice(n, p=...).",
    "numpy": "It is x.to_numpy().",
    "parameter": "A tensor that is set on self is one: self.weight = Tensor.ones(...).",
    "register_buffer": "A tensor set on self is a parameter; make others in forward.",
    "repeat": "It is F.broadcast_to(x, shape), or F.tile.",
    "rng": "It is np.random.default_rng().",
    "size": "Sizes are in x.shape.",
    "square": "It is x * x, or x**2.",
    "std": "It is the root of the mean of the squares: F.sqrt(F.mean(c * c)).",
    "swapaxes": "It is x.transpose(1, 2), with the two axes.",
    "t": "It is x.T, or x.transpose(-1, -2).",
    "tokenize": "It is tokenizer.encode(text).ids.",
    "tolist": "It is x.to_numpy().tolist().",
    "tril": "It is F.band_part.",
    "triu": "It is F.band_part.",
    "type": "Another dtype: x.cast(DType.float32).",
    "var": "It is the mean of the squares, after the mean is subtracted.",
    "view": "torch's view is reshape here: x.reshape([...]).",
}
FUNCTIONAL = "from max.experimental import functional as F"
IMPORTS = {
    "CPU": "from max.driver import CPU",
    "DType": "from max.dtype import DType",
    "Device": "from max.driver import Device",
    "Dim": "from max.graph import Dim",
    "F": FUNCTIONAL,
    "Tensor": "from max.experimental.tensor import Tensor",
    "Tokenizer": "from tokenizers import Tokenizer",
    "dataclass": "from dataclasses import dataclass",
    "functional": FUNCTIONAL,
    "math": "import math",
    "np": "import numpy as np",
    "numpy": "import numpy as np",
    "random": "import numpy as np, and draw with np.random.default_rng()",
}
TORCH = {
    "torch": f"This course is written in MAX alone: {FUNCTIONAL}.",
    "nn": "Import the layers by name: from max.experimental.nn import Linear, Module.",
}
ARGUMENTS = {
    "dim": "What torch calls dim is axis here.",
    "keepdim": "Leave keepdim out: the axis stays, with the size 1.",
    "keepdims": "Leave keepdims out: the axis stays, with the size 1.",
    "return_tensors": "tokenizer.encode(text).ids is a list, for Tensor([...]).",
}


def suggestion(error: BaseException, frame: FrameType | None, line: str) -> str:
    """What a name or a call should be; "" if nothing is known.

    Args:
        error: What was raised.
        frame: Where, in the reader's file; None if it was outside of it.
        line: The reader's line.
    """
    match error:
        case NameError(name=str(name)):
            return _of_name(name, frame)
        case AttributeError(name=str(name)):
            return _of_attribute(name, error.obj, frame)
        case ImportError():
            return _of_import(error)
        case TypeError():
            return _of_call(str(error), frame, line)
    return ""


def _of_name(name: str, frame: FrameType | None) -> str:
    if name in IMPORTS:
        return f"Import it at the top: {IMPORTS[name]}."
    if name in TORCH:
        return TORCH[name]
    if hasattr(nn, name):
        return f"Import it at the top: from max.experimental.nn import {name}."
    if name.lower() in ELSEWHERE:
        return ELSEWHERE[name.lower()]
    here = {**frame.f_globals, **frame.f_locals} if frame else {}
    if hasattr(here.get("self"), name):
        return f"It is self.{name}."
    if hasattr(here.get("config"), name):
        return f"It is config.{name}."
    if hasattr(F, name):
        plain = f"; of plain numbers, math.{name}" if hasattr(math, name) else ""
        return f"Of tensors it is F.{name}{plain}."
    for step in STEPS:
        if re.search(
            rf"^(class|def) {name}\b", step.solution.read_text(), re.MULTILINE
        ):
            return f"Import it at the top: from {step.module} import {name}."
    return _closest(name, [*here, *dir(builtins)])


def _of_attribute(name: str, owner: Any, frame: FrameType | None) -> str:
    if owner is None:
        return "It is None: does the function that made it end in a `return`?"
    if owner is F or owner is Tensor or isinstance(owner, Tensor):
        if owner is not F and hasattr(F, name):
            return f"It is a function here: F.{name}(...)."
        if name.lower() in ELSEWHERE:
            return ELSEWHERE[name.lower()]
        prefix = "F." if owner is F else "Tensor." if owner is Tensor else "x."
        return _closest(name, dir(owner), prefix)
    if isinstance(owner, nn.Module):
        if frame and callable(frame.f_globals.get(name)):
            return f"It is a function, no part of self: {name}(...)."
        own = [key for key in vars(owner) if not key.startswith("_")]
        if close := _closest(name, [*own, *vars(type(owner))], "self."):
            return close
        if name.lower() in ELSEWHERE:
            return ELSEWHERE[name.lower()]
        found = f": {', '.join(own)}" if own else " nothing"
        return f"__init__ sets on self{found}."
    if isinstance(owner, ModuleType) and owner.__name__.startswith("torch"):
        return TORCH["torch"]
    if isinstance(owner, tuple | list | int):
        kind = f"{'an' if isinstance(owner, int) else 'a'} {type(owner).__name__}"
        return f"It is {kind}: is it what you meant to hand over, in the right order?"
    if inspect.isfunction(owner) and name == "forward":
        return "It is called itself: model(input_ids)."
    if name in ELSEWHERE:
        return ELSEWHERE[name]
    return _closest(name, dir(owner))


def _of_import(error: ImportError) -> str:
    text = str(error)
    if "relative import" in text:
        return (
            "Steps are imported by their names alone: from step_01 import GPT2Config."
        )
    if found := re.search(r"cannot import name '(\w+)' from '([\w.]+)'", text):
        name, module = found.groups()
        if name in IMPORTS:
            return f"It is {IMPORTS[name]}."
        return ELSEWHERE.get(name.lower()) or _closest(name, _names_of(module))
    if found := re.search(r"No module named '(\w+)'", text):
        number = re.fullmatch(r"step_?(\d+)", found[1])
        modules = [step.module for step in STEPS]
        if number and (name := f"step_{int(number[1]):02d}") in modules:
            return f"Is it {name}?"
        return _closest(found[1], modules)
    if re.search(r"No module named 'max\.(nn|functional|tensor)", text):
        return f"What this course uses is in max.experimental: {FUNCTIONAL}."
    return ""


def _names_of(module: str) -> list[str]:
    return dir(sys.modules[module]) if module in sys.modules else []


def _closest(name: str, names: Iterable[str], prefix: str = "") -> str:
    public = {o.lower(): o for o in names if not o.startswith("_") and o != name}
    found = difflib.get_close_matches(name.lower(), public, n=1, cutoff=0.75)
    return f"Is it {prefix}{public[found[0]]}?" if found else ""


def _of_call(text: str, frame: FrameType | None, line: str) -> str:
    """How a function wants to be called that was called otherwise."""
    if not re.search(r"argument|positional|constructor|Must specify", text):
        return ""
    keyword = re.search(r"keyword argument '(\w+)'", text)
    torch = ARGUMENTS.get(keyword[1], "") if keyword else ""
    calls = list(_calls(line, frame)) if frame else []
    named = re.search(r"(\w+)(?:\.(\w+))?\(\)", text)
    if named and not named[0].startswith("fn("):
        name = named[1] if named[2] in (None, "__init__", "__new__") else named[2]
        calls = [c for c in calls if c[1].__name__ == name] or (
            [] if named[2] else calls[:1]
        )
    if keyword:
        calls.sort(key=lambda call: f"{keyword[1]}=" not in line.split(call[0], 1)[1])
    how = f"It is called like this: {_signature(*calls[0])}." if calls else ""
    return " ".join(filter(None, [torch, how]))


def _calls(line: str, frame: FrameType) -> Iterator[tuple[str, Any]]:
    """The functions and classes that a line calls, by the names used there."""
    for name in re.findall(r"([A-Za-z_][\w.]*)\(", line):
        found = resolve(name, frame)
        # Modules are called with what their forward takes, which says nothing new.
        if getattr(found, "__name__", "<") != "<lambda>" and callable(found):
            yield name, found


def resolve(name: str, frame: FrameType) -> Any:
    """The value of a dotted name in a frame; None if it has none."""
    first, *rest = name.split(".")
    value: Any = frame.f_locals.get(first, frame.f_globals.get(first))
    for part in rest:
        value = getattr(value, part, None)
    return value


def _signature(name: str, function: Any) -> str:
    """A function's parameters without their types: "F.softmax(value, axis=-1)"."""
    try:
        found = inspect.signature(function)
    except (TypeError, ValueError):
        return f"{name}(...)"
    plain = [
        parameter.replace(annotation=inspect.Parameter.empty)
        for parameter in found.parameters.values()
    ]
    plain = [parameter for parameter in plain if parameter.name != "self"]
    bare = found.replace(parameters=plain, return_annotation=inspect.Signature.empty)
    return f"{name}{bare}"


def definition(text: str, path: Path) -> tuple[str, str]:
    """Where the reader defines the function that an error names.

    Returns:
        The line, with its number, and what it lacks; "" each if there is none.
    """
    found = re.search(r"(?:(\w+)\.)?(\w+)\(\)", text)
    if found is None:
        return "", ""
    owner, name = found.groups()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name == name:
            arguments = [argument.arg for argument in node.args.args]
            quoted = f"    {node.lineno} │ def {name}({', '.join(arguments)}, ...)"
            if owner and arguments[:1] != ["self"]:
                hint = "The first argument of a method is self: "
                return quoted, f"{hint}def {name}(self, ...)."
            return quoted, ""
    return "", ""
