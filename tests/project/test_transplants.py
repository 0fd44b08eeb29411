"""`course generate --with N`: the reader's step N inside the solutions' model."""

import json
import re

import pytest

from course.errors import Misuse
from course.generate.request import FORMS, Request
from course.skeleton import make_skeleton
from course.steps import ROOT, SERVING, SPECULATION, STEPS, get_step
from tests.project.finished import finish

GREEDY = ("The little fox", "--greedy", "--max-new-tokens", 5)
HEARD = [step.number for step in STEPS if step.number != SERVING]
thorough = pytest.mark.thorough


@pytest.fixture
def steps(tmp_path):
    """Write steps as a reader would; what is not written is missing."""

    def write(number, old="", new=""):
        step = get_step(number)
        finish(tmp_path, [step])
        path = tmp_path / step.skeleton.name
        text = path.read_text()
        assert not old or text.count(old) == 1, old
        path.write_text(text.replace(old, new) if old else text)

    return write


@pytest.fixture
def generate(course, tmp_path):
    """Run `course generate` where the reader's steps are those written."""

    def run(*arguments):
        return course("generate", *arguments, COURSE_STEPS_DIR=str(tmp_path))

    return run


@pytest.fixture(scope="module")
def story(course):
    """What the solutions write."""
    return course("generate", *GREEDY).out


@pytest.mark.sample(4)
@pytest.mark.parametrize("number", HEARD)
def test_right_step_tells_the_story(number, steps, generate, story):
    """A step that is right writes what the solutions write, and is said to."""
    steps(number)
    ran = generate(*GREEDY, "--with", number)
    assert ran.out == story, ran.err
    assert f"using your step {number:02d}, " in ran.err


MISTAKES = {
    2: ('float("-inf")', "0.0"),
    3: ("gamma=self.weight", "gamma=0 * self.weight"),
    4: ("F.gelu(hidden_states, ", "-F.gelu(hidden_states, "),
    5: ("self.wte(input_ids)", "self.wte(input_ids + 1)"),
    6: ("self.wpe(positions)", "0 * self.wpe(positions)"),
    7: ("x.transpose(1, 2).reshape(", "x.reshape("),
    8: ("x + sublayer", "sublayer"),
    9: ("return pre_norm_residual(", "return hidden_states  # ("),
    10: (" + self.wpe(positions)", ""),
    11: ("self.lm_head(hidden_states)", "-self.lm_head(hidden_states)"),
    12: ("[:, -1, :]", "[:, 0, :]"),
    13: ("if name.endswith(C", 'if "attn.c_proj" not in name and name.endswith(C'),
    16: ("int(logits.argmax())", "int(logits.argmin())"),
}


@pytest.mark.sample(4)
@pytest.mark.parametrize("number", MISTAKES)
def test_wrong_step_tells_another(number, steps, generate, story):
    """A mistake in the reader's step is heard."""
    steps(number, *MISTAKES[number])
    ran = generate(*GREEDY, "--with", number)
    assert ran.status == 0, ran.err
    assert ran.out != story


def test_only_the_named_steps_are_the_readers(steps, generate, story):
    """Among several, each imports the others, and no step that was not named."""
    steps(9)
    steps(3, *MISTAKES[3])
    assert generate(*GREEDY, "--with", 9).out == story
    both = generate(*GREEDY, "--with", 9, "--with", 3)
    assert both.out != story
    assert "using your step 09 and your step 03, " in both.err


def test_not_done(tmp_path, generate):
    """A step that is not done is refused by its first TODO, as --code steps does."""
    (tmp_path / "step_07.py").write_text(make_skeleton(get_step(7)))
    ran = generate(*GREEDY, "--with", 7)
    assert (ran.status, ran.out) == (1, "")
    assert "step_07.py is not done yet: line " in ran.err
    assert "without --with 7, the solutions are used" in ran.err


def test_missing(generate):
    """A step that is not there is refused, too."""
    ran = generate(*GREEDY, "--with", 7)
    assert (ran.status, ran.out) == (1, "")
    assert "step_07.py is missing. `course reset 7` puts the skeleton back." in ran.err


FAILING = {
    "shape": (7, "key.transpose(-1, -2)", "key", "cannot be multiplied with @"),
    "name": (7, "weights @ value", "weights @ values", "'values' is not defined"),
    "parameter": (7, "self.c_proj = ", "self.proj = ", "attn.c_proj.bias"),
    "import": (4, "import Linear, Module", "import Linear", "'Module' is not defined"),
    "NaN": (3, "F.layer_norm(x,", "F.layer_norm(x / 0.0,", "the logits are NaN"),
    "exit": (8, "return x", "raise SystemExit  #", "SystemExit"),
}


@pytest.mark.parametrize("name", FAILING)
def test_failing(name, steps, generate):
    """What a step raises is said in a sentence, with where to ask."""
    number, old, new, said = FAILING[name]
    steps(number, old, new)
    ran = generate(*GREEDY, "--with", number)
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err
    assert f"`course check {number}` says more." in ran.err


def test_a_kernel_that_does_not_compile(tmp_path, steps, generate):
    """Of what the Mojo compiler says, the reader's line is shown."""
    steps(17)
    path = tmp_path / "step_17.mojo"
    path.write_text(path.read_text().replace("return sums.", "return sum."))
    ran = generate(*GREEDY, "--with", 17)
    assert (ran.status, ran.out) == (1, "")
    assert re.search(r"Your kernel does not compile: line \d+, use of unknown", ran.err)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"transplants": [0]}, "There is no step 0"),
        ({"transplants": [SERVING]}, f"step {SERVING} is no part of generating"),
        ({"transplants": [7, 17]}, "--with 7 --with 17: no model is made of all"),
        ({"transplants": [5, 10]}, "--with 5 --with 10: no model is made of all"),
        ({"transplants": [7], "code": "steps"}, "--code steps does not go with"),
        ({"transplants": [7], "cache": False}, "--no-cache does not go with --with 7"),
        ({"transplants": [7], "stock_kernels": True}, "--stock-kernels does not go"),
        ({"transplants": [7], "dtype": "int8"}, "--dtype int8 does not go with"),
    ],
)
def test_refused(values, said):
    """What contradicts itself is refused before anything is done."""
    with pytest.raises(Misuse, match=said):
        Request("The", **values)


def test_forms():
    """Every step but the server's is heard, in the first form that is made of it."""
    forms = {n: Request("The", transplants=[n]).form for n in HEARD}
    assert set(forms.values()) == set(FORMS)
    assert Request("The", transplants=[17], dtype="int8").form == "kernels"
    assert Request("The", transplants=[3, 15]).form == "cached"


def made_of(number):
    """A step and all that its solution imports, directly or not."""
    source = get_step(number).solution.read_text()
    others = re.findall(r"^from solution_(\d\d) import", source, re.M)
    return {number}.union(*(made_of(int(other)) for other in others))


def test_forms_are_made_of_what_is_imported():
    """The table of forms says what the solutions import; 12 and 13 are for all."""
    assert FORMS["eager"] == made_of(11) | {12, 13}
    assert FORMS["embeddings"] == made_of(11) - {10} | made_of(5) | made_of(6) | {
        12,
        13,
    }
    assert FORMS["compiled"] == made_of(14) | {12, 13}
    # Step 19 is handed the model that reads for it.
    assert FORMS["cached"] == made_of(16) | {13, SPECULATION}
    # The kernels take the place of what step 15 is made of.
    assert FORMS["kernels"] - {13, SPECULATION} < made_of(16) | made_of(17)


@thorough
@pytest.mark.parametrize(
    ("number", "old", "new", "what"),
    [
        (2, 'float("-inf")', "0.0", "without the mask"),
        (7, *MISTAKES[7], "merged without the transpose"),
        (8, *MISTAKES[8], "nothing added"),
        (10, "self.ln_f(x)", "x", "without `ln_f`"),
    ],
)
def test_surgery_in_the_book(number, old, new, what, steps, generate):
    """What NumPy wrote for the book is what MAX writes with the same change."""
    page = ROOT / "book" / "src" / "surgery" / f"step_{number:02d}.md"
    [text] = re.findall(rf"^\| {what} \| (.*) … \|$", page.read_text(), re.M)
    steps(number, old, new)
    ran = generate(
        "The little fox", "--greedy", "--max-new-tokens", 26, "--with", number
    )
    assert " ".join(ran.out.split()) == text


def test_top(steps, generate, story):
    """The likeliest next tokens: in every form the same, first the greedy one."""
    steps(11)
    steps(5)
    command = ("The little fox", "--top", 5)
    fast, eager, embeddings = (
        generate(*command, *more, "--json")
        for more in ((), ("--with", 11), ("--with", 5))
    )
    likeliest = json.loads(fast.out)["next"]
    assert len(likeliest) == 5
    assert story.startswith("The little fox" + likeliest[0]["token"])
    chances = [each["probability"] for each in likeliest]
    assert 1 > sum(chances) > chances[0] > chances[1] > chances[-1] > 0
    for other in (eager, embeddings):
        others = json.loads(other.out)["next"]
        assert [each["token_id"] for each in others] == [
            each["token_id"] for each in likeliest
        ]
        assert [each["probability"] for each in others] == pytest.approx(
            chances, abs=1e-4
        )
    shown = generate(*command).out.splitlines()
    assert [line.split("  ")[-1] for line in shown] == [
        json.dumps(each["token"]) for each in likeliest
    ]


def test_help(course):
    """The help says what the option is for."""
    said = " ".join(course("generate", "--help").out.split())
    assert "Take your step N for the solution's" in said
