"""Step 18: serving, compared with Hugging Face's GPT2LMHeadModel on the demo model."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest
from max.driver import Buffer
from max.dtype import DType
from max.graph.weights import WeightData, WeightsFormat, load_weights
from max.pipelines.context import TextContext
from max.pipelines.kv_cache.memory_planner import PagedMemoryPlanner
from max.pipelines.lib import SupportedArchitecture
from max.pipelines.modeling.types import PipelineTask
from safetensors.numpy import save_file

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.assert_array import assert_array
from course.check.cases import Case
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.server import CheckedServer
from course.steps import DEMO_MODEL
from serving.batch_processor import RaggedBatches
from serving.model import GPT2PipelineModel
from serving.model_config import ServedGPT2Config
from serving.tokenizer import CheckedTokenizer

MODEL = Case("wide", batch=1, length=1)
DTYPES = [np.dtype("float32"), np.dtype("float16"), np.dtype(ml_dtypes.bfloat16)]

# The last one is longer than a page of the cache, which holds 128 tokens.
LONG = "The fox ran to the river, and the owl flew to the old tree. " * 9
PROMPTS = ["Once upon a time", "A", "The little mouse was hungry. She", LONG + "Then"]
NEW_TOKENS = 40

PARTS = {
    "tokenizer": CheckedTokenizer,
    "context_type": TextContext,
    "config": ServedGPT2Config,
    "pipeline_model": GPT2PipelineModel,
    "batching": RaggedBatches,
    "memory_planner": PagedMemoryPlanner,
}


@reference(DTYPES)
def hugging_face(dtype):
    """A small model: the tensors of its file in a dtype, and our parameters."""
    import tempfile

    from safetensors.numpy import load_file
    from transformers import GPT2LMHeadModel

    model = randomize(GPT2LMHeadModel(MODEL.hugging_face_config))
    model.tie_weights()
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        stored = load_file(f"{folder}/model.safetensors")
    ours = {
        f"ours {name}": value.astype(dtype).astype(np.float32)
        for name, value in weights_of(model).items()
    }
    # Kept as float32: NumPy's files do not know bfloat16.
    as_stored = {
        name: value.astype(dtype).astype(np.float32) for name, value in stored.items()
    }
    return Expected(as_stored | ours)


@reference(PROMPTS)
def hugging_face_text(prompt):
    """What Hugging Face's generate adds to a prompt when it is greedy."""
    from transformers import AutoTokenizer, GPT2LMHeadModel

    tokenizer = AutoTokenizer.from_pretrained(DEMO_MODEL)
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    ids = tokenizer(prompt, return_tensors="pt").input_ids
    made = model.generate(ids, do_sample=False, max_new_tokens=NEW_TOKENS)
    new = made[0, ids.shape[1] :]
    return Expected(output=np.array(tokenizer.decode(new, skip_special_tokens=True)))


def tensors_of(dtype):
    """The tensors of the file, by name."""
    weights = hugging_face(dtype).weights
    return {k: v.astype(dtype) for k, v in weights.items() if not k.startswith("ours ")}


@pytest.fixture
def converted(step, dtype, tmp_path):
    """What the reader's adapter makes of a file, called as MAX calls it."""
    path = tmp_path / "model.safetensors"
    save_file(tensors_of(dtype), path)
    state_dict = dict(load_weights([path]).items())
    try:
        found = step.convert_checkpoint(
            state_dict, huggingface_config=None, pipeline_config=None
        )
    except RuntimeError as error:
        if "Unsupported dtype" not in str(error):
            raise
        detail = f"This file holds {dtype}, which NumPy does not know."
        raise known(18, "not-float32", step, detail=detail) from None
    if not isinstance(found, dict):
        kind = "None" if found is None else f"a {type(found).__name__}"
        raise CheckFailed(f"convert_checkpoint returns {kind}, not a dict.", short=kind)
    return found


each_dtype = pytest.mark.parametrize("dtype", DTYPES, ids=str)


@each_dtype
def test_weights(step, dtype, converted):
    """convert_checkpoint: a writable float32 WeightData for every parameter"""
    expected = hugging_face(dtype).weights
    names = {k.removeprefix("ours ") for k in expected if k.startswith("ours ")}
    if converted.keys() == tensors_of(dtype).keys():
        raise known(18, "not-converted", step)
    for name in sorted(names ^ converted.keys()):
        what = "missing" if name in names else "one too many"
        raise CheckFailed(
            f"Of the weights that convert_checkpoint returns, {name} is {what}.",
            short=f"{name} is {what}",
        )
    for name, weight in converted.items():
        assert_weight(step, name, weight)


def assert_weight(step, name, weight):
    """Check what a weight is wrapped in, and that MAX can take it."""
    if not isinstance(weight, WeightData):
        detail = f"{name} is a {type(weight).__module__}.{type(weight).__name__}."
        raise known(18, "not-wrapped", step, detail=detail)
    if weight.name != name:
        detail = f"{name} is called {weight.name!r}."
        raise known(18, "weight-misnamed", step, detail=detail)
    if weight.dtype != DType.float32:
        detail = f"{name} is {weight.dtype.name}."
        raise known(18, "not-float32", step, detail=detail)
    try:
        Buffer.from_dlpack(weight)
    except BufferError as error:
        raise known(18, "read-only", step, detail=f"{name}: {error}") from None


@each_dtype
def test_values(step, dtype, converted):
    """convert_checkpoint: the numbers of Hugging Face's weights, [out, in]"""
    for name, expected in hugging_face(dtype).weights.items():
        if name.startswith("ours "):
            name = name.removeprefix("ours ")
            assert_array(
                converted[name].to_buffer().to_numpy(),
                expected,
                number=18,
                step=step,
                what=f"convert_checkpoint: {name}",
                tolerance=0,
            )


def test_registration(step, tmp_path):
    """gpt2_architecture: the name, the task, the classes and the adapter"""
    architecture = step.gpt2_architecture
    if not isinstance(architecture, SupportedArchitecture):
        raise CheckFailed("gpt2_architecture is not a SupportedArchitecture.")
    if architecture.name != "GPT2LMHeadModel":
        raise known(18, "architecture-name", step, detail=given(architecture, "name"))
    if architecture.task != PipelineTask.TEXT_GENERATION:
        raise known(18, "wrong-task", step, detail=given(architecture, "task"))
    for name, expected in PARTS.items():
        part = getattr(architecture, name)
        if not (isinstance(part, type) and issubclass(part, expected)):
            detail = f"{given(architecture, name)} It should be {expected.__name__}."
            raise known(18, "wrong-part", step, detail=detail)
    adapters = architecture.weight_adapters
    adapter = isinstance(adapters, Mapping) and adapters.get(WeightsFormat.safetensors)
    if not callable(adapter):
        detail = given(architecture, "weight_adapters")
        raise known(18, "adapter-not-registered", step, detail=detail)
    path = tmp_path / "model.safetensors"
    save_file(tensors_of(DTYPES[0]), path)
    state_dict = dict(load_weights([path]).items())
    if adapter(state_dict, huggingface_config=None, pipeline_config=None).keys() != {
        name.removeprefix("ours ")
        for name in hugging_face(DTYPES[0]).weights
        if name.startswith("ours ")
    }:
        detail = "What stands there does not convert the weights."
        raise known(18, "adapter-not-registered", step, detail=detail)


def given(architecture, name):
    """What a field is, in words."""
    value = getattr(architecture, name)
    return f"{name} is {getattr(value, '__name__', repr(value))}."


def test_offered(step):
    """ARCHITECTURES: the list in which the server looks"""
    offered = step.ARCHITECTURES
    if not isinstance(offered, list) or step.gpt2_architecture not in offered:
        raise known(18, "not-offered", step, detail=f"ARCHITECTURES is {offered!r}.")


@pytest.fixture(scope="module")
def server(step):
    """MAX's server on the demo model. It ends with the checks, however they end."""
    with CheckedServer(Path(step.__file__)) as running:
        yield running


@pytest.fixture
def ask(server):
    """Ask for what follows a prompt, with OpenAI's client, as any program would."""
    from openai import APIError, DefaultHttpxClient, OpenAI

    # The server is on this machine: no proxy is to be asked for it.
    http = DefaultHttpxClient(trust_env=False)

    def complete(prompt, **options):
        try:
            return client.completions.create(
                model=str(DEMO_MODEL),
                prompt=prompt,
                max_tokens=NEW_TOKENS,
                temperature=0,
                **options,
            )
        except APIError as error:
            raise server.failure(f"A request failed: {error}") from None

    with OpenAI(
        base_url=f"{server.address}/v1", api_key="none", max_retries=0, http_client=http
    ) as client:
        yield complete


def assert_text(prompt, text):
    """Check that a text is that of Hugging Face."""
    expected = str(hugging_face_text(prompt).output)
    if text != expected:
        raise CheckFailed(
            f"After {prompt[-40:]!r} the server goes on with\n    {text!r}\n"
            f"and Hugging Face with\n    {expected!r}",
            short="another text",
        )


@pytest.mark.at_the_end
def test_completions(ask):
    """max serve: greedy completions, token for token those of Hugging Face"""
    for prompt in PROMPTS:
        assert_text(prompt, ask(prompt).choices[0].text)


@pytest.mark.at_the_end
def test_at_once(ask):
    """several at once: the same texts, when they are asked for together"""
    prompts = PROMPTS * 2
    with ThreadPoolExecutor(len(prompts)) as pool:
        answers = list(pool.map(ask, prompts))
    for prompt, answer in zip(prompts, answers, strict=True):
        assert_text(prompt, answer.choices[0].text)


@pytest.mark.at_the_end
def test_streaming(ask):
    """streaming: the same text, piece by piece"""
    pieces = [chunk.choices[0].text for chunk in ask(PROMPTS[0], stream=True)]
    if len(pieces) < 2:
        raise CheckFailed(f"The text comes in {len(pieces)} piece.")
    assert_text(PROMPTS[0], "".join(pieces))
