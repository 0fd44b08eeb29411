"""What `course bench --serve` works out, and its two servers for a moment."""

import io

import pytest
from rich.console import Console

from course.bench.clients import TimedAnswer, ask_all
from course.bench.latency import figures, gaps, percentiles, speedup
from course.bench.serving import CLIENTS, OURS, PROMPTS, THEIRS, server
from course.bench.serving_table import print_table

# Two texts that overlap; of the second, two tokens come in one piece.
ANSWERS = [
    TimedAnswer("a", 10.0, [(10.5, 1), (10.6, 1), (10.8, 1)], "one two three"),
    TimedAnswer("b", 10.2, [(10.9, 1), (11.5, 2)], "four five six"),
]


def test_figures():
    of = figures(ANSWERS)
    assert of["tokens_per_second"] == pytest.approx(6 / 1.5)
    assert of["first"]["p50"] == pytest.approx(0.6)
    assert of["between"]["p50"] == pytest.approx(0.25)
    assert 0.29 < of["between"]["p99"] <= 0.3


def test_tokens_of_one_piece_share_the_time():
    assert gaps(ANSWERS[0]) == pytest.approx([0.1, 0.2])
    assert gaps(ANSWERS[1]) == pytest.approx([0.3, 0.3])


def test_percentiles():
    assert percentiles(range(101)) == {"p50": 50, "p99": 99}


def test_speedup():
    by_clients = {"1": {"tokens_per_second": 200}, "8": {"tokens_per_second": 900}}
    assert speedup(by_clients, 8) == 4.5


def test_table_shows_every_number_of_clients():
    by_clients = {str(clients): figures(ANSWERS) for clients in CLIENTS}
    results = {
        "new_tokens": 3,
        "servers": {OURS: by_clients, THEIRS: by_clients},
        "same_text": True,
        "speedup_at_8": {OURS: 5.432, THEIRS: 1.0},
    }
    console = Console(file=io.StringIO(), width=100)
    print_table(results, console)
    shown = console.file.getvalue()
    rows = [line.split() for line in shown.splitlines()]
    ends = [row[-6:] for row in rows]
    for clients in CLIENTS:
        row = [str(clients), "4", "600", "698", "250", "300"]
        assert ends.count(row) == 2, shown
    assert "5.43" in shown


@pytest.mark.thorough
def test_both_servers_write_the_same():
    """Greedily, with the texts of `course serve` in one batch."""
    with server(OURS) as ours, server(THEIRS) as theirs:
        of_ours = ask_all(ours.port, PROMPTS, clients=4, new_tokens=8)
        of_theirs = ask_all(theirs.port, PROMPTS, clients=4, new_tokens=8)
    assert [answer.text for answer in of_ours] == [answer.text for answer in of_theirs]
    assert all(answer.tokens == 8 for answer in [*of_ours, *of_theirs])
