"""The demo model: it fits, transformers loads it, and its scripts are what made it."""

import json
import re
import sys

import numpy as np
import pytest
import torch
from transformers import AutoTokenizer, GPT2LMHeadModel

from course.steps import DEMO_MODEL, ROOT

sys.path.insert(0, str(ROOT / "demo"))
import corpus

STORIES = 60


@pytest.fixture(scope="module")
def model():
    return GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(DEMO_MODEL)


def test_small():
    """Under 5 MB, a million parameters, and no pickle."""
    files = list(DEMO_MODEL.iterdir())
    assert sum(path.stat().st_size for path in files) < 5_000_000
    assert {path.suffix for path in files} == {".json", ".safetensors"}


def test_size(model):
    """4 to 6 layers, n_head not n_layer, a tied head."""
    config = model.config
    assert 4 <= config.n_layer <= 6
    assert config.n_head != config.n_layer
    assert model.lm_head.weight is model.transformer.wte.weight
    assert 0.8e6 < sum(p.numel() for p in model.parameters()) < 1.5e6


@pytest.mark.parametrize(
    "text",
    ["Once upon a time, …", "猫が好き", "🦊👩‍🚀", "مرحبا", "\x00\t\r\n", "x" * 500],
)
def test_tokenizer_loses_nothing(tokenizer, text):
    """Any text survives encoding and decoding."""
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text


def test_same_stories_every_time():
    """The corpus depends on its seed and on nothing else."""
    assert corpus.write_stories(20, seed=5) == corpus.write_stories(20, seed=5)
    assert corpus.write_stories(20, seed=5) != corpus.write_stories(20, seed=6)
    assert len(set(corpus.write_stories(500, seed=5))) == 500


def test_perplexity_on_new_stories(model, tokenizer):
    """On stories of another seed, the model is about as good as the README says."""
    end = tokenizer.eos_token_id
    losses = []
    for story in corpus.write_stories(STORIES, seed=99):
        ids = torch.tensor([[end, *tokenizer.encode(story), end]])
        with torch.no_grad():
            logits = model(ids[:, :-1]).logits[0]
        losses.append(
            torch.nn.functional.cross_entropy(logits, ids[0, 1:], reduction="none")
        )
    perplexity = float(torch.cat(losses).mean().exp())
    reported = json.loads((ROOT / "demo" / "evaluation.json").read_text())["perplexity"]
    assert perplexity == pytest.approx(reported["the model"], rel=0.05)
    assert reported["the model"] < reported["smoothed bigrams"] < reported["unigrams"]


def test_readme_has_the_measured_figures():
    """The README's perplexities are those of the evaluation."""
    text = (ROOT / "demo" / "README.md").read_text()
    reported = json.loads((ROOT / "demo" / "evaluation.json").read_text())["perplexity"]
    for name, value in reported.items():
        assert re.search(rf"\| {name} \| {value:.2f} \|", text)


def test_no_network_host_is_named():
    """Nothing in the folder points anywhere."""
    for path in (ROOT / "demo").glob("*.*"):
        assert "http" not in path.read_text()


def test_stays_on_one_story(model, tokenizer):
    """Of 20 sampled stories, most end, and come back to the name they begin with."""
    torch.manual_seed(1)
    names = set(
        re.findall(r"^(\w+) \|", (ROOT / "demo" / "grammar.txt").read_text(), re.M)
    )
    ids = torch.full((20, 1), tokenizer.eos_token_id)
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=250,
        do_sample=True,
        temperature=0.8,
        top_k=0,
    ).numpy()
    ended = (output[:, 1:] == tokenizer.eos_token_id).any(axis=1)
    assert np.mean(ended) >= 0.9
    texts = tokenizer.batch_decode(output, skip_special_tokens=True)
    first = [
        next((w for w in re.findall(r"\w+", t) if w in names), None) for t in texts
    ]
    again = [
        n is not None and t.count(n) >= 2 for n, t in zip(first, texts, strict=True)
    ]
    assert np.mean(again) >= 0.8
