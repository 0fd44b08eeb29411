"""Generation: token for token what Hugging Face generates, or clear words."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from max.driver import CPU
from max.experimental.tensor import Tensor
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LogitsProcessorList,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from course.checkpoint import load_checkpoint
from course.compiled import compile_model
from course.errors import CourseError, Misuse
from course.generate import Sampling, budget, keep_likely, token_stream
from course.steps import DEMO_MODEL, ROOT

OPENINGS = [
    "Once upon a time",
    "The",
    "One rainy morning,",
    "A little fox",
    " two spaces",
    "«Bonjour», dit le chat.",
    "Жила-была лиса",
    "昔々あるところに",
    "كان يا ما كان",
    "एक समय की बात है",
    "🦊🌧️🏡 and then",
    "x" * 40,
    "1 + 1 =",
    "\n\n",
    "END.\tTab",
    "naïve Ångström",
    "Long ago, in a village by the sea, there lived a baker",
    "“Who is there?” asked the owl.",
    "ab",
    "She said:",
]
PROMPTS = [" ".join((OPENINGS * 2)[i : i + n]) for n in range(1, 11) for i in range(20)]


def hugging_face_greedy(model, ids, new_tokens, end_of_text=None):
    ids = torch.tensor(ids)
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=new_tokens,
        do_sample=False,
        eos_token_id=end_of_text,
        pad_token_id=0,
    )
    return output[:, ids.shape[1] :].tolist()


@pytest.fixture
def both_greedy(demo, solutions, compiled_demo):
    """Continue a prompt greedily here and in Hugging Face: the new IDs of each."""
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    [end_of_text] = demo.end_of_text
    greedy = Sampling(temperature=0.0)

    def generate(prompt, new_tokens):
        arguments = (demo, solutions, compiled_demo, prompt, new_tokens, greedy, CPU())
        ids = [demo.tokenizer.encode(prompt).ids]
        [expected] = hugging_face_greedy(model, ids, new_tokens, end_of_text)
        return list(token_stream(*arguments)), expected

    return generate


def test_demo_is_greedy_like_hugging_face(both_greedy):
    """200 prompts in many scripts, up to the end of the text or 16 tokens."""
    assert len(set(PROMPTS)) == 200
    for number, prompt in enumerate(PROMPTS):
        actual, expected = both_greedy(prompt, 4 + number % 13)
        assert actual == expected, prompt


def test_demo_ends_like_hugging_face(demo, both_greedy):
    """A whole story: both stop at the same end of text."""
    prompt = "Once upon a time"
    room = demo.sizes["n_positions"] - len(demo.tokenizer.encode(prompt).ids)
    actual, expected = both_greedy(prompt, room)
    assert actual == expected


def test_124m_is_greedy_like_hugging_face(tmp_path_factory, demo, solutions):
    """GPT-2 small with random weights: 200 prompts of 8 lengths, in batches."""
    torch.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    folder = tmp_path_factory.mktemp("gpt2-small")
    model.save_pretrained(folder)
    (folder / "tokenizer.json").symlink_to(DEMO_MODEL / "tokenizer.json")
    compiled = compile_model(load_checkpoint(str(folder)), solutions, CPU())
    (folder / "model.safetensors").unlink()

    new_tokens = 4
    random = np.random.default_rng(7)
    for length in (1, 2, 3, 5, 8, 13, 21, 34):
        ids = random.integers(0, 50257, size=(25, length))
        expected = hugging_face_greedy(model, ids, new_tokens)
        tokens = solutions.generation.generate_tokens(compiled, Tensor(ids), new_tokens)
        actual = np.concatenate([token.to_numpy() for token in tokens], axis=1)
        assert actual.tolist() == expected, f"prompts of {length} tokens"


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("top_k", [0, 1, 5, 200, 1000])
@pytest.mark.parametrize("top_p", [0.05, 0.5, 0.95, 1.0])
def test_same_filter_as_hugging_face(temperature, top_k, top_p):
    """The distribution that is drawn from is Hugging Face's."""
    random = np.random.default_rng(3)
    logits = random.normal(0, 3, (4, 200)).astype(np.float32)
    warpers = LogitsProcessorList([TemperatureLogitsWarper(temperature)])
    if top_k:
        warpers.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        warpers.append(TopPLogitsWarper(top_p))
    expected = torch.softmax(warpers(None, torch.from_numpy(logits)), dim=-1).numpy()
    kept = keep_likely(logits, temperature, top_k, top_p)
    actual = torch.softmax(torch.from_numpy(kept) / temperature, dim=-1).numpy()
    np.testing.assert_allclose(actual, expected, atol=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"temperature": float("inf")},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"top_p": float("nan")},
    ],
)
def test_refused_sampling(values):
    """Values that make no sense are named."""
    [(name, _)] = values.items()
    with pytest.raises(Misuse, match="--" + name.replace("_", "-")):
        Sampling(**values)


def test_budget(demo):
    """What fits is generated; what cannot fit is refused before anything is done."""
    n_positions = demo.sizes["n_positions"]
    long = "fox " * n_positions
    fitting = demo.tokenizer.decode(demo.tokenizer.encode(long).ids[: n_positions - 3])
    length = len(demo.tokenizer.encode(fitting).ids)
    assert budget(demo, fitting, None) == n_positions - length
    assert budget(demo, "The", None) == 200
    with pytest.raises(CourseError, match="The prompt is empty"):
        budget(demo, "", None)
    with pytest.raises(CourseError, match=r"reads at most \d+ \(n_positions\)"):
        budget(demo, long, None)
    with pytest.raises(CourseError, match=r"At most \d+ can follow"):
        budget(demo, "The", n_positions)


def test_command(course):
    """Text and nothing else on stdout; the rest on stderr; --json is one object."""
    ran = course("generate", "The", "--greedy", "--max-new-tokens", "8")
    assert ran.status == 0
    assert "8 tokens" in ran.err
    answer = json.loads(
        course("generate", "The", "--greedy", "--max-new-tokens", "8", "--json").out
    )
    assert answer["prompt"] == "The"
    assert len(answer["token_ids"]) == 8
    assert ran.out == "The" + answer["text"] + "\n"


def test_same_seed_same_text(course):
    """A seed makes the text repeatable, and another seed makes another text."""
    options = ("generate", "The", "--max-new-tokens", "20", "--temperature", "1.5")
    texts = [course(*options, "--seed", seed).out for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


@pytest.mark.parametrize(
    ("options", "status", "expected"),
    [
        ((""), 1, "The prompt is empty"),
        (("The", "--max-new-tokens", "100000"), 1, "does not fit"),
        (("The", "--model", "./nowhere"), 1, "There is no directory ./nowhere"),
        (("The", "--temperature", "-1"), 2, "--temperature -1.0"),
        (("The", "--top-p", "2"), 2, "--top-p 2.0"),
        (("The", "--code", "mine"), 2, "--code mine"),
        (("The", "--device", "tpu"), 2, "--device tpu"),
    ],
)
def test_bad_input(course, options, status, expected):
    """One sentence that names the value, and a non-zero exit."""
    ran = course("generate", *([options] if isinstance(options, str) else options))
    assert ran.status == status
    assert expected in " ".join(ran.err.split())
    assert ran.out == ""


@pytest.mark.skipif("config.getoption('--device') == 'gpu'")
def test_no_accelerator(course):
    """Without an accelerator, --device gpu says so."""
    from max.driver import accelerator_count

    if accelerator_count():
        pytest.skip("this machine has an accelerator")
    for command in (("check", "7"), ("generate", "The")):
        ran = course(*command, "--device", "gpu")
        assert ran.status == 2
        assert "no accelerator" in ran.err


def test_unfinished_steps(course):
    """--code steps names the first step that is not done."""
    if "CI" not in os.environ:
        pytest.skip("steps/ may have been worked on")
    ran = course("generate", "The", "--code", "steps")
    assert ran.status == 1
    assert "steps/step_01.py is not done yet" in ran.err


def test_finished_steps(tmp_path, course):
    """--code steps runs the reader's files: here, the solutions under their names."""
    for path in (ROOT / "solutions").glob("solution_*.py"):
        name = path.name.replace("solution", "step")
        text = path.read_text().replace("from solution_", "from step_")
        (tmp_path / "steps" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "steps" / name).write_text(text)
    (tmp_path / "course").symlink_to(ROOT / "course")
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    program = (
        "import sys, course.steps as s, pathlib; "
        f"s.ROOT = pathlib.Path({str(tmp_path)!r}); "
        "import course.compiled as c; c.ROOT = s.ROOT; "
        "sys.argv = ['course', 'generate', 'The', '--code', 'steps', '--greedy', "
        "'--max-new-tokens', '8']; "
        "from course.cli import main; main()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    expected = course("generate", "The", "--greedy", "--max-new-tokens", "8").out
    assert ran.stdout == expected, ran.stderr


def test_interrupted():
    """Ctrl-C in the middle of a text: what was written stays, and no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "course", "generate", "The", "--max-new-tokens", "240"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.read(4)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert b"stopped" in errors
