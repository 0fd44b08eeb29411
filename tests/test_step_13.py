"""Step 13: pretrained weights, compared with Hugging Face's GPT2LMHeadModel."""

import json
import tempfile

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.building import call, tensor
from course.check.cases import Case
from course.check.compare import agree, assert_same, to_array, where_they_differ
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.loading import load_solution

MODELS = [
    Case("wide", batch=2, length=7),
    Case("narrow", batch=1, length=5),
    Case("deep", batch=1, length=3),
]
# Radford et al., 2019, table 2 says 117M, 345M, 762M and 1542M; these are exact.
PARAMETERS = {
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}
HEAD_DIM = 64
# What all four have in common.
RELEASED = {"vocab_size": 50257, "n_positions": 1024, "layer_norm_epsilon": 1e-5}
# What stands in a config.json beside the sizes.
BESIDE = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "activation_function": "gelu_new",
    "n_ctx": 32,
    "task_specific_params": {"text-generation": {"do_sample": True}},
}
# None of them has its default.
SIZES = Case("deep", batch=1, length=1).sizes
CONFIGS = {
    "all sizes": SIZES,
    "no n_inner": {**SIZES, "n_inner": None},
    **{f"without {name}": {k: SIZES[k] for k in SIZES if k != name} for name in SIZES},
    "as published": {k: SIZES[k] for k in SIZES if k != "n_inner"} | BESIDE,
}
# Without the prefix, without the head, with the masks that old files store, and with
# heads for other tasks.
FORMS = ["with head model", "body only", "old file", "with another head"]

each_model = pytest.mark.parametrize("case", MODELS, ids=str)
each_form = pytest.mark.parametrize("form", FORMS)


@reference(list(CONFIGS))
def hugging_face_config(name):
    """The sizes that transformers reads from a config.json."""
    from transformers import GPT2Config

    config = GPT2Config.from_dict(CONFIGS[name])
    return Expected(output=np.array(json.dumps({k: getattr(config, k) for k in SIZES})))


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
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        stored = load_file(f"{folder}/model.safetensors")
    return Expected(stored | ours(model), (ids.numpy(),), logits)


@reference(MODELS)
def hugging_face_untied(case):
    """The same for a file that holds another head beside wte."""
    from transformers import GPT2LMHeadModel

    model = randomize(GPT2LMHeadModel(case.hugging_face_config))
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        path = f"{folder}/model.safetensors"
        stored = load_file(path)
        stored["lm_head.weight"] = stored["transformer.wte.weight"][::-1].copy()
        save_file(stored, path, metadata={"format": "pt"})
        read = GPT2LMHeadModel.from_pretrained(folder)
    return Expected(stored | ours(read))


def ours(model):
    return {f"ours {name}": value for name, value in weights_of(model).items()}


def tensors_of(case, ask=hugging_face):
    weights = ask(case).weights
    return {k: v for k, v in weights.items() if not k.startswith("ours ")}


def parameters_of(case, ask=hugging_face):
    weights = ask(case).weights
    return {
        k.removeprefix("ours "): v for k, v in weights.items() if k.startswith("ours ")
    }


@pytest.mark.parametrize("name", PARAMETERS)
def test_sizes(step, name):
    """GPT2_SIZES: the four models that were released"""
    if name not in step.GPT2_SIZES:
        raise CheckFailed(f"GPT2_SIZES has no {name!r}.", short=f"no {name}")
    config = step.GPT2_SIZES[name]
    if not isinstance(config, load_solution(1).GPT2Config):
        kind = type(config).__name__
        detail = f"{name} is a {kind}: {config!r}."
        raise known(13, "not-a-config", step, detail=detail, short=f"a {kind}")
    wrong = released_otherwise(name, config)
    if wrong:
        raise known(13, "released-otherwise", step, detail=wrong, short=name)


def released_otherwise(name, config):
    """What is wrong about the sizes of a model that was released; "" if nothing is."""
    for field, value in RELEASED.items():
        if getattr(config, field) != value:
            return f"{name} has {field}={value}; yours has {getattr(config, field)}."
    if config.n_inner not in (None, 4 * config.n_embd):
        return f"{name} has 4 * n_embd numbers inside its MLP, not {config.n_inner}."
    if count_parameters(config) != PARAMETERS[name]:
        return (
            f"{name} has {PARAMETERS[name]:,} parameters; with n_embd={config.n_embd} "
            f"and n_layer={config.n_layer} it would have {count_parameters(config):,}."
        )
    if config.n_embd != HEAD_DIM * config.n_head:
        return (
            f"{name}: every GPT-2 has heads of {HEAD_DIM} numbers, so n_head is "
            f"n_embd / {HEAD_DIM}, not {config.n_head}."
        )
    return ""


def count_parameters(config):
    """With tied head, as `num_parameters` of transformers counts."""
    width = config.n_embd
    inner = config.n_inner or 4 * width
    linear = [(width, 3 * width), (width, width), (width, inner), (inner, width)]
    block = 4 * width + sum(a * b + b for a, b in linear)
    tables = (config.vocab_size + config.n_positions) * width
    return tables + config.n_layer * block + 2 * width


@pytest.mark.parametrize("name", CONFIGS)
def test_config(step, name, tmp_path):
    """read_config: the sizes in config.json, as transformers reads them"""
    (tmp_path / "config.json").write_text(json.dumps(CONFIGS[name]))
    config = read_config(step, name, tmp_path)
    for field, size in json.loads(str(hugging_face_config(name).output)).items():
        found = getattr(config, field)
        if found == size:
            continue
        if field in CONFIGS[name]:
            detail = f"{field} is {found}, in the file {CONFIGS[name][field]}."
            raise known(13, "config-not-read", step, detail=detail, short=field)
        detail = f"The file does not name {field}: {size}, and yours is {found}."
        raise known(13, "default-lost", step, detail=detail, short=field)


def read_config(step, name, folder):
    """What the reader makes of a config.json."""
    try:
        config = step.read_config(folder)
    except KeyError as error:
        missing = str(error.args[0])
        if missing not in SIZES or missing in CONFIGS[name]:
            raise
        detail = f"The file does not name {missing}."
        short = f"no {missing}"
        raise known(
            13, "insists-on-a-field", step, detail=detail, short=short
        ) from None
    except TypeError as error:
        if "unexpected keyword argument" not in str(error):
            raise
        detail = f"Python says: {error}."
        raise known(13, "too-many-fields", step, detail=detail) from None
    if config is None:
        raise CheckFailed("read_config returns None.", short="None")
    if not isinstance(config, load_solution(1).GPT2Config):
        kind = type(config).__name__
        detail = f"read_config returns a {kind}."
        lines = ["return"]
        raise known(
            13, "not-a-config", step, detail=detail, lines=lines, within="read_config"
        )
    return config


@each_model
def test_weights(step, case):
    """convert_weights, numbers: [out, in] in linear layers, all else as it is"""
    tensors = tensors_of(case)
    # Here every name is ours already: this is about the numbers only.
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
    weights = convert(step, tensors)
    expected = parameters_of(case)
    assert_names(step, weights, expected, "that names all of our parameters")
    for name in expected:
        assert_weight(step, name, weights[name], expected, tensors[name])


def assert_weight(step, name, weight, expected, stored):
    """Check the shape and the numbers of a weight."""
    right = expected[name]
    lines = [r"lm_head\.weight"] if name == "lm_head.weight" else []
    if not isinstance(weight, np.ndarray):
        kind = type(weight).__name__
        raise CheckFailed(f"{name} is a {kind}, not a NumPy array.", short=kind)
    detail = (
        f"{name} is {weight.dtype} {list(weight.shape)}; our model has {right.dtype} "
        f"{list(right.shape)}."
    )
    if weight.dtype != right.dtype:
        raise known(13, "dtype-changed", step, detail=detail, lines=lines)
    if not agree(weight, right, 0):
        if agree(weight, stored, 0):
            raise known(13, "not-transposed", step, detail=detail)
        if right.ndim == 2 and agree(weight, right.T, 0):
            raise known(13, "transposed-too-much", step, detail=detail, lines=lines)
        if weight.ndim == 2 and agree(weight, stored.reshape(weight.shape), 0):
            raise known(13, "reshaped", step, detail=detail)
        assert_of_this_name(step, name, weight, expected)
        if weight.shape != right.shape:
            raise CheckFailed(detail, short=f"{name}: another shape")
        where = where_they_differ(weight, right, 0)
        raise CheckFailed(f"convert_weights: {name}: {where}", short=name)


def assert_of_this_name(step, name, weight, expected):
    """Check that a weight is not that of another parameter."""
    for other, right in expected.items():
        if agree(weight, right, 0):
            detail = f"Your {name} is what the file calls {other}."
            raise known(13, "weights-mixed-up", step, detail=detail, short=name)


@each_model
@each_form
def test_names(step, case, form):
    """convert_weights, names: our parameters, whatever the file calls them"""
    weights = convert(step, tensors_in(form, case))
    expected = parameters_of(case)
    # The head has a check of its own.
    assert_names(step, {"lm_head.weight": None} | weights, expected, form)
    tensors = tensors_of(case)
    for name in expected.keys() - {"lm_head.weight"}:
        assert_weight(step, name, weights[name], expected, tensors[name])


def assert_names(step, weights, expected, form):
    """Check that there is a weight for every parameter, and none besides."""
    if any(".attn." in name and ".c_" not in name for name in weights):
        raise known(13, "masks-kept", step)
    if any(name.startswith("transformer.transformer.") for name in weights):
        raise known(13, "prefix-twice", step)
    if any(name.startswith(("wte.", "wpe.", "h.", "ln_f.")) for name in weights):
        raise known(13, "prefix-missing", step)
    if "transformer.lm_head.weight" in weights:
        raise known(13, "head-prefixed", step)
    if "lm_head" in weights:
        raise known(13, "head-not-tied", step, detail="Yours is called lm_head.")
    for name in sorted(expected.keys() ^ weights.keys()):
        what = "missing" if name in expected else "one too many"
        raise CheckFailed(
            f"Of the weights that convert_weights makes of a file ({form}), {name} is "
            f"{what}.",
            short=f"{name} is {what}",
        )


@each_model
@each_form
def test_head(step, case, form):
    """convert_weights, head: the weight of wte, where the file has no other"""
    weights = convert(step, tensors_in(form, case))
    if "lm_head.weight" not in weights:
        raise known(13, "head-not-tied", step)
    expected = parameters_of(case)
    stored = expected["transformer.wte.weight"]
    assert_weight(step, "lm_head.weight", weights["lm_head.weight"], expected, stored)


@each_model
def test_other_head(step, case):
    """convert_weights, another head: that of the file, where it has one"""
    tensors = tensors_of(case, hugging_face_untied)
    expected = parameters_of(case, hugging_face_untied)
    weights = convert(step, tensors)
    if agree(weights["lm_head.weight"], expected["transformer.wte.weight"], 0):
        raise known(13, "head-overwritten", step)
    for name in expected:
        assert_weight(step, name, weights[name], expected, tensors[name])


@each_model
def test_half_precision(step, case):
    """convert_weights, half precision: float32, whatever the file keeps"""
    half = {k: v.astype(np.float16) for k, v in tensors_of(case).items()}
    weights = convert(step, half)
    for name, right in parameters_of(case).items():
        expected = {name: right.astype(np.float16).astype(np.float32)}
        stored = half.get(name, half["transformer.wte.weight"])
        assert_weight(step, name, weights[name], expected, stored)


def tensors_in(form, case):
    """The tensors of one kind of file."""
    tensors = tensors_of(case)
    if form == "with another head":
        tensors["v_head.summary.weight"] = np.ones([1, 3], dtype=np.float32)
        tensors["score.weight"] = np.ones([2, 3], dtype=np.float32)
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
        kind = "None" if weights is None else f"a {type(weights).__name__}"
        raise CheckFailed(f"convert_weights returns {kind}, not a dict.", short=kind)
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


@pytest.fixture
def folder(case, tmp_path):
    """A directory as `save_pretrained` writes it."""
    config = {**case.sizes, **BESIDE}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(tensors_of(case), tmp_path / "model.safetensors")
    return tmp_path


def load(step, folder, device):
    """The model that the reader loads."""
    try:
        model = step.load_pretrained(folder, device=device)
    except ValueError as error:
        if "only accepts contiguous" not in str(error):
            raise
        raise known(13, "not-contiguous", step) from None
    if model is None:
        raise CheckFailed("load_pretrained returns None.", short="None")
    return model


@pytest.mark.parametrize("case", MODELS[:2], ids=str)
def test_same_logits(step, case, folder, device):
    """load_pretrained: the logits of Hugging Face's model from the same directory"""
    model = load(step, folder, device)
    expected = hugging_face(case)
    output = call(model, [tensor(expected.inputs[0], device)])
    if np.isnan(to_array(output)).any() or far(output, expected):
        raise known(13, "weights-not-loaded", step)
    assert_same(output, expected, device)


@pytest.mark.parametrize("case", MODELS[2:], ids=str)
def test_same_parameters(step, case, folder, device):
    """load_pretrained, many layers: each parameter has its own weight"""
    expected = parameters_of(case)
    # Not its logits: to run so many layers would take a third of the time.
    for name, parameter in load(step, folder, device).parameters:
        weight = parameter.to_numpy()
        if not agree(weight, expected[name], 0):
            assert_of_this_name(step, name, weight, expected)
            raise known(13, "weights-not-loaded", step, detail=f"{name} is another.")


def far(output, expected):
    """Whether an output has nothing to do with what is expected."""
    actual = to_array(output)
    if actual.shape != expected.output.shape:
        return False
    together = np.corrcoef(actual.ravel(), expected.output.ravel())[0, 1]
    return together < 0.2
