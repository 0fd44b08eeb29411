"""Step 13: pretrained weights, compared with Hugging Face's GPT2LMHeadModel."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from course.check.alternatives import assert_array
from course.check.tools import (
    Case,
    CheckFailed,
    Expected,
    known,
    randomize,
    reference,
    to_array,
    weights_of,
)

MODELS = [Case("wide", batch=2, length=7), Case("narrow", batch=1, length=5)]
# Radford et al., 2019, table 2 says 117M, 345M, 762M and 1542M; these are exact.
PARAMETERS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}
HEAD_DIM = 64
FORMS = [
    "with head model",
    "with lm_head",
    "body only",
    "old file",
    "with another head",
    "half precision",
]

each_model = pytest.mark.parametrize("case", MODELS, ids=str)


@reference(MODELS)
def hugging_face(case):
    """A model: the tensors of its file, our parameters, and logits."""
    import torch
    from transformers import GPT2LMHeadModel

    model = randomize(GPT2LMHeadModel(case.hugging_face_config))
    model.tie_weights()
    with torch.no_grad():
        ids = case.input_ids()
        logits = model(ids).logits.numpy()
    ours = {f"ours {name}": value for name, value in weights_of(model).items()}
    return Expected(in_file(model) | ours, (ids.numpy(),), logits)


def in_file(model):
    """The tensors that `save_pretrained` writes."""
    import tempfile

    from safetensors.numpy import load_file

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return load_file(f"{folder}/model.safetensors")


def tensors_of(case):
    weights = hugging_face(case).weights
    return {k: v for k, v in weights.items() if not k.startswith("ours ")}


def parameters_of(case):
    weights = hugging_face(case).weights
    return {
        k.removeprefix("ours "): v for k, v in weights.items() if k.startswith("ours ")
    }


@pytest.fixture
def folder(case, tmp_path):
    """A directory as `save_pretrained` writes it."""
    config = {**case.sizes, "model_type": "gpt2", "activation_function": "gelu_new"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(tensors_of(case), tmp_path / "model.safetensors")
    return tmp_path


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes(step, name):
    """GPT2_SIZES: the four models that were released"""
    if name not in step.GPT2_SIZES:
        raise CheckFailed(f"GPT2_SIZES has no {name!r}.", short=f"no {name}")
    config = step.GPT2_SIZES[name]
    if count_parameters(config) != PARAMETERS[name]:
        raise CheckFailed(
            f"{name} has {PARAMETERS[name]:,} parameters; with these sizes it would "
            f"have {count_parameters(config):,}: {config}.",
            short=f"{name}: another number of parameters",
        )
    if config.n_embd != HEAD_DIM * config.n_head:
        raise CheckFailed(
            f"{name}: every GPT-2 has heads of {HEAD_DIM} numbers, so n_head is "
            f"n_embd / {HEAD_DIM}, not {config.n_head}.",
            short=f"{name}: another n_head",
        )


def count_parameters(config):
    """With tied head, as `num_parameters` of transformers counts."""
    width = config.n_embd
    inner = config.n_inner or 4 * width
    linear = [(width, 3 * width), (width, width), (width, inner), (inner, width)]
    block = 4 * width + sum(a * b + b for a, b in linear)
    tables = (config.vocab_size + config.n_positions) * width
    return tables + config.n_layer * block + 2 * width


@each_model
def test_config(step, case, folder):
    """read_config: the sizes in config.json"""
    config = step.read_config(folder)
    if config is None:
        raise CheckFailed("read_config returns None.", short="None")
    for name, size in case.sizes.items():
        if getattr(config, name, None) != size:
            raise known(
                13,
                "config-not-read",
                step,
                detail=f"{name} is {getattr(config, name, None)}, in the file {size}.",
            )


@each_model
@pytest.mark.parametrize("form", FORMS)
def test_names_and_shapes(step, case, form):
    """convert_weights: the names and shapes of our parameters"""
    weights = convert(step, tensors_in(form, case))
    stored_masks = [
        name for name in weights if name.endswith("bias") and ".attn.b" in name
    ]
    if stored_masks or any(name.endswith("masked_bias") for name in weights):
        raise known(13, "masks-kept", step)
    if any(name.startswith("transformer.transformer.") for name in weights):
        raise known(13, "prefix-twice", step)
    if any(name.startswith(("wte.", "wpe.", "h.", "ln_f.")) for name in weights):
        raise known(13, "prefix-missing", step)
    expected = parameters_of(case)
    if expected.keys() - weights.keys() == {"lm_head.weight"}:
        raise known(13, "head-not-tied", step)
    assert_names(weights, expected, form)
    for name, right in expected.items():
        assert_turned(step, name, np.shape(weights[name]), right.shape)
        if (dtype := np.asarray(weights[name]).dtype) != np.float32:
            raise CheckFailed(
                f"Of a file in half precision, convert_weights makes {name} "
                f"{dtype}; the model takes float32.",
                short=f"{name}: {dtype}",
            )


def assert_names(weights, expected, form):
    """Check that there is a weight for every parameter, and none besides."""
    for name in sorted(expected.keys() ^ weights.keys()):
        what = "missing" if name in expected else "one too many"
        raise CheckFailed(
            f"Of the weights that convert_weights makes of a file ({form}), {name} is "
            f"{what}.",
            short=f"{name} is {what}",
        )


def assert_turned(step, name, shape, expected):
    """Check the shape of a weight, [out, in] if it belongs to a linear layer."""
    if shape == expected:
        return
    detail = f"{name} is {list(shape)}; our model has {list(expected)}."
    if shape == expected[::-1]:
        is_table = name.endswith(("wte.weight", "wpe.weight", "lm_head.weight"))
        mistake = "transposed-too-much" if is_table else "not-transposed"
        raise known(13, mistake, step, detail=detail)
    raise CheckFailed(detail, short=f"{name}: another shape")


def tensors_in(form, case):
    """The tensors of one kind of file."""
    tensors = tensors_of(case)
    if form == "with lm_head":
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    if form == "with another head":
        tensors["v_head.summary.weight"] = np.ones([1, 3], dtype=np.float32)
        tensors["score.weight"] = np.ones([2, 3], dtype=np.float32)
    if form == "half precision":
        tensors = {k: v.astype(np.float16) for k, v in tensors.items()}
    if form in {"body only", "old file"}:
        tensors = {k.removeprefix("transformer."): v for k, v in tensors.items()}
    if form == "old file":
        length = case.sizes["n_positions"]
        for layer in range(case.sizes["n_layer"]):
            mask = np.tri(length, dtype=np.float32)[None, None]
            tensors[f"h.{layer}.attn.bias"] = mask
            tensors[f"h.{layer}.attn.masked_bias"] = np.float32(-1e4).reshape(1)
    return tensors


def convert(step, tensors):
    """What the reader makes of the tensors of a file."""
    try:
        weights = step.convert_weights(tensors)
    except KeyError as error:
        raise wrong_prefix(step, tensors, error) or error from None
    if not isinstance(weights, dict):
        raise CheckFailed(
            f"convert_weights returns a {type(weights).__name__}, not a dict.",
            short=f"a {type(weights).__name__}",
        )
    return weights


def wrong_prefix(step, tensors, error):
    """The mistake behind a wte.weight that is looked up by another name, if any."""
    if not str(error.args[0]).endswith("wte.weight"):
        return None
    [table] = [v for k, v in tensors.items() if k.endswith("wte.weight")]
    # With the table under both names, what the others become can be seen.
    both = {**tensors, "wte.weight": table, "transformer.wte.weight": table}
    try:
        weights = step.convert_weights(both)
    except KeyError:
        return None
    detail = f"So there is no {error}, which your code then looks up."
    if any(k.startswith("transformer.transformer.") for k in weights):
        return known(13, "prefix-twice", step, detail=detail)
    if any(k.startswith("h.") for k in weights):
        return known(13, "prefix-missing", step, detail=detail)
    return None


@each_model
def test_values(step, case):
    """convert_weights: every weight as our layers want it"""
    tensors = tensors_of(case)
    weights = convert(step, tensors)
    for name, expected in parameters_of(case).items():
        stored = tensors.get(name, tensors["transformer.wte.weight"])
        wrong = {"not-transposed": lambda s=stored: s}
        if expected.ndim == 2:
            wrong["transposed-too-much"] = lambda e=expected: e.T
        assert_array(
            weights[name],
            expected,
            number=13,
            step=step,
            what=f"convert_weights: {name}",
            mistakes=wrong,
            tolerance=0,
            detail=f"It is {name}.",
        )


@each_model
def test_same_logits(step, case, folder, device):
    """load_pretrained: the logits of Hugging Face's model from the same directory"""
    from course.check.tools import assert_same, call, tensor

    model = step.load_pretrained(folder, device=device)
    if model is None:
        raise CheckFailed("load_pretrained returns None.", short="None")
    expected = hugging_face(case)
    output = call(model, [tensor(expected.inputs[0], device)])
    if np.isnan(to_array(output)).any() or far(output, expected):
        raise known(13, "weights-not-loaded", step)
    assert_same(output, expected, device)


def far(output, expected):
    """Whether an output has nothing to do with what is expected."""
    actual = to_array(output)
    if actual.shape != expected.output.shape:
        return False
    together = np.corrcoef(actual.ravel(), expected.output.ravel())[0, 1]
    return together < 0.2
