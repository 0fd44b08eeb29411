"""The numbers in the book are those that the solutions compute."""

import importlib
import re

import numpy as np
import pytest

from course.steps import ALL_STEPS, ROOT

NUMBERS = ROOT / "book" / "src" / "numbers"
# The steps whose chapters show the report of the solution.
RIGHT = [s for s in ALL_STEPS if (NUMBERS / f"report_{s.label}.md").is_file()]
WIDEST = 46  # Characters that fit on a phone.

a_number = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w.])")


@pytest.fixture(scope="module")
def make():
    """The script, which is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT)
        return importlib.import_module("book.numbers.make")


@pytest.fixture(scope="module")
def made(make):
    return make.make_numbers()


def differences(committed, made):
    """Compare text exactly, and numbers up to the last digit that is printed."""
    skeletons = [
        re.sub(r"\s+", " ", a_number.sub(" # ", text)) for text in (committed, made)
    ]
    if skeletons[0] != skeletons[1]:
        return ["the text differs"]
    found = []
    for old, new in zip(
        a_number.findall(committed), a_number.findall(made), strict=True
    ):
        digits = len(old.partition(".")[2])
        tolerance = 1.001 * 10**-digits if digits else 0
        if abs(float(old.replace(",", "")) - float(new.replace(",", ""))) > tolerance:
            found.append(f"{old} is now {new}")
    return found


@pytest.mark.parametrize("step", ALL_STEPS, ids=lambda step: step.module)
def test_numbers(step, made):
    """The committed numbers are what the script makes."""
    name = f"{step.module}.md"
    committed = (NUMBERS / name).read_text()
    assert not differences(committed, made[name]), "python -m book.numbers.make"


@pytest.mark.parametrize("step", RIGHT, ids=lambda step: step.module)
def test_report(step, make, checks):
    """The report in the chapter is what `course check` prints."""
    name, report = make.named_report(checks.check_file(step.number, step.solution))
    assert (NUMBERS / name).read_text() == report, "python -m book.numbers.make"


def test_nothing_else(make, made):
    """The script makes every file in the folder, and each chapter uses its own."""
    expected = {*made, *(f"report_{step.label}.md" for step in make.RIGHT)}
    assert {path.name for path in NUMBERS.iterdir()} == expected
    for step in ALL_STEPS:
        chapter = (NUMBERS.parent / f"{step.module}.md").read_text()
        parts = set(re.findall(r"<!-- ANCHOR: (\w+) -->", made[f"{step.module}.md"]))
        used = re.findall(rf"{{{{#include numbers/{step.module}\.md:(\w+)}}}}", chapter)
        assert sorted(used) == sorted(parts)
        right = step in make.RIGHT
        shown = (
            f"numbers/report_{step.label}.md"
            if right
            else f"reports/mistake_{step.label}.txt"
        )
        assert f"{{{{#include {shown}}}}}" in chapter


def test_narrow(made):
    """Every block fits on a phone."""
    for name, content in made.items():
        for block in re.findall(r"```text\n(.*?)```", content, re.DOTALL):
            assert max(map(len, block.splitlines())) <= WIDEST, name


def test_differences():
    """The comparison notices what it should."""
    line = "cat 0.37 -1.20 1,904 [1, 4]"
    assert differences(line, line) == []
    assert differences(line, "cat 0.38  -1.21 1,904 [1, 4]") == []
    assert differences("x 0.00", "x  -0.01") == []
    assert differences(line, line.replace("0.37", "0.39"))
    assert differences(line, line.replace("1,904", "1,905"))
    assert differences(line, line.replace("cat", "dog"))


def test_example_is_gpt2(make):
    """Hugging Face's GPT-2 computes the same from the same weights."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    weights = {
        name: torch.from_numpy(
            np.ascontiguousarray(value.T)
            if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight"))
            else value
        )
        for name, value in make.example.make_weights().items()
    }
    model = GPT2LMHeadModel(GPT2Config(**make.example.SIZES)).eval()
    model.load_state_dict(weights)
    ids = make.example.token_ids(make.example.PROMPT)
    with torch.no_grad():
        logits = model(torch.from_numpy(ids.to_numpy().copy())).logits
    ours = make.example.make_model()(ids).to_numpy()
    assert np.allclose(ours, logits.numpy(), atol=1e-5)
