"""What the hints of step 18 show is so: the texts and pages of its worked example."""

import ast
import json
import tomllib

import numpy as np
import pytest
from max.dtype import DType
from max.graph.weights import load_weights
from max.pipelines.context import TextContext, TokenBuffer
from max.pipelines.modeling.types import RequestID
from safetensors.numpy import save_file

from course.check.loading import load_solution
from course.steps import DEMO_MODEL, get_step

TODOS = tomllib.loads(get_step(18).todo_file.read_text())["todo"]


def names(folder):
    """What the names in the examples stand for: before step 2."""
    step = load_solution(18)
    pages = step.Pages(6, 4)
    scheduler = step.Scheduler(pages, max_batch_size=3)
    prompts = {"a": [0, 1, 3, 5], "b": [0, 2], "c": [8, 6, 9]}
    texts = {name: step.Text(prompt) for name, prompt in prompts.items()}
    scheduler.add(texts["a"])
    scheduler.add(texts["b"])
    for text, chosen in zip(scheduler.next_batch(), [7, 3], strict=True):
        text.go_on(chosen)
    scheduler.add(texts["c"])
    tokens = TokenBuffer(np.array(prompts["a"], np.int64))
    context = TextContext(request_id=RequestID("a"), max_length=8, tokens=tokens)
    context.update(7)
    save_file({"half": np.zeros(8, np.float16)}, folder / "half.safetensors")
    stored = dict(load_weights([folder / "half.safetensors"]).items())
    return (
        vars(step)
        | texts
        | {"pages": pages, "scheduler": scheduler, "texts": [*texts.values()]}
        | {"context": context, "weights": stored["half"], "array": np.zeros(8)}
        | {"config": json.loads((DEMO_MODEL / "config.json").read_text())}
    )


@pytest.mark.parametrize("todo", TODOS, ids=lambda todo: todo["todo"][:20])
def test_result(todo, tmp_path):
    """The example of a hint gives what stands below it."""
    given = names(tmp_path)
    *lines, last = ast.parse(todo["example"]).body
    exec(compile(ast.Module(lines, []), "hint", "exec"), given)
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), "hint", "eval"), given)
    assert shown(value) == todo["gives"]
    # That would be the third level.
    assert todo["answer"].strip() not in todo["example"]


def shown(value):
    """A value as hints show it."""
    if isinstance(value, tuple):
        return f"({', '.join(map(shown, value))})"
    plain = isinstance(value, np.ndarray | DType)
    return str(value) if plain else repr(value)
