"""What `course bench --serve` works out, and its two servers for a moment."""

import io

import pytest
from rich.console import Console

from course.bench.clients import LLAMA_CPP, OPENAI, TimedAnswer, ask_all
from course.bench.latency import figures, gaps, percentiles, speedup
from course.bench.serving import (
    DEMO,
    LLAMA,
    OURS,
    THEIRS,
    label,
    plan_for,
    same_text,
    server,
)
from course.bench.serving_table import print_table
from course.steps import DEMO_MODEL

# Two texts that overlap; of the second, two tokens come in one piece.
ANSWERS = [
    TimedAnswer("a", 10.0, [(10.5, (7,)), (10.6, (8,)), (10.8, (9,))]),
    TimedAnswer("b", 10.2, [(10.9, (4,)), (11.5, (5, 6))]),
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


def test_same_text():
    """Whether each prompt has one text, whoever wrote it, in whatever company."""
    other = TimedAnswer("a", 0.0, [(0.1, (7, 8)), (0.2, (9,))])
    wrong = TimedAnswer("a", 0.0, [(0.1, (7, 8)), (0.2, (1,))])
    assert same_text({1: ANSWERS}, {1: [other], 8: ANSWERS})
    assert not same_text({1: ANSWERS}, {1: [other], 8: [wrong]})


def test_table_shows_every_number_of_clients():
    by_clients = {str(clients): figures(ANSWERS) for clients in DEMO.clients}
    names = [OURS, THEIRS, label(OURS, "int8"), label(LLAMA, "int8")]
    results = {
        "model": "a model",
        "new_tokens": 3,
        "servers": dict.fromkeys(names, by_clients),
        "generate": {"course generate": [3, 8, 5], "course generate int8": [10]},
        "same_text": {OURS: True, THEIRS: False},
        "speedup_at_8": {OURS: 5.432, THEIRS: 1.0},
    }
    console = Console(file=io.StringIO(), width=100)
    print_table(results, console)
    shown = console.file.getvalue()
    rows = [line.split() for line in shown.splitlines()]
    ends = [row[-6:] for row in rows]
    for clients in DEMO.clients:
        row = [str(clients), "4", "600", "698", "250", "300"]
        assert ends.count(row) == len(names), shown
    assert "5.43" in shown
    assert "course serve, 1 client: 0.80 of course generate's 5 tokens per" in shown
    assert "course serve int8, 8 clients: 1.00 times llama.cpp int8" in shown
    assert f"{THEIRS}: not always the text of course serve" in shown
    assert f"{OURS}: not always" not in shown


def test_plan_without_llama_cpp(monkeypatch):
    """Who is not installed is left out, and that is said."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    console = Console(file=io.StringIO(), width=100)
    plan = plan_for(str(DEMO_MODEL), console)
    assert LLAMA not in plan.servers
    assert "pip install xllamacpp" in console.file.getvalue()
    assert plan.dtypes() == ["float32", "bfloat16", "int8"]
    assert all(0 <= token < 1536 for prompt in plan.prompts for token in prompt)


@pytest.mark.thorough
def test_servers_write_the_same():
    """Greedily, with the texts of `course serve` in one batch."""
    plan = plan_for(str(DEMO_MODEL), Console(file=io.StringIO()))
    answers = {}
    for name in plan.servers:
        api = LLAMA_CPP if name == LLAMA else OPENAI
        with server(name, plan) as process:
            answers[name] = ask_all(process.port, plan.prompts, 4, 8, api=api)
    assert len(answers) >= 2
    for others in answers.values():
        assert same_text({4: answers[OURS]}, {4: others})
