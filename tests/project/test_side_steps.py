"""A step beside the course is checked like the others, and counted nowhere."""

import json

import pytest

from course.check.report import as_text
from course.check.result import Check, StepResult
from course.check.runner import run_checks
from course.errors import Misuse
from course.progress import standing
from course.steps import SIDE_STEPS, STEPS, get_step, parse_step
from course.watch.session import Session

[BPE] = SIDE_STEPS


def test_names():
    """It has a name where the others have a number; numbers may be typed either way."""
    assert parse_step("bpe") == get_step("bpe") == BPE
    assert parse_step("7") == parse_step("07") == STEPS[6]
    assert (BPE.label, BPE.module, BPE.task) == ("bpe", "step_bpe", "bpe")
    for wrong in ("x", "0", "21", "-1", "BPE", ""):
        with pytest.raises(Misuse, match="the steps are 1 to 20, and bpe"):
            parse_step(wrong)


def test_json(course):
    """In JSON, its name stands in the place of the number."""
    ran = course("check", "bpe", "--solutions", "--json")
    found = json.loads(ran.out)
    assert (ran.status, found["step"], found["passed"]) == (0, "bpe", True)


def test_not_counted():
    """No count of all steps has it, and nothing leads to it that leads on."""
    assert [one.step for one in standing.look_at_all()] == list(STEPS)


def test_watched_by_itself():
    """`course watch bpe` stays with it; when it is right, all is."""
    session = Session((BPE,), BPE)
    session.go_by(1)
    assert session.current == BPE
    right = Check("pieces", passed=True)
    session.verdict(StepResult("bpe", BPE.title, "step_bpe.py", [right]), 0.1)
    assert session.all_right


def test_leads_back_to_the_course():
    """Whoever is done with it is shown the way to the list of steps."""
    [result] = [
        event
        for event in run_checks([BPE], solutions=True, device="cpu")
        if isinstance(event, StepResult)
    ]
    assert "Right. Next: course list" in as_text(result)
