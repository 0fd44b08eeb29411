"""Generation: token for token what Hugging Face generates, or clear words."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from course import cli
from course.errors import CourseError, Misuse
from course.generate.command import budget
from course.generate.request import Request
from course.model.checkpoint import open_checkpoint
from course.skeleton import make_skeleton
from course.steps import DEMO_MODEL, ROOT, STEPS
from tests.project.finished import finish

sys.path.insert(0, str(ROOT / "demo"))
from corpus import write_stories

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
thorough = pytest.mark.thorough
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


def greedy(solutions, decoder, prompts, new_tokens):
    """What the course goes on with: the new IDs of each text."""
    sampling = solutions.sampling.Sampling(temperature=0.0)
    tokens = solutions.sampling.generate_tokens(
        decoder, prompts, new_tokens, sampling, np.random.default_rng()
    )
    return [list(row) for row in zip(*tokens, strict=True)]


@pytest.fixture
def both_greedy(demo, solutions, fast_demo):
    """Continue a prompt greedily here and in Hugging Face: the new IDs of each."""
    model = GPT2LMHeadModel.from_pretrained(DEMO_MODEL).eval()
    [end_of_text] = demo.end_of_text

    def generate(prompt, new_tokens):
        ids = demo.tokenizer.encode(prompt).ids
        [expected] = hugging_face_greedy(model, [ids], new_tokens, end_of_text)
        [actual] = greedy(solutions, fast_demo, [ids], len(expected))
        return actual, expected

    return generate


@pytest.mark.sample(10)
@pytest.mark.parametrize("part", range(10))
def test_demo_is_greedy_like_hugging_face(part, both_greedy):
    """200 prompts in many scripts, up to the end of the text or 16 tokens."""
    assert len(set(PROMPTS)) == 200
    for number, prompt in list(enumerate(PROMPTS))[part::10]:
        actual, expected = both_greedy(prompt, 4 + number % 13)
        assert actual == expected, prompt


def test_demo_ends_like_hugging_face(demo, both_greedy):
    """A whole story: both stop at the same end of text."""
    prompt = "Once upon a time"
    room = demo.config.n_positions - len(demo.tokenizer.encode(prompt).ids)
    actual, expected = both_greedy(prompt, room)
    assert actual == expected


def test_unequal_batch_is_like_each_text_alone(demo, solutions, fast_demo):
    """Texts of many lengths side by side: each as if it were alone."""
    prompts = [demo.tokenizer.encode(prompt).ids for prompt in PROMPTS[:12]]
    together = greedy(solutions, fast_demo, prompts, 12)
    for prompt, actual in zip(prompts, together, strict=True):
        [alone] = greedy(solutions, fast_demo, [prompt], 12)
        assert actual == alone


@pytest.fixture
def gpt2_small(tmp_path):
    """GPT-2 small with random weights: transformers' model, and ours."""
    torch.manual_seed(1)
    model = GPT2LMHeadModel(GPT2Config()).eval()
    model.save_pretrained(tmp_path)
    shutil.copy(DEMO_MODEL / "tokenizer.json", tmp_path)
    return model, open_checkpoint(str(tmp_path))


@thorough
def test_124m_is_greedy_like_hugging_face(gpt2_small, solutions, on_kernels):
    """200 prompts of 8 lengths, in batches."""
    model, checkpoint = gpt2_small
    decoder = on_kernels(checkpoint)
    new_tokens = 4
    random = np.random.default_rng(7)
    for length in (1, 2, 3, 5, 8, 13, 21, 34):
        ids = random.integers(0, 50257, size=(25, length))
        expected = hugging_face_greedy(model, ids, new_tokens)
        actual = greedy(solutions, decoder, ids.tolist(), new_tokens)
        assert actual == expected, f"prompts of {length} tokens"


@thorough
@pytest.mark.parametrize(
    ("dtype", "similar"), [("bfloat16", 0.9999), ("int8", 0.999), ("int4", 0.93)]
)
def test_rounded_124m_is_similar(gpt2_small, on_kernels, dtype, similar):
    """Logits of GPT-2 small with rounded weights: their angle to the exact ones."""
    model, checkpoint = gpt2_small
    decoder = on_kernels(checkpoint, dtype)
    ids = np.random.default_rng(7).integers(0, 50257, size=(4, 32))
    actual = decoder.prefill(ids.tolist())
    with torch.no_grad():
        expected = model(torch.tensor(ids)).logits[:, -1].numpy()
    lengths = np.linalg.norm(actual, axis=1) * np.linalg.norm(expected, axis=1)
    cosine = (actual * expected).sum(axis=1) / lengths
    assert cosine.min() > similar


def test_rounded_demo_is_as_good(demo, solutions, fast_demo, on_kernels):
    """Perplexity on held-out stories: 8-bit weights cost less than one percent."""
    exact = perplexity(demo, solutions, fast_demo)
    assert perplexity(demo, solutions, on_kernels(demo, "int8")) < 1.01 * exact


def perplexity(demo, solutions, decoder):
    """How sure the model is of stories that it was not trained on, token by token."""
    surprise = []
    for story in write_stories(4, seed=4_071_979):
        ids = demo.tokenizer.encode(story).ids[: decoder.capacity]
        logits = decoder.prefill([ids[:1]])
        for token_id in ids[1:]:
            [row] = logits
            probability = solutions.sampling.softmax(row)[token_id]
            surprise.append(-np.log(probability))
            logits = decoder.decode([token_id])
    return np.exp(np.mean(surprise))


REFUSED = [
    "--temperature -1.0: it must be 0 (greedy) or above.",
    "--temperature nan: it must be 0 (greedy) or above.",
    "--temperature inf: it must be 0 (greedy) or above.",
    "--top-k -1: it must be at least 0.",
    "--top-p 0.0: it must be above 0 and at most 1.",
    "--top-p 1.1: it must be above 0 and at most 1.",
    "--top-p nan: it must be above 0 and at most 1.",
    "--min-p 1.5: it must be at most 1.0.",
    "--min-p nan: it must be at most 1.0.",
    "--repetition-penalty 0.0: it must be above 0; 1 changes nothing.",
    "--repetition-penalty inf: it must be above 0; 1 changes nothing.",
    "--max-new-tokens 0: it must be at least 1.",
    "--lookup 0: it must be at least 1.",
    "--lookup -3: it must be at least 1.",
    "--lookup many: it must be a whole number.",
    "--seed x: it must be a whole number.",
    "--code mine: 'mine' is not one of 'solutions', 'steps'.",
    "--device tpu: 'tpu' is not one of 'auto', 'cpu', 'gpu'.",
    "--dtype float16: 'float16' is not one of 'float32', 'bfloat16', 'int8', 'int4'.",
    "--stop '': give some text to stop at.",
]


@pytest.mark.parametrize("said", REFUSED)
def test_refused(said, monkeypatch, capsys):
    """Values that make no sense are named, and what would make some."""
    option, value = said.partition(":")[0].split()
    command = ["course", "generate", "The", option, value.strip("'")]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit) as ended, cli.errors_in_one_sentence():
        cli.app(standalone_mode=False)
    assert ended.value.code == 2
    assert capsys.readouterr() == ("", f"course: {said}\n")


@pytest.mark.parametrize(
    "values",
    [{"dtype": "int8", "cache": False}, {"dtype": "bfloat16", "stock_kernels": True}],
)
def test_refused_together(values):
    """Weights of fewer bits need the kernels."""
    with pytest.raises(Misuse, match="needs the Mojo kernels"):
        Request("The", **values)


def test_budget(demo):
    """What fits is generated; what cannot fit is refused before anything is done."""
    n_positions = demo.config.n_positions
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


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--dtype=int8", "int8 weights"),
        pytest.param("--dtype=bfloat16", "bfloat16 weights", marks=thorough),
        pytest.param("--no-cache", "no cache", marks=thorough),
        pytest.param("--stock-kernels", "stock operations", marks=thorough),
    ],
)
def test_same_text_on_every_engine(course, option, said):
    """Every form of the model writes the same, and says which it is."""
    command = ("generate", "Once upon a time", "--greedy", "--max-new-tokens", "24")
    fast, other = course(*command), course(*command, option)
    assert "KV cache, Mojo kernels, float32 weights" in fast.err
    assert said in other.err
    assert other.out == fast.out


@pytest.mark.parametrize(
    "options",
    [
        ("--greedy",),
        ("--seed", "3"),
        pytest.param(("--greedy", "--stock-kernels"), marks=thorough),
        pytest.param(("--greedy", "--dtype", "bfloat16"), marks=thorough),
        pytest.param(("--greedy", "--dtype", "int8"), marks=thorough),
        pytest.param(("--seed", "3", "--dtype", "int4"), marks=thorough),
    ],
    ids=" ".join,
)
def test_lookup(course, options):
    """The text is what it is without, in fewer passes; and they are counted."""
    asked = ("generate", "Tick, tock, tick, tock, tick,", "--max-new-tokens", "40")
    plain, looked_up = course(*asked, *options), course(*asked, *options, "--lookup", 8)
    assert looked_up.out == plain.out != ""
    count, passes = map(
        int, re.search(r"(\d+) of them by lookup: (\d+) passes", looked_up.err).groups()
    )
    assert count + passes == 40
    assert "by lookup" not in plain.err


def test_four_bits_write(course):
    """Weights of 4 bits may write another text, and it is said that they do."""
    ran = course("generate", "The", "--greedy", "--dtype=int4", "--max-new-tokens", "8")
    assert ran.status == 0
    assert "int4 weights" in ran.err
    assert "8 tokens" in ran.err
    assert ran.out.startswith("The ")


def test_stop(course):
    """--stop ends the text before the sequence."""
    command = ("generate", "Once upon a time", "--greedy", "--max-new-tokens", "60")
    whole = course(*command).out
    stopped = course(*command, "--stop", "One night", "--stop", "nowhere").out
    assert whole.startswith(stopped.rstrip("\n"))
    assert "One night" in whole
    assert "One night" not in stopped


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
        (("The", "--temperature", "-1"), 2, "--temperature -1.0: it must be 0"),
        (("The", "--device", "tpu"), 2, "--device tpu: 'tpu' is not one of"),
        (("The", "--color"), 2, "No such option: --color"),
        (("The", "--lookup", "256"), 1, "--lookup 256 is longer than any text"),
        (("The", "--lookup", "4", "--top", "3"), 2, "leave out --top"),
        (("The", "--lookup", "4", "--no-cache"), 2, "leave out --no-cache"),
        ((), 2, "Missing argument 'prompt'"),
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
        pytest.skip("steps/ may have been worked on: with CI=1, it is not")
    ran = course("generate", "The", "--code", "steps")
    assert ran.status == 1
    assert "steps/step_01.py is not done yet" in ran.err


@pytest.mark.parametrize(
    ("finished", "said"),
    [
        (17, "KV cache, Mojo kernels"),
        pytest.param(12, "no cache", marks=thorough),
    ],
)
def test_finished_steps(tmp_path, course, finished, said):
    """--code steps runs the reader's files: here, the solutions under their names."""
    finish(tmp_path, STEPS[:finished])
    for step in STEPS[finished:]:
        for part in step.parts:
            (tmp_path / part.skeleton.name).write_text(make_skeleton(part))
    options = ("--greedy", "--max-new-tokens", 8)
    folder = {"COURSE_STEPS_DIR": str(tmp_path)}
    ran = course("generate", "The", "--code", "steps", *options, **folder)
    assert ran.out == course("generate", "The", *options).out, ran.err
    assert said in ran.err


@thorough
def test_interrupted():
    """Ctrl-C in the middle of a text: what was written stays, and no traceback."""
    process = subprocess.Popen(
        # Without the cache, for there to be time to interrupt it.
        [sys.executable, "-m", "course", "generate", "The", "--no-cache"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.read(4)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    assert b"stopped" in errors
