"""Real GPT-2 directories: generate, serve and transformers give the same tokens."""

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from course.model.checkpoint import open_checkpoint
from course.serve.handover import hand_over
from course.serve.server_process import Order, _pipeline
from course.steps import ROOT
from tests.project.model_kinds import ENDS, KINDS, PROMPT, ROWS, UNWRAPPED, save_base
from tests.project.serving import Served

NEW_TOKENS = 12
ARCHITECTURE = f"{ROOT}/solutions:solution_18"
ALL = [*KINDS, *(f"ends {name}" for name in ENDS)]


@dataclass
class Kind:
    """A directory, and what transformers makes of it."""

    folder: Path
    prompt: list[int]
    new: list[int]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Directories by their kind, made when they are asked for."""
    # A name that shells, URLs and globs read in ways of their own.
    root = tmp_path_factory.mktemp("kinds") / 'it\'s #1: [é] "x" 100% *f16'
    root.mkdir()
    save_base(root / "base")
    known = {}

    def get(name):
        if name not in known:
            folder = root / name
            shutil.copytree(root / "base", folder)
            if name in KINDS:
                KINDS[name](folder)
            else:
                ENDS[name.removeprefix("ends ")](folder, get(ALL[0]).new[4])
            like = UNWRAPPED.get(name)
            known[name] = Kind(folder, *(_same(get(like)) if like else greedy(folder)))
        return known[name]

    return get


def _same(kind):
    return kind.prompt, kind.new


def greedy(folder):
    """The tokens of the prompt and those that transformers goes on with."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    # As it is, and not cut for a batch.
    options = {"truncation": False, "padding": False, "return_tensors": "pt"}
    prompt = tokenizer(PROMPT, **options).input_ids
    model = GPT2LMHeadModel.from_pretrained(folder, dtype=torch.float32).eval()
    made = model.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        do_sample=False,
        temperature=1.0,
        top_k=50,
        max_new_tokens=NEW_TOKENS,
        pad_token_id=0,
    )
    return prompt[0].tolist(), made[0, prompt.shape[1] :].tolist()


def up_to_end(tokens, ends):
    for token in tokens:
        yield token
        if token in ends:
            return


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", ALL)
def test_generate(name, made, solutions, on_kernels):
    """`course generate` reads and writes the tokens that transformers does."""
    kind = made(name)
    model = open_checkpoint(str(kind.folder))
    assert model.tokenizer.encode(PROMPT).ids == kind.prompt
    tokens = solutions.sampling.generate_tokens(
        on_kernels(model),
        [kind.prompt],
        NEW_TOKENS,
        solutions.sampling.Sampling(temperature=0),
        np.random.default_rng(0),
    )
    written = up_to_end((token for [token] in tokens), model.end_of_text)
    assert list(written) == kind.new


def test_kinds_differ(made):
    """The kinds that should change the text do."""
    plain = made(ALL[0])
    assert len(plain.new) == NEW_TOKENS
    assert len(set(plain.new[:5])) == 5
    for name in ("head of its own", "ends listed", "ends in config"):
        assert made(name).new != plain.new
    for name in ("vocab and merges, old", "begun", "prefix space beside", "words"):
        assert made(name).prompt != plain.prompt
    assert len(made("truncation and padding").prompt) > 4


@pytest.mark.sample(4)
@pytest.mark.parametrize("name", ALL)
def test_serve_reads_the_same(name, made, tmp_path):
    """MAX's side of `course serve` holds what `course generate` reads, bit for bit."""
    from max.graph.weights import WeightsFormat, load_weights

    kind = made(name)
    model = open_checkpoint(str(kind.folder))
    hand_over(model, tmp_path)
    order = Order(
        str(tmp_path), "model", ARCHITECTURE, None, "float32", "cpu", 8, -1, []
    )
    found = _pipeline(order)
    tokenizer = found["tokenizer"]
    assert asyncio.run(tokenizer.encode(PROMPT)).tolist() == kind.prompt
    assert tokenizer.eos_token_ids == (model.end_of_text or {ROWS})
    assert tokenizer.tokenizer_vocab_size == ROWS <= len(tokenizer.delegate)
    config = found["pipeline_config"].model
    assert config.quantization_encoding == "float32"
    adapter = found["model_factory"].keywords["weight_adapters"][
        WeightsFormat.safetensors
    ]
    state = dict(load_weights(config.resolved_weight_paths()).items())
    weights = adapter(state, huggingface_config=None, pipeline_config=None)
    assert weights.keys() == model.weights.keys()
    for weight in weights:
        actual = np.from_dlpack(weights[weight].data)
        np.testing.assert_array_equal(actual, model.weights[weight], err_msg=weight)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ALL)
def test_served(name, made):
    """`course serve` answers with the tokens of transformers, over HTTP."""
    kind = made(name)
    with Served("--model", str(kind.folder)) as server:
        answer = complete(server, PROMPT)
        assert answer["prompt_token_ids"] == kind.prompt
        assert answer["token_ids"] == kind.new


def test_generate_command(course, made):
    """The space between the prompt and the text is not lost, as with serve."""
    kind = made("metaspace")
    command = ("generate", PROMPT, "--greedy", "--json", "--max-new-tokens", "12")
    ran = course(*command, "--model", kind.folder)
    answer = json.loads(ran.out)
    assert answer["token_ids"] == kind.new
    tokenizer = AutoTokenizer.from_pretrained(kind.folder)
    whole, before = (
        tokenizer.decode(ids, skip_special_tokens=True)
        for ids in (kind.prompt + kind.new, kind.prompt)
    )
    assert answer["text"] == whole.removeprefix(before)


def complete(server, prompt, **values):
    """The only choice of a greedy completion, or its status and message."""
    values = {"temperature": 0, "max_tokens": NEW_TOKENS, **values}
    body = {"prompt": prompt, "return_token_ids": True, **values}
    response = httpx.post(f"{server.base}/completions", json=body, timeout=60)
    if response.is_success:
        return response.json()["choices"][0]
    return response.status_code, response.text


@pytest.mark.thorough
def test_table_and_tokenizer_of_other_lengths(course, made):
    """IDs beyond the table are refused; those beyond the tokenizer are read."""
    command = ("generate", "a [PAD] b", "--model")
    ran = course(*command, made("token beyond the table").folder)
    assert ran.status == 1
    assert "[PAD]" in ran.both
    assert "320" in ran.both
    with Served("--model", str(made("token beyond the table").folder)) as server:
        status, text = complete(server, "a [PAD] b")
        assert status == 400
        assert "0 to 319" in text
        assert complete(server, PROMPT)["token_ids"] == made(ALL[0]).new
    padded = made("padded table")
    with Served("--model", str(padded.folder)) as server:
        assert complete(server, PROMPT)["token_ids"] == padded.new
        for token_id in (300, 319):
            answer = complete(server, [token_id, 5])
            assert answer["prompt_token_ids"] == [token_id, 5]
        status, _ = complete(server, [ROWS])
        assert status == 400


@pytest.mark.thorough
def test_a_word_that_is_not_known(course, made):
    """A tokenizer without an unknown token: one sentence, and status 400."""
    folder = made("words").folder
    ran = course("generate", "an unheard word", "--model", folder)
    assert ran.status == 1
    assert "tokenizer cannot read the prompt" in ran.both
    with Served("--model", str(folder)) as server:
        status, text = complete(server, "an unheard word")
        assert status == 400
        assert "cannot read the prompt" in text
        assert complete(server, PROMPT)["token_ids"] == made("words").new
