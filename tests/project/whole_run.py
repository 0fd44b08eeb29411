"""A run of the project's tests: what is left out, in which order, and what is said.

`make test` runs a part that is worth waiting for before each commit, `make test-all`
everything. With pytest-xdist, several processes share the work; tests that share
something that is dear, such as a server, are one group and stay in one process.
"""

from collections import Counter

import pytest

from course.resources import free_memory, usable_cores

MEMORY = 3_500_000_000
"""What one process of tests takes with its server and its browser, in bytes."""

THOROUGH = "takes long: `make test-all` runs it"

# These ask a server on the demo model, which they need not compile side by side.
SERVED = ("test_serve", "test_serve_api", "test_serve_page")

# Of these, each case can be in whichever process is free.
BY_CASE = ("test_mutants", "test_slips", "test_unfinished", "test_variants")

# The groups that take longest, the more so where nothing is compiled yet. (What is
# begun last should be short; what is compiled once is not begun twice.)
FIRST = (
    "served",
    *("test_step_15", "test_step_14", "test_step_17", "test_generate", "test_step_18"),
    *("test_model_kinds", "test_book_browser", "test_watch"),
)

MARKS = (
    "thorough: takes long, and is for `make test-all`",
    "sample(every): `make test` runs every so many of the cases, from the first one",
)


def leave_out(items):
    """Skip what is only for `make test-all`."""
    cases = Counter()
    for item in items:
        if sample := item.get_closest_marker("sample"):
            case = item.path, item.originalname
            if cases[case] % sample.args[0]:
                item.add_marker("thorough")
            cases[case] += 1
        if item.get_closest_marker("thorough"):
            item.add_marker(pytest.mark.skip(reason=THOROUGH))


def group_of(nodeid):
    """What a test must be in one process with, by its ID: as a rule, its file."""
    path, _, name = nodeid.partition("::")
    stem, case = path.rpartition("/")[2].removesuffix(".py"), name.partition("[")[2]
    if stem in SERVED:
        return "served"
    if name.startswith("test_report["):  # Compiles what the step's check does.
        return f"test_{case.removesuffix(']')}"
    return f"{stem}[{case}" if stem in BY_CASE and case else stem


def arrange(items):
    """Put tests of a group behind each other, and the long groups first."""
    groups = {item: group_of(item.nodeid) for item in items}
    names = list(dict.fromkeys([*FIRST, *groups.values()]))
    items.sort(key=lambda item: names.index(groups[item]))


def processes():
    """How many processes of tests this machine has cores and memory for."""
    free = free_memory()
    cores = usable_cores()
    return cores if free is None else max(1, min(cores, free // MEMORY))


def reasons(skipped):
    """Why tests were skipped, and how many for each reason, the most frequent first."""
    counts = Counter(
        report.longrepr[2].removeprefix("Skipped: ")
        for report in skipped
        if isinstance(report.longrepr, tuple)
    )
    del counts["not reached"]  # A check of a step that has failed before.
    return counts.most_common()
