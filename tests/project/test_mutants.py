"""Solutions changed on purpose: what changes behavior is rejected, mistakes are named.

Two kinds: every known mistake written as code (`mutants/known.py` and
`mutants/known_part_two.py`), and changes made mechanically from the syntax tree
(`mutants/mechanical.py`), in the steps whose checks make MAX compile no graph. None of
these is sampled in `make test-all`.
"""

import pytest

from course.check.mistakes.table import all_mistakes
from tests.project.mutants.equivalent import EQUIVALENT
from tests.project.mutants.known import KNOWN
from tests.project.mutants.known_bpe import KNOWN_BPE
from tests.project.mutants.known_mojo import KNOWN_MOJO
from tests.project.mutants.known_part_two import COMPILED_ONLY, KNOWN_PART_TWO
from tests.project.mutants.mechanical import STEPS_WITHOUT_GRAPHS, mechanical
from tests.project.mutants.mutant import difference
from tests.project.mutants.portions import portions, steps_of

WRITTEN = [*KNOWN, *KNOWN_PART_TWO, *KNOWN_MOJO, *KNOWN_BPE]


@pytest.fixture(scope="module", params=portions(steps_of(WRITTEN)))
def mistaken(request, checks, tmp_path_factory):
    """What the checks found of known mistakes."""
    mutants = request.param.of(WRITTEN, every=20)
    return checks.check(mutants, tmp_path_factory.mktemp("mistaken"))


@pytest.fixture(scope="module", params=portions(STEPS_WITHOUT_GRAPHS))
def mutated(request, checks, tmp_path_factory):
    """What the checks found of mechanical mutants."""
    mutants = request.param.of(mechanical(request.param.step), every=80)
    return checks.check(mutants, tmp_path_factory.mktemp("mutated"))


def same_mistakes(one, other):
    """Whether two diagnoses name the same mistakes, in whatever order."""
    return set((one or "").split("+")) == set((other or "").split("+"))


def test_known_mistakes_are_named(mistaken):
    """Each known mistake is rejected, and the diagnosis is the right one."""
    wrong = {}
    for mutant, result in mistaken.items():
        failure = result.first_failure
        found = failure.mistake if failure else "accepted"
        if failure is None or (
            mutant.mistake and not same_mistakes(found, mutant.mistake)
        ):
            wrong[mutant.name] = found
    assert wrong == {}
    assert_words_of_the_reader(mistaken)


def test_whatever_changes_behavior_is_rejected(mutated):
    """Of the mechanical mutants, those accepted are those known to be equivalent."""
    differences = {mutant: difference(mutant) for mutant in mutated}
    accepted = {differences[m] for m, result in mutated.items() if result.passed}
    equivalent = EQUIVALENT.keys() & differences.values()
    assert accepted - equivalent == set(), "accepted, though not equivalent"
    assert equivalent - accepted == set(), "called equivalent, but rejected"
    assert_words_of_the_reader(mutated)


def assert_words_of_the_reader(checked):
    """Whatever the mutant, the report has no line of the tool's own code in it."""
    for mutant, result in checked.items():
        for check in result.checks:
            assert "Traceback" not in check.message, mutant.name
            assert "course/check" not in check.message, mutant.name


def test_enough():
    """At least 150 mutants; every mistake without an operation of its own is there."""
    mutants = [m for step in STEPS_WITHOUT_GRAPHS for m in mechanical(step)]
    assert len(WRITTEN) + len(mutants) >= 150
    assert EQUIVALENT.keys() <= {difference(mutant) for mutant in mutants}
    ids = {m.id for table in all_mistakes().values() for m in table}
    made = {name for m in WRITTEN if m.mistake for name in m.mistake.split("+")}
    assert made <= ids
    assert ids - made == NOT_MADE | COMPILED_ONLY


# These would need an operation compiled for them alone; test_mistakes.py has their
# numbers.
NOT_MADE = {
    "log-softmax-of-logits",
    "relu",
}
