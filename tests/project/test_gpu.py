"""What only an accelerator can confirm: `make test-gpu`, where MAX finds one."""

import json

import pytest

from course.steps import STEPS
from tests.project.serving import Served

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.module)
def test_solution_on_an_accelerator(course, step):
    """Every solution is right on the accelerator, in float32."""
    ran = course("check", step.number, "--solutions", "--device", "gpu", "--json")
    assert ran.status == 0, ran.out


def test_same_text_as_on_the_cpu(course):
    """Greedy text does not depend on the device."""
    options = ("generate", "The little fox", "--greedy", "--json")
    texts = [
        json.loads(course(*options, "--device", d).out)["text"] for d in ("cpu", "gpu")
    ]
    assert texts[0] == texts[1]


def test_same_draws_with_the_same_seed(course):
    """Filtering and drawing work with logits that live on the accelerator."""
    options = ("generate", "The", "--seed", "3", "--top-k", "40", "--top-p", "0.9")
    texts = [course(*options, "--device", "gpu").out for _ in range(2)]
    assert texts[0] == texts[1]
    assert len(texts[0]) > 20


def test_served(course):
    """The server's greedy text is that of `course generate`."""
    options = ("--greedy", "--max-new-tokens", "40", "--device", "gpu", "--json")
    expected = json.loads(course("generate", "The little fox", *options).out)["text"]
    with Served("--device", "gpu") as server:
        answer = server.client().completions.create(
            model="demo", prompt="The little fox", max_tokens=40, temperature=0
        )
    assert answer.choices[0].text == expected
