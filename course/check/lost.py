"""Lines that compute something and do nothing with it."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Iterator
from pathlib import Path

from max.experimental.tensor import Tensor


def lost_results(path: Path) -> str:
    """Say which lines of the reader's make a tensor that nobody gets; "" if none."""
    try:
        source = path.read_text(encoding="utf-8")
        lines = sorted(_lost(ast.parse(source)))
    except (OSError, ValueError, SyntaxError):
        return ""
    if not lines:
        return ""
    quoted = "\n".join(
        f"    {number} │ {source.splitlines()[number - 1].strip()}" for number in lines
    )
    return (
        f"What is computed here is lost:\n{quoted}\nA tensor is never changed where it "
        "is. Give the new one a name, as in x = ..., or return it."
    )


def _lost(tree: ast.Module) -> Iterator[int]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Expr) and _makes_a_tensor(node.value):
                    yield node.lineno


def _makes_a_tensor(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return True
    match value:
        case ast.Call(func=ast.Name(id=name)):
            # Step 15's store_slice is the one function that writes in place.
            return not hasattr(builtins, name) and name != "store_slice"
        case ast.Call(func=ast.Attribute(attr=method)) if method.startswith("_"):
            return False
        case ast.Call(func=ast.Attribute(value=ast.Name(id="F" | "self"))):
            return True
        case ast.Call(func=ast.Attribute(attr=method)):
            return hasattr(Tensor, method)
    return False
