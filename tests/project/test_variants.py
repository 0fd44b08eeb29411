"""Right implementations in many styles: a check that rejects one is itself wrong."""

import pytest

from tests.project.mutants.pool import Pool
from tests.project.mutants.variants import VARIANTS
from tests.project.mutants.variants_part_two import VARIANTS_PART_TWO

EVERY = [*VARIANTS, *VARIANTS_PART_TWO]


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """What the checks found, by variant."""
    folder = tmp_path_factory.mktemp("variants")
    paths = {v: folder / f"variant_{i}.py" for i, v in enumerate(EVERY)}
    for variant, path in paths.items():
        path.write_text(variant.source)
    results = Pool().check([(variant.step, path) for variant, path in paths.items()])
    return {variant: results[path] for variant, path in paths.items()}


@pytest.mark.parametrize("variant", EVERY, ids=lambda variant: variant.name)
def test_accepted(checked, variant):
    """It passes, whatever its style."""
    failure = checked[variant].first_failure
    assert failure is None, f"{failure.name}: {failure.message}"


def test_enough(checked):
    """There are at least 80."""
    accepted = sum(result.passed for result in checked.values())
    print(f"\nvariants: {len(EVERY)}, accepted: {accepted}")
    assert len(EVERY) >= 80
