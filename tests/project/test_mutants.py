"""Solutions changed on purpose: what changes behavior is rejected, mistakes are named.

Two kinds: every known mistake written as code (`mutants/known.py` and
`mutants/known_part_two.py`), and changes made mechanically from the syntax tree
(`mutants/mechanical.py`), in the steps whose checks make MAX compile no graph. None of
these is sampled; two warm processes share the work.
"""

import pytest

from course.check.mistakes.mistake import all_mistakes
from tests.project.mutants.equivalent import EQUIVALENT
from tests.project.mutants.known import KNOWN
from tests.project.mutants.known_part_two import COMPILED_ONLY, KNOWN_PART_TWO
from tests.project.mutants.mechanical import mechanical
from tests.project.mutants.mutant import difference
from tests.project.mutants.pool import Pool

WRITTEN = [*KNOWN, *KNOWN_PART_TWO]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What the checks found, by mutant."""
    folder = tmp_path_factory.mktemp("mutants")
    mutants = [*WRITTEN, *mechanical()]
    paths = {mutant: folder / f"{mutant.name}.py" for mutant in mutants}
    for mutant, path in paths.items():
        path.write_text(mutant.source)
    results = Pool().check([(mutant.step, path) for mutant, path in paths.items()])
    return {mutant: results[path] for mutant, path in paths.items()}


def same_mistakes(one, other):
    """Whether two diagnoses name the same mistakes, in whatever order."""
    return set((one or "").split("+")) == set((other or "").split("+"))


def test_known_mistakes_are_named(checked):
    """Each known mistake is rejected, and the diagnosis is the right one."""
    wrong = {}
    for mutant in WRITTEN:
        failure = checked[mutant].first_failure
        found = failure.mistake if failure else "accepted"
        if failure is None or (
            mutant.mistake and not same_mistakes(found, mutant.mistake)
        ):
            wrong[mutant.name] = found
    print(
        f"\nknown mistakes: {len(WRITTEN)}, rightly named: {len(WRITTEN) - len(wrong)}"
    )
    assert wrong == {}


def test_whatever_changes_behavior_is_rejected(checked):
    """Of the mechanical mutants, those accepted are those known to be equivalent."""
    mutants = [mutant for mutant in checked if mutant not in WRITTEN]
    accepted = {difference(m) for m in mutants if checked[m].passed}
    named = sum(
        bool(checked[m].checks and checked[m].first_failure.mistake)
        for m in mutants
        if not checked[m].passed
    )
    rejected = len(mutants) - len(accepted)
    print(
        f"\nmechanical mutants: {len(mutants)}, rejected: {rejected}"
        f" ({named} with a diagnosis), equivalent: {len(accepted)}"
    )
    assert accepted - EQUIVALENT.keys() == set(), "accepted, though not equivalent"
    assert EQUIVALENT.keys() - accepted == set(), "called equivalent, but rejected"


def test_no_exception_of_the_tool(checked):
    """Whatever the mutant, the report has no line of the tool's own code in it."""
    for mutant, result in checked.items():
        for check in result.checks:
            assert "Traceback" not in check.message, mutant.name
            assert "course/check" not in check.message, mutant.name


def test_enough():
    """At least 150 mutants; every mistake without an operation of its own is there."""
    assert len(WRITTEN) + len(mechanical()) >= 150
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
