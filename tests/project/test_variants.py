"""Right implementations in many styles: a check that rejects one is itself wrong."""

import pytest

from tests.project.mutants.known_bpe import VARIANTS_BPE
from tests.project.mutants.portions import portions, steps_of
from tests.project.mutants.variants import VARIANTS
from tests.project.mutants.variants_part_two import VARIANTS_PART_TWO

EVERY = [*VARIANTS, *VARIANTS_PART_TWO, *VARIANTS_BPE]
COMPILED = (14, 15, 17, 18, 20)


@pytest.fixture(scope="module", params=portions(steps_of(EVERY), COMPILED))
def checked(request, checks, tmp_path_factory):
    """What the checks found, by variant."""
    variants = request.param.of(EVERY, every=8)
    return checks.check(variants, tmp_path_factory.mktemp("variants"))


def test_accepted(checked):
    """They pass, whatever their style."""
    rejected = {v: r.first_failure for v, r in checked.items() if not r.passed}
    assert {
        v.name: failure and failure.message for v, failure in rejected.items()
    } == {}


def test_enough():
    """There are at least 80."""
    assert len(EVERY) >= 80
