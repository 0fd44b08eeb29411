"""The tables of known mistakes: true, told apart, and fit to be read."""

import collections
import contextlib
import functools
import importlib
import inspect
import itertools
import os
import re
import subprocess
import sys
import types
import typing

import numpy as np
import pytest
from max.driver import CPU

from course.check.attempt import Answer
from course.check.compare import agree, same_numbers
from course.check.mistakes import (
    wrong_cache,
    wrong_generation,
    wrong_gpt2,
    wrong_quantization,
    wrong_sampling,
)
from course.check.mistakes.__main__ import to_markdown
from course.check.mistakes.locate import first_wrong_part, which_cases, which_places
from course.check.mistakes.outputs import OtherQuestion, compute, parts
from course.check.mistakes.parameters import (
    Parameters,
    changed,
    find_in_parameters,
    find_parameters,
)
from course.check.mistakes.quote import quote
from course.check.mistakes.search import find
from course.check.mistakes.table import all_mistakes, get_mistake, mistakes_of
from course.steps import ALL_STEPS, ROOT, SIDE_STEPS, STEPS
from tests.project.mutants.known import KNOWN
from tests.project.mutants.mutant import changed_lines

THOROUGH = pytest.mark.thorough
COMPUTED = [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]


def close(one, other):
    return same_numbers(one, other, CPU())


def module_check(number):
    """The module that checks a step, and its question to Hugging Face by case."""
    module = importlib.import_module(f"tests.test_step_{number:02d}")
    for value in vars(module).values():
        if inspect.isclass(value) and getattr(value, "number", 0) == number:
            return module, value.hugging_face
    return module, getattr(module, "expected_mask", module.hugging_face)


def cases_of(number):
    module, hugging_face = module_check(number)
    return {case: hugging_face(case) for case in module.CASES}


def kinds_of_step_12():
    """Step 12 asks for IDs of texts, for new tokens and for probabilities."""
    module = importlib.import_module("tests.test_step_12")
    greedy = {case: module.hugging_face_greedy(case) for case in module.GREEDY}
    return {
        "encoding": {text: module.hugging_face_ids(text) for text in module.TEXTS},
        "next token": {c: module.first_token(e) for c, e in greedy.items()},
        "tokens": greedy,
        "drawing": {
            t: module.hugging_face_probabilities(t) for t in module.TEMPERATURES
        },
    }


@pytest.mark.parametrize("number", COMPUTED)
def test_no_mistake_is_hugging_face(number):
    """Without a mistake, NumPy gives what Hugging Face gives."""
    for case, expected in cases_of(number).items():
        assert close(compute(number, case, expected), expected.output), case


@pytest.mark.parametrize("kind", kinds_of_step_12())
def test_no_mistake_in_generation(kind):
    """The same for step 12."""
    for case, expected in kinds_of_step_12()[kind].items():
        assert close(compute(12, case, expected), expected.output), case


FUNCTIONS = {
    2: (wrong_gpt2.causal_mask,),
    3: (wrong_gpt2.layer_norm,),
    4: (wrong_gpt2.mlp,),
    5: (wrong_gpt2.token_embeddings,),
    6: (wrong_gpt2.position_embeddings,),
    7: (wrong_gpt2.attention,),
    8: (wrong_gpt2.residual_step,),
    9: (wrong_gpt2.block,),
    10: (wrong_gpt2.model, wrong_gpt2.embed),
    11: (wrong_gpt2.language_model,),
}


def options_of(function):
    """The options of a function that are one of some words, and these words."""
    for name, hint in typing.get_type_hints(function).items():
        if typing.get_origin(hint) is typing.Literal:
            yield name, typing.get_args(hint)


@pytest.mark.parametrize("number", COMPUTED)
def test_options(number):
    """Each word that is listed for an option is one, and nothing else is."""
    case, expected = next(iter(cases_of(number).items()))
    for name, words in itertools.chain(*map(options_of, FUNCTIONS[number])):
        for word in words:
            # What this gives need not fit together, but it is not unknown.
            with np.errstate(all="ignore"), contextlib.suppress(IndexError, ValueError):
                compute(number, case, expected, **{name: word})
        with pytest.raises((KeyError, ValueError)):
            compute(number, case, expected, **{name: "no such word"})


@pytest.mark.parametrize("kind", kinds_of_step_12())
def test_options_of_generation(kind):
    """The same for step 12."""
    about = {
        "encoding": wrong_generation.encode,
        "next token": wrong_generation.generate,
        "tokens": wrong_generation.generate,
        "drawing": wrong_generation.probabilities,
    }
    case, expected = next(iter(kinds_of_step_12()[kind].items()))
    for name, words in options_of(about[kind]):
        for word in words:
            with contextlib.suppress(IndexError, ValueError):
                compute(12, case, expected, **{name: word})
        with pytest.raises(KeyError):
            compute(12, case, expected, **{name: "no such word"})


def answers_of(number, cases, options):
    """What a reader who makes a mistake gets; None is an index out of bounds."""
    answers = []
    for case, expected in cases.items():
        try:
            with np.errstate(all="ignore"):
                actual = compute(number, case, expected, **options)
        except (IndexError, ValueError, OtherQuestion):
            actual = None
        answers.append(Answer(case, expected, actual))
    return answers


@pytest.mark.parametrize("number", COMPUTED)
def test_mistakes_are_told_apart(number):
    """Every way to make a mistake is wrong somewhere, and is found by its name."""
    cases = cases_of(number)
    for mistake in mistakes_of(number):
        for options in mistake.ways:
            answers = answers_of(number, cases, options)
            found = [one.id for one in find(number, answers, close)]
            assert found == [mistake.id], options


def test_mistakes_of_generation_are_told_apart():
    """The same for step 12: found by its name in at least one kind of question."""
    for mistake in mistakes_of(12):
        for options in mistake.ways:
            found = [
                [one.id for one in find(12, answers_of(12, cases, options), close)]
                for cases in kinds_of_step_12().values()
            ]
            assert [mistake.id] in found, options


def questions_of_step_15():
    """What is asked in step 15, in order: the right logits, and a way to others."""
    module = importlib.import_module("tests.test_step_15")
    found = []
    for batch in module.PROMPTS:
        case, answer = module.model_of(batch), module.hugging_face(batch)
        prompts = module.wrapped(module.PROMPTS[batch], case)
        new = module.wrapped(module.NEXT[batch], case)
        for count, logits in enumerate(answer.output):
            given = (prompts, new[:count], answer.weights, case.sizes)
            found.append(
                (count > 0, logits, functools.partial(wrong_cache.last_logits, *given))
            )
    # First all prompts, then all texts from the beginning.
    prompts = [question for question in found if not question[0]]
    return [question[1:] for question in (*prompts, *found)]


def test_no_mistake_in_the_cache():
    """Without a mistake, NumPy gives the logits of Hugging Face's past_key_values."""
    for expected, given in questions_of_step_15():
        assert agree(given(), expected)
        with pytest.raises(ValueError, match="no such mistake"):
            given(mistake="no such mistake")


def alternatives():
    """Groups of questions: the right answer, and what each mistake gives instead."""
    step_16 = importlib.import_module("tests.test_step_16")
    groups = {
        "step 15": [
            (
                expected,
                {
                    name: functools.partial(compute, mistake=name)
                    for name in wrong_cache.MISTAKES
                },
            )
            for expected, compute in questions_of_step_15()
        ],
        "step 16: probabilities": [],
    }
    for name, value in step_16.CALLS:
        answer = step_16.hugging_face((name, value))
        wrong = wrong_sampling.filters(name, answer.inputs[0], step_16.TEXT, value)
        groups.setdefault(f"step 16: {name}", []).append((answer.output, wrong))
    for settings in step_16.SETTINGS:
        answer = step_16.hugging_face_probabilities(settings)
        wrong = wrong_sampling.orders(answer.inputs[0], step_16.TEXT, settings)
        groups["step 16: probabilities"].append((answer.output, wrong))
    step_17 = importlib.import_module("tests.test_step_17")
    answer = step_17.quantized("rows")
    given = (*answer.inputs, *in_255_steps(*answer.inputs))
    wrong = wrong_quantization.quantized_rows(*given)
    groups["step 17: quantize_rows"] = [(answer.output, wrong)]
    return groups


def in_255_steps(weight):
    """What a reader returns who makes the largest weight 255."""
    scale = np.abs(weight).max(axis=1) / np.float32(255)
    scale[scale == 0] = 1
    return np.rint(weight / scale[:, None]).astype(np.int8), scale


@pytest.mark.parametrize("group", alternatives())
def test_alternatives_are_told_apart(group):
    """Each is wrong somewhere; there, it is the first that gives these numbers."""
    questions = alternatives()[group]
    known_here = {one.id for one in mistakes_of(int(group[5:7]))}
    for name in questions[0][1]:
        assert name in known_here
        for expected, wrong in questions:
            with np.errstate(all="ignore"):
                given = {other: compute() for other, compute in wrong.items()}
            if agree(given[name], expected):
                continue
            same = [o for o, actual in given.items() if agree(given[name], actual)]
            assert same[0] == name
            break
        else:
            pytest.fail(f"{name} gives the right answer everywhere")


@pytest.mark.parametrize("number", [3, 4, 5, 6, 7, 9, 10, 11])
def test_mistakes_in_parameters(number):
    """Every change of parameters is found by its name."""
    cases = cases_of(number)
    for mistake in mistakes_of(number):
        if not (mistake.shapes or mistake.blocks or mistake.names_exchanged):
            continue
        found = []
        for case, expected in cases.items():
            right = {name: list(w.shape) for name, w in expected.weights.items()}
            wrong = changed(mistake, right, case.sizes)
            found.append(Parameters(case.sizes, right, wrong))
        assert find_parameters(number, found) == mistake


@pytest.mark.parametrize(
    ("actual", "name"),
    [
        ({"fc.weight": [3, 2], "fc.bias": [3]}, "misspelled-name"),
        ({"c_fc.weight": [3, 2]}, "bias-missing"),
        ({"c_fc.weight": [3, 2], "c_fc.bias": [3], "more": [1]}, "extra-parameter"),
        ({"c_fc.weight": [2, 3], "c_fc.bias": [2]}, "sizes-exchanged"),
        ({"c_fc.weight": [2, 3], "c_fc.bias": [3]}, "weight-transposed"),
        ({"c_fc.weight": [3, 2], "c_fc.bias": [1]}, "wrong-size"),
    ],
)
def test_mistakes_in_any_parameters(actual, name):
    """Those that every step can have."""
    right = {"c_fc.weight": [3, 2], "c_fc.bias": [3]}
    assert find_in_parameters(Parameters({}, right, actual))[0] == name


def test_two_at_once():
    """Two mistakes made together are both found."""
    cases = cases_of(7)
    together = {"scale": "none", "merge": "reshape only"}
    found = find(7, answers_of(7, cases, together), close)
    assert {one.id for one in found} == {"not-scaled", "heads-merged-without-transpose"}


def test_unknown():
    """What no mistake explains is not explained."""
    answers = [
        Answer(case, expected, 1.1 * expected.output)
        for case, expected in cases_of(7).items()
    ]
    assert find(7, answers, close) == ()


def spoiled(number, is_wrong):
    """Right answers, but for the cases that are to be wrong."""
    return [
        Answer(case, expected, expected.output * (1.1 if is_wrong(case) else 1))
        for case, expected in cases_of(number).items()
    ]


@pytest.mark.parametrize(
    ("is_wrong", "expected"),
    [
        (lambda case: case.batch > 1, "Only batches of several sequences"),
        (lambda case: case.length > 6, "Inputs of 7 tokens and more"),
        (lambda case: case.size == "narrow", "n_inner=None, layer_norm_epsilon=0.05"),
        (lambda case: True, "^$"),
    ],
)
def test_which_cases(is_wrong, expected):
    """What wrong cases have in common is said."""
    assert re.search(expected, which_cases(spoiled(7, is_wrong), close))


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (np.s_[1:], "Only sequence 1 differ"),
        (np.s_[:, 3:], "Only positions 3 to 6 differ"),
        (np.s_[:, 0, :4], "Only position 0 and columns 0 to 3 differ"),
        (np.s_[:], "^$"),
    ],
)
def test_which_places(place, expected):
    """Where in the output the difference is, is said."""
    wrong = np.zeros((2, 7, 48), dtype=bool)
    wrong[place] = True
    assert re.search(expected, which_places(wrong))


@pytest.mark.parametrize("number", [7, 9, 10, 11])
def test_parts(number):
    """The parts of a module are right by themselves, and a wrong one is found."""
    for case, expected in cases_of(number).items():
        found = parts(number, case, expected)
        right = first_wrong_part(found, lambda part: part.output, close)
        assert "Each part by itself is right" in right
        last = found[-1]
        wrong = first_wrong_part([last], lambda part: part.output + 1, close)
        assert wrong.startswith(f"self.{last.name},")


def test_ids():
    """Each has an id of its own, which serves as an anchor; there are enough."""
    ids = [one.id for table in all_mistakes().values() for one in table]
    assert [name for name, n in collections.Counter(ids).items() if n > 1] == []
    assert all(name == name.lower() and " " not in name for name in ids)
    assert len(ids) >= 60
    print(f"\n{len(ids)} known mistakes")


def test_texts():
    """Each says in whole sentences what is wrong and why, to the reader."""
    for table in all_mistakes().values():
        for mistake in table:
            assert mistake.what.endswith("."), mistake.id
            assert mistake.why.endswith("."), mistake.id
            assert mistake.look, mistake.id
            assert re_you(mistake.what), mistake.id


def re_you(text):
    return any(word in text for word in ("You", "you", "generate_tokens", "A layer"))


def test_markdown():
    """The book's page has a section for each step, and an anchor for each mistake."""
    page = to_markdown()
    for step in ALL_STEPS:
        assert f"## {step.heading}" in page
    for table in all_mistakes().values():
        for mistake in table:
            assert f"{{#{mistake.id}}}" in page
    assert len(mistakes_of(0)) > 5


@pytest.mark.parametrize(
    ("steps", "unneeded"),
    [
        ([*STEPS[:17], *SIDE_STEPS], ("course.check.mistakes", "torch")),
        # MAX's server imports torch itself.
        pytest.param(
            [STEPS[17]], ("course.check.mistakes",), marks=pytest.mark.thorough
        ),
    ],
    ids=["steps 01 to 17 and beside", "step 18"],
)
def test_right_answers_load_no_mistakes(steps, unneeded):
    """What decides that a step is right is no mistake's: none is imported, nor torch.

    Without the checks that compile, which compare in the same way.
    """
    code = (
        "import sys, pytest, course\n"
        "assert pytest.main(sys.argv[1:]) == 0\n"
        f"loaded = sys.modules.keys() & {set(unneeded)}\n"
        "assert not loaded, loaded"
    )
    checks = [str(step.check) for step in steps]
    options = ["-q", "-p", "no:cacheprovider", "--solutions", "-m", "not at_the_end"]
    for _ in range(2):  # The first time, Hugging Face may have to be asked.
        ran = subprocess.run(
            [sys.executable, "-c", code, *options, *checks],
            cwd=ROOT,
            env=dict(os.environ),  # MAX sets PYTHONEXECUTABLE behind Python's back.
            capture_output=True,
        )
        if ran.returncode == 0:
            return
    pytest.fail((ran.stdout + ran.stderr).decode())


def quoted_line(mutant, name, path):
    """The number of the line that is quoted for a mistake; 0 if none is."""
    path.write_text(mutant.source)
    mistake = get_mistake(mutant.step, name)
    step = types.SimpleNamespace(__file__=str(path))
    found = quote(step, mistake.lines, mistake.within)
    return int(found.partition("│")[0]) if found else 0


def test_quoted_lines(tmp_path):
    """What is quoted was changed, or else is where something is missing."""
    beside = {
        name
        for mutant in KNOWN
        for name in (mutant.mistake or "").split("+")
        if name
        and (number := quoted_line(mutant, name, tmp_path / "step.py"))
        and number not in changed_lines(mutant)
    }
    assert beside == {
        "activation-twice",  # The first of the two.
        "attention-half-twice",
        "head-axis-not-moved",  # The reshape after which it should be moved.
        "heads-not-split",  # The call has several lines.
        "ids-not-int64",  # The check knows in which function it is.
        "token-with-other-axes",  # The check knows how the token was chosen.
        "heads-not-merged",  # Where merge_heads is called: it may itself be wrong.
        "initial-values",  # The check knows which of the two it is.
        "mask-hides-itself",  # The mutant has a mask of its own.
        "mask-one-too-late",
        "newest-token-ignored",  # The loop.
        "no-activation",  # What comes before it.
        "no-mask",  # The softmax, before which it should be added.
        "no-softmax",
        "not-a-dataclass",  # The class.
        "past-columns-missing",
        "rng-ignored",  # The check knows which of the two functions it is.
        "rng-required",
        "temperature-not-handed-on",  # The call has several lines.
    }
