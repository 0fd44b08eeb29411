"""Reading GPT-2 directories: the layouts found in the wild, and what is refused."""

import json
import os
import shutil
import subprocess
import sys

import httpx
import numpy as np
import pytest
import torch
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils import filter_repo_objects
from safetensors.numpy import load_file, save_file
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from course.errors import CourseError
from course.model.checkpoint import open_checkpoint, stored_shapes
from course.model.checkpoint.hub import find_folder
from course.model.modules import solution
from course.steps import DEMO_MODEL, ROOT

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


def read_weights(folder):
    return open_checkpoint(str(folder)).weights


def assert_same_weights(actual, expected):
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array)


def test_shapes_are_those_of_the_solution(solutions):
    """What a file has to hold are the parameters of step 11, 124M in all."""
    from max.experimental import functional as F

    config = solutions.configuration.GPT2Config()
    with F.lazy():
        model = solutions.language_model.MaxGPT2LMHeadModel(config)
    turned = solution(13).CONV1D_WEIGHTS
    shapes = {
        name: tuple(int(dim) for dim in parameter.shape)[
            :: -1 if name.endswith(turned) else 1
        ]
        for name, parameter in model.parameters
    }
    assert stored_shapes(config) == shapes
    tied = sum(np.prod(s) for n, s in shapes.items() if n != "lm_head.weight")
    assert tied == 124_439_808


def test_names_with_and_without_prefix(folder):
    """GPT2Model saves its tensors without `transformer.`; both are read alike."""
    with_prefix = read_weights(folder)
    GPT2Model.from_pretrained(folder).save_pretrained(folder)
    names = load_file(folder / "model.safetensors")
    assert not any(name.startswith("transformer.") for name in names)
    assert_same_weights(read_weights(folder), with_prefix)


def test_stored_masks_are_left_out(folder):
    """Old checkpoints store the causal mask as attn.bias."""
    expected = read_weights(folder)
    mask = np.tril(np.ones((1, 1, 20, 20), np.float32))
    change_weights(
        folder,
        lambda w: {
            **w,
            "transformer.h.0.attn.bias": mask,
            "transformer.h.0.attn.masked_bias": np.float32([-1e4]),
        },
    )
    assert_same_weights(read_weights(folder), expected)


def test_untied_head(folder):
    """A head of its own is used where the configuration says so."""
    change_config(folder, tie_word_embeddings=False)
    head = np.ones((300, 24), np.float32)
    change_weights(folder, lambda w: {**w, "lm_head.weight": head})
    weights = read_weights(folder)
    np.testing.assert_array_equal(weights["lm_head.weight"], head)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes(folder, dtype):
    """Weights stored in another dtype are read as float32."""
    model = GPT2LMHeadModel.from_pretrained(folder).to(dtype)
    model.save_pretrained(folder)
    weights = read_weights(folder)
    expected = model.transformer.wte.weight.detach().float().numpy()
    assert weights["transformer.wte.weight"].dtype == np.float32
    np.testing.assert_array_equal(weights["transformer.wte.weight"], expected)


def test_shards(folder):
    """Large models come in several files with an index."""
    expected = read_weights(folder)
    model = GPT2LMHeadModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    assert_same_weights(read_weights(folder), expected)


def test_vocabulary_and_merges(folder):
    """The older form of the tokenizer is read too."""
    data = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(data["vocab"]))
    merges = [m if isinstance(m, str) else " ".join(m) for m in data["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]))
    text = "Once upon a time, 猫!"
    expected = open_checkpoint(str(folder)).tokenizer.encode(text).ids
    (folder / "tokenizer.json").unlink()
    assert open_checkpoint(str(folder)).tokenizer.encode(text).ids == expected


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
        ({"tie_word_embeddings": None}, "tie_word_embeddings is null"),
    ],
)
def test_refused_configurations(folder, values, expected):
    """A GPT-2 that this code does not compute is refused, with the value's name."""
    change_config(folder, **values)
    with pytest.raises(CourseError, match=expected):
        open_checkpoint(str(folder))


def test_missing_tensor(folder):
    """A missing tensor is named."""
    name = "transformer.h.1.mlp.c_fc.weight"
    change_weights(folder, lambda w: {k: v for k, v in w.items() if k != name})
    with pytest.raises(CourseError, match=f"the tensor {name} is missing"):
        open_checkpoint(str(folder))


def test_wrong_tensor(folder):
    """A tensor of another shape is named, with both shapes."""
    name = "transformer.h.1.ln_2.bias"
    change_weights(folder, lambda w: {**w, name: w[name][:-1]})
    with pytest.raises(CourseError, match=rf"{name} has the shape \[23\]"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("length", [0, 7, 100, 40_000])
def test_truncated_weights(folder, length):
    """A download that broke off is recognized."""
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CourseError, match="damaged or not finished"):
        open_checkpoint(str(folder))


PICKLED = [
    ["pytorch_model.bin", "training_args.bin"],
    ["pytorch_model-00001-of-00002.bin", "pytorch_model.bin.index.json"],
    ["model.pt"],
    ["last.ckpt"],
]


@pytest.mark.parametrize("names", PICKLED, ids=str)
def test_only_a_pickle(folder, names):
    """A pickle is never opened."""
    (folder / "model.safetensors").unlink()
    for name in names:
        (folder / name).write_bytes(b"cos\nsystem\n(S'echo no'\ntR.")
    with pytest.raises(CourseError, match=rf"\({names[0]}\), which\s+is not opened"):
        open_checkpoint(str(folder))


def test_two_models_in_one_file(folder):
    """Where it is not clear whose tensors are meant, both are named."""
    change_weights(
        folder,
        lambda w: {
            f"{who}.{k}": v for who in ("actor", "critic") for k, v in w.items()
        },
    )
    with pytest.raises(CourseError, match=r"actor\.transformer\.\* and critic"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("dtype", ["float8_e4m3fn", "float8_e5m2", "int8"])
def test_weights_that_are_no_floats(folder, dtype):
    """Quantized weights need their scales, which are not known here."""
    from safetensors.torch import load_file, save_file

    path = folder / "model.safetensors"
    tensors = load_file(path)
    name = "transformer.h.0.mlp.c_fc.weight"
    save_file({**tensors, name: tensors[name].to(getattr(torch, dtype))}, path)
    with pytest.raises(CourseError, match=rf"{name} is stored as (F8|I8)"):
        open_checkpoint(str(folder))


INDEX = "model.safetensors.index.json"


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        ({"a": "../other/model.safetensors"}, "in the same directory"),
        ({"a": "/etc/passwd"}, "in the same directory"),
        ({"a": "pytorch_model.bin"}, "in the same directory"),
        ({"a": "none.safetensors"}, r"none\.safetensors is missing"),
        ({"a": 1}, "weight_map must be"),
        ({}, "weight_map must be"),
        ([], "weight_map must be"),
        (None, "weight_map must be"),
    ],
)
def test_index_of_shards(folder, places, expected):
    """An index that leads nowhere, or out of the directory."""
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(CourseError, match=expected):
        open_checkpoint(str(folder))


def test_tensor_in_two_shards(folder):
    """It is not clear which of the two is meant."""
    (folder / "model.safetensors").rename(folder / "one.safetensors")
    shutil.copy(folder / "one.safetensors", folder / "two.safetensors")
    places = {"a": "one.safetensors", "b": "two.safetensors"}
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(CourseError, match=r"both in .*one\.safetensors and in"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("adapter_model.safetensors", "holds an adapter"),
        ("model.fp16.safetensors", "call it model.safetensors"),
    ],
)
def test_weights_by_another_name(folder, name, expected):
    """What is there instead is named, with the way out."""
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(CourseError, match=expected):
        open_checkpoint(str(folder))


def test_opening_reads_no_weights(folder):
    """Neither the numbers nor MAX: `course serve` looks through large models so."""
    code = (
        "import sys, numpy; from course.model.checkpoint import open_checkpoint;"
        "numpy.array = None;"
        f"model = open_checkpoint({str(folder)!r});"
        "assert len(model.tensors) == 28;"
        "assert not any(n == 'max' or n.startswith('max.') for n in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    subprocess.run(command, cwd=ROOT, env=dict(os.environ), check=True)


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
        open_checkpoint(str(folder))


@pytest.mark.parametrize("content", ["{", "[]", "\xff", "", "[" * 100_000, "\0"])
@pytest.mark.parametrize(
    "file",
    ["config.json", "generation_config.json", "tokenizer_config.json"],
)
def test_damaged_json(folder, file, content):
    """A file that is no JSON object is named."""
    (folder / file).write_text(content, encoding="latin-1")
    with pytest.raises(CourseError, match=file.replace(".", r"\.")):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e999", "true"])
@pytest.mark.parametrize("field", ["layer_norm_epsilon", "n_embd", "vocab_size"])
def test_numbers_that_are_none(folder, field, value):
    """Python's parser takes what JSON does not know; it is named."""
    change_config(folder, **{field: "HERE"})
    path = folder / "config.json"
    path.write_text(path.read_text().replace('"HERE"', value))
    with pytest.raises(CourseError, match=f"{field} is .*; it must be a positive"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize("ends", ["the end", 1.5, True, [1, "2"], {"a": 1}])
def test_ends_that_are_none(folder, ends):
    """What is no token ID ends no text."""
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    with pytest.raises(CourseError, match=r"eos_token_id is .*; it must be a token ID"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize(
    "name", ["gelu_new", "gelu_fast", "gelu_accurate", "gelu_python_tanh"]
)
def test_names_of_the_activation_function(folder, name):
    """GELU by way of tanh has had several names; transformers computes the same."""
    ids = torch.tensor([[1, 2, 3]])
    expected = GPT2LMHeadModel.from_pretrained(folder)(ids).logits
    change_config(folder, activation_function=name)
    open_checkpoint(str(folder))
    logits = GPT2LMHeadModel.from_pretrained(folder)(ids).logits
    torch.testing.assert_close(logits, expected, rtol=1e-5, atol=1e-5)


def test_damaged_tokenizer(folder):
    """A tokenizer.json that is none is named."""
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(CourseError, match="tokenizer cannot be read"):
        open_checkpoint(str(folder))


@pytest.mark.parametrize(
    "name", ["./no/such/folder", "/no/such", "a/b/c", "/" + "x" * 300, "~nobody-x"]
)
def test_no_such_folder(name):
    """What looks like a path is not looked for on the hub."""
    with pytest.raises(CourseError, match="There is no directory"):
        open_checkpoint(name)


def test_hub_without_network(monkeypatch):
    """A hub id without network says so, and names the way out."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CourseError, match=r"hub cannot be\s+reached"):
        open_checkpoint("gpt2-that-is-nowhere")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub with one model, which hands over the files that are asked for."""
    repository = tmp_path / "repository"
    cache = tmp_path / "cache"

    def snapshot_download(name, *, allow_patterns=None, ignore_patterns=None):
        wanted = filter_repo_objects(
            list_repo_files(name),
            allow_patterns=allow_patterns,
            ignore_patterns=ignore_patterns,
        )
        for path in wanted:
            (cache / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / path, cache / path)
        return str(cache)

    def list_repo_files(name):
        files = (path for path in repository.rglob("*") if path.is_file())
        return sorted(str(path.relative_to(repository)) for path in files)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setattr("huggingface_hub.list_repo_files", list_repo_files)
    return repository


def test_hub(folder, hub):
    """What the model and its tokenizer need is fetched, and nothing else."""
    shutil.copytree(folder, hub)
    (hub / "onnx").mkdir()
    for other in ("onnx/model.safetensors", "pytorch_model.bin", "tf_model.h5"):
        (hub / other).write_bytes(b"")
    beside = ("special_tokens_map.json", "added_tokens.json", "tokenizer_config.json")
    for name in beside:
        (hub / name).write_text("{}")
    fetched = find_folder("someone/model")
    names = {str(p.relative_to(fetched)) for p in fetched.rglob("*")}
    usual = ("config.json", "generation_config.json", "model.safetensors")
    assert names == {*usual, "tokenizer.json", *beside}


@pytest.mark.parametrize("names", PICKLED, ids=str)
def test_hub_with_only_a_pickle(folder, hub, names):
    """The pickle is not fetched, but named."""
    shutil.copytree(folder, hub)
    (hub / "model.safetensors").unlink()
    for name in names:
        (hub / name).write_bytes(b"cos\nsystem\n(S'echo no'\ntR.")
    with pytest.raises(CourseError, match=rf"\({names[0]}\), which\s+is not opened"):
        open_checkpoint("someone/model")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (GatedRepoError, "someone/model is a gated model: accept its terms"),
        (RepositoryNotFoundError, "nor a model on the Hugging Face hub"),
        (httpx.ProxyError, "cannot be reached"),
        (LocalEntryNotFoundError, "cannot be reached"),
        (OSError, "cannot be fetched"),
    ],
)
def test_hub_that_refuses(monkeypatch, error, expected):
    """Each refusal of the hub has a sentence of its own, with the way out."""

    def refuse(*_, **__):
        if issubclass(error, HfHubHTTPError):
            request = httpx.Request("GET", "http://localhost")
            raise error("no", response=httpx.Response(403, request=request))
        raise error("no")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    with pytest.raises(CourseError, match=expected) as raised:
        open_checkpoint("someone/model")
    assert ("hf auth login" in str(raised.value)) == issubclass(error, HfHubHTTPError)


def test_a_file_for_a_folder():
    """The weights' file alone is not a model."""
    with pytest.raises(CourseError, match="give the directory"):
        open_checkpoint(str(DEMO_MODEL / "config.json"))
