"""`course perplexity`: the loss that Hugging Face gives, or clear words."""

import io
import json
import math
import sys

import numpy as np
import pytest
import torch
from rich.console import Console
from transformers import GPT2LMHeadModel

from course import cli
from course.generate.request import Request
from course.model.checkpoint import open_checkpoint
from course.perplexity import foresee, losses, windows
from course.steps import DEMO_MODEL, ROOT
from tests.project.model_kinds import save_base

sys.path.insert(0, str(ROOT / "demo"))
from corpus import END_OF_TEXT, write_stories

QUIET = Console(file=io.StringIO())
STORIES = END_OF_TEXT.join(write_stories(6, seed=4_071_979))
TEXTS = {
    "two tokens": "The fox",
    "stories, longer than the context": STORIES,
    "scripts": "«Bonjour» Жила-была лиса 昔々 كان يا ما كان एक समय 🦊🌧️\r\n\t" * 3,
    "code": (ROOT / "solutions" / "solution_01.py").read_text(),
}


@pytest.mark.parametrize("stride", [1, 3, 7, 8])
@pytest.mark.parametrize("length", [0, 1, 2, 7, 8, 9, 16, 17, 50])
def test_each_token_is_scored_once(length, stride):
    """All but the first of the text; none but with another one in its window."""
    context = 8
    scored = []
    for window in windows(length, context, stride):
        assert window.begin < window.scored or window.end == window.begin + 1
        assert window.end - window.begin <= context
        scored += range(window.scored, window.end)
    missing = {*range(1, length)} - {*scored}
    assert len(scored) == len({*scored})
    # Where windows do not overlap, nothing is before the first of each.
    assert missing == (set() if stride < context else {*range(8, length, 8)})


def test_losses_are_those_of_torch():
    """Large logits and small ones."""
    random = np.random.default_rng(0)
    logits = (random.standard_normal((20, 50)) * 30).astype(np.float32)
    tokens = random.integers(50, size=20)
    expected = torch.nn.functional.cross_entropy(
        torch.tensor(logits, dtype=torch.float64),
        torch.tensor(tokens),
        reduction="none",
    )
    np.testing.assert_allclose(losses(logits, tokens), expected, rtol=1e-6, atol=1e-6)


def hugging_face(model, tokens, stride):
    """The mean loss as https://huggingface.co/docs/transformers/perplexity has it."""
    sums, count, previous_end = 0.0, 0, 0
    for begin in range(0, len(tokens), stride):
        end = min(begin + model.config.n_positions, len(tokens))
        input_ids = torch.tensor([tokens[begin:end]])
        labels = input_ids.clone()
        labels[:, : previous_end - begin] = -100
        scored = int((labels[:, 1:] != -100).sum())
        if scored:
            with torch.no_grad():
                sums += float(model(input_ids, labels=labels).loss) * scored
        count, previous_end = count + scored, end
        if end == len(tokens):
            break
    return sums / count, count


@pytest.fixture(scope="module")
def reading():
    """A model, random or the demo's, as transformers and as the course read it."""
    from course.generate.engine import choose_engine
    from course.model.modules import load_code

    def read(folder, **options):
        checkpoint = open_checkpoint(str(folder))
        asked = Request("The", device="cpu", **options)
        engine = choose_engine(checkpoint, load_code("solutions"), asked, QUIET)
        model = GPT2LMHeadModel.from_pretrained(folder).eval()
        return model, checkpoint, engine.every_position()

    return read


@pytest.fixture(scope="module")
def random_gpt2(tmp_path_factory):
    """A small GPT-2 with random weights."""
    folder = tmp_path_factory.mktemp("random")
    save_base(folder)
    return folder


def assert_is_hugging_faces(model, checkpoint, score, text, stride):
    tokens = checkpoint.encode(text)
    context = checkpoint.config.n_positions
    found = foresee(score, tokens, context, stride, QUIET)
    expected, count = hugging_face(model, tokens, stride)
    assert found.tokens == count
    assert found.loss == pytest.approx(expected, rel=1e-4)
    assert found.perplexity == pytest.approx(math.exp(expected), rel=1e-3)


@pytest.mark.parametrize("folder", ["demo", "random"])
def test_loss_is_hugging_faces(folder, random_gpt2, reading):
    """In float32, on texts of many kinds, with several strides."""
    model, checkpoint, score = reading(DEMO_MODEL if folder == "demo" else random_gpt2)
    context = checkpoint.config.n_positions
    for name, text in TEXTS.items():
        for stride in (context // 2, context // 3, context):
            assert_is_hugging_faces(model, checkpoint, score, text, stride), name


@pytest.mark.thorough
@pytest.mark.parametrize("options", [{"stock_kernels": True}, {"cache": False}])
def test_other_forms_of_the_model(random_gpt2, reading, options):
    """MAX's own operations, and the model of step 11 without a cache."""
    parts = reading(random_gpt2, **options)
    assert_is_hugging_faces(*parts, TEXTS["code"], 32)


@pytest.mark.parametrize("dtype", ["bfloat16", "int8", "int4"])
def test_fewer_bits_cost_little(reading, dtype):
    """On stories like those it was trained on, less than a hundredth of a nat."""
    model, checkpoint, score = reading(DEMO_MODEL, dtype=dtype)
    tokens = checkpoint.encode(STORIES)
    found = foresee(score, tokens, 256, 128, QUIET)
    expected, _ = hugging_face(model, tokens, 128)
    assert found.loss != expected
    assert found.loss == pytest.approx(expected, abs=0.01)


def test_broken_weights_are_said():
    """NaN from the model is no loss."""
    from course.errors import CourseError

    def score(tokens):
        return np.full((len(tokens), 3), np.nan, np.float32)

    with pytest.raises(CourseError, match="weights are broken"):
        foresee(score, [0, 1, 2], 8, 4, QUIET)


def test_command(course, tmp_path):
    """One line for people, one object with --json."""
    file = tmp_path / "story.txt"
    file.write_text(STORIES, encoding="utf-8")
    ran = course("perplexity", file)
    assert ran.status == 0
    assert "windows of 256 tokens, 128 from one to the next" in ran.err
    asked = course("perplexity", file, "--stride", "100", "--json")
    answer = json.loads(asked.out)
    assert (answer["file"], answer["context"]) == (str(file), 256)
    assert (answer["stride"], answer["dtype"]) == (100, "float32")
    assert answer["perplexity"] == pytest.approx(math.exp(answer["loss"]))
    assert f"({answer['tokens']:,} tokens)" in ran.out


def refused(monkeypatch, capsys, *arguments, stdin=b""):
    """The status and what is said, for a command that gets no further."""
    monkeypatch.setattr("sys.argv", ["course", "perplexity", *map(str, arguments)])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin)))
    with pytest.raises(SystemExit) as ended, cli.errors_in_one_sentence():
        cli.app(standalone_mode=False)
    out, said = capsys.readouterr()
    assert out == ""
    return ended.value.code, said.splitlines()[-1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty: there is nothing to foresee."),
        (b"\x89PNG\r\n", "is not UTF-8 text: byte 0x89 at offset 0. Convert it, or"),
        ("Füchse".encode("utf-16"), "is not UTF-8 text: byte 0xFF at offset 0."),
        (b"fox \xe9t\xe9", "is not UTF-8 text: byte 0xE9 at offset 4."),
    ],
)
@pytest.mark.parametrize("from_stdin", [False, True])
def test_no_text(monkeypatch, capsys, tmp_path, content, said, from_stdin):
    """Empty and binary files, by name and on the standard input."""
    file = tmp_path / "file"
    file.write_bytes(content)
    name = "The standard input" if from_stdin else str(file)
    where = "-" if from_stdin else file
    status, sentence = refused(monkeypatch, capsys, where, stdin=content)
    assert status == 1
    assert sentence.startswith(f"course: {name} {said}")


def test_no_file(monkeypatch, capsys, tmp_path):
    """A file that is not there, and a folder."""
    nowhere = tmp_path / "nowhere"
    said = f"course: {nowhere}: there is no such file."
    assert refused(monkeypatch, capsys, nowhere) == (2, said)
    said = f"course: {tmp_path}: this is a folder; name a text file."
    assert refused(monkeypatch, capsys, tmp_path) == (2, said)


def test_one_token(course, tmp_path):
    """A single token has none before it."""
    file = tmp_path / "file"
    file.write_text("a")
    ran = course("perplexity", file)
    assert ran.status == 1
    assert "No token can be scored: that takes another one in front" in ran.err
    assert "The text has 1" in ran.err
    ran = course("perplexity", file, "--stride", "257")
    assert ran.status == 2
    assert "--stride 257: the model reads at most 256 tokens" in ran.err
