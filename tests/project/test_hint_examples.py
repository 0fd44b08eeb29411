"""What hints show is so: their shapes and results are those of the tiny model."""

import ast
import functools
import json
import re

import numpy as np
import pytest
from max.driver import CPU
from max.dtype import DType
from max.experimental.tensor import Tensor, default_device, default_dtype
from max.graph import Dim
from safetensors.numpy import save_file

from course.check.building import tensor
from course.check.loading import load_solution
from course.runtime import prepare
from course.skeleton import read_tasks
from course.steps import ALL_STEPS, ROOT, get_step
from tests.project.test_numbers import differences

# What the hints of the others show is about other things than the tiny model.
ON_THE_TINY_MODEL = [get_step(number) for number in range(1, 17)]
TODOS = [
    pytest.param(step, todo, id=f"{step.module}-{number}")
    for step in ON_THE_TINY_MODEL
    for number, todo in enumerate(read_tasks(step).todos, 1)
]
SHAPE = re.compile(r"(\w+) (\[[^]]*\])")


AND = np.array([[7]])
"""The word `and`."""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """The tiny model of the book, and what it computes for its four words."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        from book.numbers import example
    prepare()
    with default_device(CPU()), default_dtype(DType.float32):
        yield Tiny(example, tmp_path_factory.mktemp("tiny"))


class Tiny:
    """The tensors of the tiny model, step by step, by the names that the hints use."""

    def __init__(self, example, folder):
        self.folder = folder
        self.model = example.make_model()
        self.body = self.model.transformer
        self.block = self.body.h[0]
        self.tokenizer = example.make_tokenizer()
        self.input_ids = example.token_ids(example.PROMPT)
        self.positions = tensor(np.arange(4), CPU())
        self.x = example.embedded(self.body)
        add = load_solution(8).pre_norm_residual
        self.halfway = add(self.x, self.block.ln_1, self.block.attn)
        self.weights = example.make_weights()
        self.config = load_solution(1).GPT2Config(**example.SIZES)
        self.sizes = {
            **{"batch": 1, "seq_length": 4, "head_dim": 4, "inner_dim": 32},
            **{"intermediate_size": 32, "dim": 8},
            **{k: v for k, v in example.SIZES.items() if v is not None},
        }

    @functools.cache  # noqa: B019
    def names(self, number):
        """What the names in the hints of a step stand for."""
        given = {"CPU": CPU, "DType": DType, "Tensor": Tensor, "Dim": Dim, "np": np}
        of_step = getattr(self, f"step_{number:02d}", dict)()
        return given | self.sizes | vars(load_solution(number)) | of_step

    def step_02(self):
        step = load_solution(2)
        mask = step.F.broadcast_to(Tensor(float("-inf")), [2, 4])
        returned = step.causal_mask(2, 2, dtype=DType.float32, device=CPU())
        return {
            **{"sequence_length": 2, "num_tokens": 2, "total_length": 4},
            **{"minus_infinity": Tensor(float("-inf")), "mask": mask},
            "returned": returned,
        }

    def step_03(self):
        norm = self.block.ln_1
        returned = norm(self.x)
        weight, bias = norm.weight, norm.bias
        return {"x": self.x, "weight": weight, "bias": bias, "returned": returned}

    def step_04(self):
        mlp, x = self.block.mlp, self.block.ln_2(self.halfway)
        wide = mlp.c_fc(x)
        bent = load_solution(4).F.gelu(wide, approximate="tanh")
        returned = mlp(x)
        return {"mlp": mlp, "x": x, "wide": wide, "bent": bent, "returned": returned}

    def step_05(self):
        wte, input_ids = self.body.wte, self.input_ids
        returned = wte(input_ids)
        return {
            **{"wte": wte, "weight": wte.weight},
            **{"input_ids": input_ids, "returned": returned},
        }

    def step_06(self):
        wpe, positions = self.body.wpe, self.positions
        return {
            **{"wpe": wpe, "weight": wpe.weight, "input_ids": self.input_ids},
            **{"positions": positions, "returned": wpe(positions)},
        }

    def step_07(self):
        step, attn = load_solution(7), self.block.attn
        hidden_states = self.block.ln_1(self.x)
        projected = attn.c_attn(hidden_states)
        parts = step.F.split(projected, [8] * 3, axis=-1)
        query, key, value = (attn.split_heads(part) for part in parts)
        mask = step.causal_mask(4, 0, dtype=DType.float32, device=CPU())
        scores = query @ key.transpose(-1, -2) / 2.0 + mask
        attended = attn.attention(query, key, value)
        merged = attn.merge_heads(attended)
        return {
            **{"attn": attn, "hidden_states": hidden_states, "projected": projected},
            **{"x": parts[0], "each": parts[0], "heads": query},
            **{"query": query, "key": key, "value": value, "mask": mask},
            **{"scores": scores, "weights": step.F.softmax(scores)},
            **{"mixed": attended, "attended": attended, "merged": merged},
            "returned": attn.c_proj(merged),
        }

    def step_08(self):
        ln_1, attn, x = self.block.ln_1, self.block.attn, self.x
        normed = ln_1(x)
        return {
            **{"ln_1": ln_1, "attn": attn, "x": x, "normed": normed},
            **{"written": attn(normed), "returned": self.halfway},
        }

    def step_09(self):
        normed = self.block.ln_2(self.halfway)
        inside = self.block.mlp.c_fc(normed)
        return {
            **{"config": self.config, "block": self.block, "x": self.x},
            **{"halfway": self.halfway, "hidden_states": self.halfway},
            **{"normed": normed, "inside": inside},
            **{"written": self.block.mlp(normed), "returned": self.block(self.x)},
        }

    def step_10(self):
        body, ids, positions = self.body, self.input_ids, self.positions
        token_embeddings, position_embeddings = body.wte(ids), body.wpe(positions)
        return {
            **{"body": body, "config": self.config, "x": self.x},
            **{"input_ids": ids, "positions": positions},
            **{"token_embeddings": token_embeddings, "stream": body.h(self.x)},
            **{"position_embeddings": position_embeddings, "returned": body(ids)},
            "looked_up": position_embeddings,
        }

    def step_11(self):
        return {
            **{"model": self.model, "config": self.config},
            **{"input_ids": self.input_ids, "logits": self.model(self.input_ids)},
            "hidden_states": self.body(self.input_ids),
        }

    def step_12(self):
        step, ids = load_solution(12), self.input_ids
        every = self.model(ids)
        logits = every[:, -1, :]
        next_token = step.F.argmax(logits, axis=-1)
        return {
            **{"model": self.model, "tokenizer": self.tokenizer},
            **{"input_ids": ids, "token_ids": ids, "every": every, "logits": logits},
            **{
                "next_token": next_token,
                "probabilities": step.F.softmax(logits).to_numpy(),
            },
            "longer": step.F.concat([ids, next_token], axis=1),
        }

    def step_13(self):
        step, folder = load_solution(13), self.folder
        stored = np.array([[1, 2, 0], [3, 0, 4]], np.float32)
        tensors = {
            name.removeprefix("transformer."): (
                np.ascontiguousarray(value.T)
                if name.endswith(step.CONV1D_WEIGHTS)
                else value
            )
            for name, value in self.weights.items()
        }
        table = tensors.pop("lm_head.weight")
        save_file(tensors, folder / "model.safetensors")
        saved = {k: getattr(self.config, k) for k in ("n_embd", "n_layer", "n_head")}
        (folder / "config.json").write_text(json.dumps(saved))
        return {
            **{"folder": folder, "saved": saved, "config": self.config},
            **{"stored": stored, "turned": stored.T, "n_in": 2, "n_out": 3},
            **{"wte": table, "lm_head": table},
        }

    def step_14(self):
        hidden_states = self.body(self.input_ids)
        last = hidden_states[:, -1:, :]
        logits = load_solution(14).NextTokenLogits(self.model)(self.input_ids)
        return {
            **{"model": self.model, "input_ids": self.input_ids, "last": last},
            **{"hidden_states": hidden_states, "logits": logits},
        }

    def step_15(self):
        step, ids = load_solution(15), self.input_ids.to_numpy()
        model = step.CachedGPT2(self.config)
        model.load_state_dict(self.weights)
        body, sizes = model.transformer, {"batch": 1, "capacity": 8, "device": CPU()}
        caches = step.empty_caches(step.LayerCache, self.config, **sizes)
        model(self.input_ids, step.positions_after(0, 4, CPU()), caches)
        positions, word = step.positions_after(4, 1, CPU()), tensor(AND, CPU())
        hidden_states = body.wte(word) + body.wpe(positions.position_ids)
        # What the second block's attention makes of it.
        read = body.h[1].ln_1(body.h[0](hidden_states, caches[0], positions))
        attn = body.h[1].attn.attention
        parts = attn.c_attn(read).split([8] * 3, axis=-1)
        query, key, value = (attn.split_heads(part) for part in parts)
        cache = caches[1]
        keys, _ = cache.append(key, value, positions)
        old = tensor(keys.to_numpy()[:, :, :4], CPU())
        weights = step.F.softmax(query @ keys.transpose(-1, -2) / 2.0)
        prompts = [ids[0].tolist(), [0, 2]]
        rows, padding = step.left_pad(prompts)
        columns = np.arange(4)
        return {
            **{"seq_length": 1, "past": 4, "context": 5, "capacity": 8, "new": 2},
            **{"texts": 2, "longest": 4, "body": body, "caches": caches},
            **{"cache": cache, "buffer": cache.keys, "positions": positions},
            **{"query": query, "key": key, "value": value, "old": old, "keys": keys},
            **{"weights": weights, "input_ids": word, "hidden_states": hidden_states},
            **{"position_ids": np.arange(4, 6), "prompts": prompts, "rows": rows},
            **{"mask": step.causal_mask(2, 4, dtype=DType.float32, device=CPU())},
            **{"lengths": np.array([4, 2]), "padding": padding, "columns": columns},
            **{"places": step.padded_positions(columns, padding)},
            **{"later": columns > columns[:, None]},
            **{"is_padding": columns < padding[:, None, None]},
        }

    def step_16(self):
        step = load_solution(16)
        logits = np.array([3.0, 2.4, 1.9, 1.3, 0.6, -0.5], np.float32)
        penalized = step.penalize_repetition(logits, [1], 1.2)
        top_k = step.keep_top_k(penalized / np.float32(1.25), 5)
        top_p = step.keep_top_p(top_k, 0.9)
        ascending = np.argsort(top_k, kind="stable")
        cumulative = step.softmax(top_k)[ascending].cumsum(dtype=np.float64)
        kept = step.keep_min_p(top_p, 0.3)
        return {
            **{"logits": logits, "penalized": penalized, "vocab_size": 6},
            **{"top_k": top_k, "top_p": top_p, "kept": kept},
            **{"ascending": ascending, "cumulative": cumulative},
            **{"unlikely": cumulative <= 0.1, "probabilities": step.softmax(kept)},
        }


def value_of(source, names):
    """Run lines of Python; the value is that of the last one."""
    *lines, last = ast.parse(source).body
    assert isinstance(last, ast.Expr), source
    exec(compile(ast.Module(lines, []), "hint", "exec"), names)
    return eval(compile(ast.Expression(last.value), "hint", "eval"), names)


def shown(value):
    """A value as hints show it: numbers with two digits, shapes as lists."""
    if isinstance(value, Tensor):
        value = value.to_numpy()
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            value = value.round(2) + 0.0  # No zero has a sign.
        return np.array2string(value, precision=2, suppress_small=True, separator=" ")
    if type(value).__name__ == "Shape":
        return f"[{', '.join(map(str, value))}]"
    if isinstance(value, list | tuple):
        inside = ", ".join(map(shown, value))
        return f"[{inside}]" if isinstance(value, list) else f"({inside})"
    if isinstance(value, float | np.floating):
        return f"{value:.2f}"
    return str(value) if isinstance(value, Dim | np.integer | DType) else repr(value)


@pytest.mark.parametrize(("step", "todo"), TODOS)
def test_result(step, todo, tiny):
    """The example of a hint gives what stands below it."""
    names = dict(tiny.names(step.number))
    assert not differences(todo.gives, shown(value_of(todo.example, names)))
    # That would be the third level.
    assert todo.answer not in todo.example


@pytest.mark.parametrize(("step", "todo"), TODOS)
def test_shapes(step, todo, tiny):
    """The shapes of a hint are those that the tiny model has there."""
    names = tiny.names(step.number)
    for name, sizes in SHAPE.findall(todo.shapes):
        wanted = eval(sizes, dict(names))
        actual = [int(size) for size in names[name].shape]
        if wanted[:1] == [...]:
            actual, wanted = actual[1 - len(wanted) :], wanted[1:]
        assert actual == wanted, f"{name} {sizes}"


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)
def test_all_or_none(step):
    """If one hint of a file has an example, all have; and they say what it is about."""
    for tasks in map(read_tasks, step.parts):
        [has_one] = {bool(todo.example) for todo in tasks.todos}
        assert has_one or step not in ON_THE_TINY_MODEL
        assert bool(tasks.given) == has_one
        assert all(bool(todo.gives) == has_one for todo in tasks.todos)
