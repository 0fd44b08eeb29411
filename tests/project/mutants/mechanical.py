"""Mutants made from the syntax tree of a solution, one change each."""

import ast
import functools

from course.steps import SIDE_STEPS, STEPS, get_step
from tests.project.mutants.mutant import Mutant, solution

SWAPS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Eq: ast.NotEq,
    ast.IsNot: ast.Is,
    ast.Or: ast.And,
}


# The others of Part II are left out: MAX compiles in their checks, for a minute or more.
STEPS_WITHOUT_GRAPHS = [*STEPS[:13], get_step(16), *SIDE_STEPS]


@functools.cache
def mechanical(step):
    """All mechanical mutants of a step, each source once."""
    tree = ast.parse(solution(step.number))
    original = ast.unparse(tree)
    found = {}
    for index, path in enumerate(_places(tree)):
        for kind, change in CHANGES.items():
            node = _at(tree, path)
            for count, text in enumerate(change(node, tree, path)):
                if text != original and text not in found:
                    line = getattr(node, "lineno", 0)
                    name = f"{step.label}-{kind}-line-{line}-{index}-{count}"
                    found[text] = Mutant(step.number, None, text, name, kind)
    return list(found.values())


def _places(tree):
    """The way to every node that is code: no docstrings, imports, annotations."""
    places = []

    def visit(node, path):
        places.append(path)
        for field, value in ast.iter_fields(node):
            if field in {"annotation", "returns", "decorator_list", "bases"}:
                continue
            children = value if isinstance(value, list) else [value]
            for index, child in enumerate(children):
                is_text = isinstance(child, ast.Expr) and isinstance(
                    child.value, ast.Constant
                )
                is_import = isinstance(child, ast.Import | ast.ImportFrom)
                if isinstance(child, ast.AST) and not is_text and not is_import:
                    visit(child, (*path, (field, index)))

    visit(tree, ())
    return places


def _at(tree, path):
    for field, index in path:
        value = getattr(tree, field)
        tree = value[index] if isinstance(value, list) else value
    return tree


def _with(tree, path, node):
    """The source with another node in a place."""
    parent = _at(tree, path[:-1])
    field, index = path[-1]
    value = getattr(parent, field)
    if isinstance(value, list):
        value[index], before = node, value[index]
        text = ast.unparse(tree)
        value[index] = before
    else:
        setattr(parent, field, node)
        text = ast.unparse(tree)
        setattr(parent, field, value)
    return text


def _operators(node, tree, path):
    """Another operator, or the two sides exchanged."""
    for field in ("op", "ops"):
        value = getattr(node, field, None)
        operator = value[0] if isinstance(value, list) and value else value
        if type(operator) in SWAPS:
            new = SWAPS[type(operator)]()
            setattr(node, field, [new] if isinstance(value, list) else new)
            yield ast.unparse(tree)
            setattr(node, field, value)
    if isinstance(node, ast.BinOp):
        yield _with(tree, path, ast.BinOp(node.right, node.op, node.left))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        yield _with(tree, path, ast.UnaryOp(ast.UAdd(), node.operand))


def _constants(node, tree, path):
    """Another constant: an axis, a size, a flag, a name."""
    if not isinstance(node, ast.Constant):
        return
    value = node.value
    others = []
    if isinstance(value, bool):
        others = [not value]
    elif isinstance(value, int):
        others = [value + 1, value - 1]
    elif isinstance(value, float):
        others = [value + 1.0]
    elif value == "tanh":
        others = ["none"]
    elif value == "-inf":
        others = ["inf"]
    for other in others:
        yield _with(tree, path, ast.Constant(other))


def _calls(node, tree, path):
    """Arguments exchanged, a keyword left out, or no call at all."""
    if not isinstance(node, ast.Call):
        return
    if len(node.args) >= 2 and not isinstance(node.args[0], ast.Starred):
        for index in range(len(node.args) - 1):
            node.args[index : index + 2] = reversed(node.args[index : index + 2])
            yield ast.unparse(tree)
            node.args[index : index + 2] = reversed(node.args[index : index + 2])
    for keyword in list(node.keywords):
        index = node.keywords.index(keyword)
        node.keywords.remove(keyword)
        yield ast.unparse(tree)
        node.keywords.insert(index, keyword)
    if node.args and not isinstance(node.args[0], ast.Starred):
        yield _with(tree, path, node.args[0])


def _statements(node, tree, path):
    """A line dropped, or nothing returned."""
    if isinstance(node, ast.Assign | ast.AnnAssign | ast.Expr):
        yield _with(tree, path, ast.Pass())
    elif isinstance(node, ast.Return):
        yield _with(tree, path, ast.Return(None))


CHANGES = {
    "operator": _operators,
    "constant": _constants,
    "call": _calls,
    "statement": _statements,
}
