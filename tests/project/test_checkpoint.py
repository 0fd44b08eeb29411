"""Reading GPT-2 directories: the layouts found in the wild, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from course.checkpoint import expected_shapes, load_checkpoint
from course.errors import CourseError
from course.steps import DEMO_MODEL

SIZES = {"vocab_size": 300, "n_positions": 20, "n_embd": 24, "n_layer": 2, "n_head": 3}


@pytest.fixture
def folder(tmp_path):
    """A small GPT-2, as transformers saves it."""
    torch.manual_seed(0)
    path = tmp_path / "model"
    GPT2LMHeadModel(GPT2Config(**SIZES)).save_pretrained(path)
    shutil.copy(DEMO_MODEL / "tokenizer.json", path)
    return path


def change_config(folder, **values):
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def change_weights(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def assert_same_weights(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)


def test_shapes_are_those_of_the_solution(solutions):
    """The expected shapes are the parameters of step 11, 124M in all."""
    from max.experimental import functional as F

    with F.lazy():
        model = solutions.language_model.MaxGPT2LMHeadModel(
            solutions.config.GPT2Config()
        )
    shapes = {n: tuple(int(d) for d in p.shape) for n, p in model.parameters}
    sizes = dict(vars(solutions.config.GPT2Config()))
    assert expected_shapes(sizes) == shapes
    tied = sum(np.prod(s) for n, s in shapes.items() if n != "lm_head.weight")
    assert tied == 124_439_808


def test_names_with_and_without_prefix(folder):
    """GPT2Model saves its tensors without `transformer.`; both are read alike."""
    with_prefix = load_checkpoint(str(folder)).weights
    GPT2Model.from_pretrained(folder).save_pretrained(folder)
    names = load_file(folder / "model.safetensors")
    assert not any(name.startswith("transformer.") for name in names)
    assert_same_weights(load_checkpoint(str(folder)).weights, with_prefix)


def test_stored_masks_are_left_out(folder):
    """Old checkpoints store the causal mask as attn.bias."""
    expected = load_checkpoint(str(folder)).weights
    mask = np.tril(np.ones((1, 1, 20, 20), np.float32))
    change_weights(
        folder,
        lambda w: {
            **w,
            "transformer.h.0.attn.bias": mask,
            "transformer.h.0.attn.masked_bias": np.float32([-1e4]),
        },
    )
    assert_same_weights(load_checkpoint(str(folder)).weights, expected)


def test_untied_head(folder):
    """A head of its own is used where the configuration says so."""
    change_config(folder, tie_word_embeddings=False)
    head = np.ones((300, 24), np.float32)
    change_weights(folder, lambda w: {**w, "lm_head.weight": head})
    weights = load_checkpoint(str(folder)).weights
    np.testing.assert_array_equal(weights["lm_head.weight"], head)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(folder, dtype):
    """Weights stored in another dtype are read as float32."""
    model = GPT2LMHeadModel.from_pretrained(folder).to(dtype)
    model.save_pretrained(folder)
    weights = load_checkpoint(str(folder)).weights
    expected = model.transformer.wte.weight.detach().float().numpy()
    assert weights["transformer.wte.weight"].dtype == np.float32
    np.testing.assert_array_equal(weights["transformer.wte.weight"], expected)


def test_shards(folder):
    """Large models come in several files with an index."""
    expected = load_checkpoint(str(folder)).weights
    model = GPT2LMHeadModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert_same_weights(load_checkpoint(str(folder)).weights, expected)


def test_vocabulary_and_merges(folder):
    """The older form of the tokenizer is read too."""
    data = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(data["vocab"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    text = "Once upon a time, 猫!"
    expected = load_checkpoint(str(folder)).tokenizer.encode(text).ids
    (folder / "tokenizer.json").unlink()
    assert load_checkpoint(str(folder)).tokenizer.encode(text).ids == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"model_type": "llama"}, 'model_type is "llama"'),
        ({"activation_function": "relu"}, 'activation_function is "relu"'),
        ({"activation_function": "gelu"}, 'activation_function is "gelu"'),
        ({"scale_attn_weights": False}, "scale_attn_weights is false"),
        ({"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx is true"),
        ({"add_cross_attention": True}, "add_cross_attention is true"),
        ({"quantization_config": {"bits": 4}}, "quantization_config"),
        ({"n_head": 5}, "n_embd 24 is not a multiple of n_head 5"),
        ({"n_layer": 0}, "n_layer is 0"),
        ({"n_embd": "24"}, 'n_embd is "24"'),
        ({"n_positions": 21}, r"wpe.weight has the shape \[20, 24\]"),
        ({"n_layer": 3}, "transformer.h.2.ln_1.weight is missing"),
        ({"n_layer": 1}, "transformer.h.1.* has no place"),
        ({"tie_word_embeddings": False}, "no tensor lm_head.weight"),
    ],
)
def test_refused_configurations(folder, values, expected):
    """A GPT-2 that this code does not compute is refused, with the value's name."""
    change_config(folder, **values)
    with pytest.raises(CourseError, match=expected):
        load_checkpoint(str(folder))


def test_missing_tensor(folder):
    """A missing tensor is named."""
    name = "transformer.h.1.mlp.c_fc.weight"
    change_weights(folder, lambda w: {k: v for k, v in w.items() if k != name})
    with pytest.raises(CourseError, match=f"the tensor {name} is missing"):
        load_checkpoint(str(folder))


def test_wrong_tensor(folder):
    """A tensor of another shape is named, with both shapes."""
    name = "transformer.h.1.ln_2.bias"
    change_weights(folder, lambda w: {**w, name: w[name][:-1]})
    with pytest.raises(CourseError, match=rf"{name} has the shape \[23\]"):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("length", [0, 7, 100, 40_000])
def test_truncated_weights(folder, length):
    """A download that broke off is recognized."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CourseError, match="damaged or not finished"):
        load_checkpoint(str(folder))


def test_only_a_pickle(folder):
    """A pickle is never opened."""
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'echo no'\ntR.")
    with pytest.raises(CourseError, match="not opened"):
        load_checkpoint(str(folder))


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("config.json", "no config.json"),
        ("model.safetensors", "no model.safetensors"),
        ("tokenizer.json", "no tokenizer.json"),
    ],
)
def test_incomplete(folder, file, expected):
    """A missing file is named."""
    (folder / file).unlink()
    with pytest.raises(CourseError, match=expected):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("content", ["{", "[]", "\xff", ""])
def test_damaged_config(folder, content):
    """A config.json that is no JSON object is named."""
    (folder / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(CourseError, match=r"config\.json"):
        load_checkpoint(str(folder))


def test_damaged_tokenizer(folder):
    """A tokenizer.json that is none is named."""
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CourseError, match="tokenizer cannot be read"):
        load_checkpoint(str(folder))


@pytest.mark.parametrize("name", ["./no/such/folder", "/no/such", "a/b/c"])
def test_no_such_folder(name):
    """What looks like a path is not looked for on the hub."""
    with pytest.raises(CourseError, match="There is no directory"):
        load_checkpoint(name)


def test_hub_without_network(monkeypatch):
    """A hub id without network says so, and names the way out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CourseError, match=r"hub cannot be\s+reached"):
        load_checkpoint("gpt2-that-is-nowhere")


def test_a_file_for_a_folder():
    """The weights' file alone is not a model."""
    with pytest.raises(CourseError, match="give the directory"):
        load_checkpoint(str(DEMO_MODEL / "config.json"))
