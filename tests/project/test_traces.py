"""Beside what step 18 is checked: traces of MAX's own scheduler and cache manager."""

import pytest

from course.check.mistakes.wrong_serving import MISTAKES, batches
from course.check.replay import expected
from course.check.traces import record, traces

ALL = [*traces(leaving=False), *traces(leaving=True)]


def test_recorded_again():
    """What is kept is what MAX does; it does the same each time."""
    for leaving in (False, True):
        assert record(3, leaving=leaving) == traces(leaving=leaving)[3]


def test_what_happens():
    """Everything happens that the check is about, and often."""
    moments = [(trace, moment) for trace in ALL for moment in trace.moments]
    full = [m for t, m in moments if len(m.batch) == t.max_batch_size]
    waits = [m for _, m in moments if m.batch and m.refused]
    stuck = [m for _, m in moments if not m.batch]
    # Prompts beside texts that go on.
    mixed = [m for m in full if m.positions[0] > 0 and 0 in m.positions]
    for found in (full, waits, [m for _, m in moments if m.leave]):
        assert len(found) > 50
    assert len(mixed) > 20
    assert len(stuck) > 10
    assert {trace.page_size for trace in ALL} == {1, 2, 4, 8}


def test_pages_of_a_text():
    """No page belongs to two texts, and none is lost."""
    for trace in ALL:
        for moment in trace.moments:
            pages = [page for table in moment.tables.values() for page in table]
            assert len(set(pages)) == len(pages) == trace.pages - moment.free


def test_scheduler_without_a_mistake():
    """The scheduler that mistakes are made in does what MAX's does."""
    for trace in ALL:
        assert batches(trace, None) == [expected(moment) for moment in trace.moments]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_show(mistake):
    """Each mistake shows in some trace."""
    assert any(
        batches(trace, mistake) != [expected(moment) for moment in trace.moments]
        for trace in ALL
    )
