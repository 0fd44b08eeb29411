"""Files that a learner may have by accident: one clear sentence, and no traceback."""

import json
import re

import pytest

from course.skeleton import make_skeleton
from course.steps import ROOT, STEPS, get_step
from tests.project.conftest import solution_with

LAST = "return self.c_proj(self.merge_heads(attended))"
FIRST = "        query, key, value = F.split("


@pytest.fixture
def check(checks):
    """Check a file as step 7: the message of what fails first."""

    def run(path):
        return message_of(checks.check_file(7, path).to_json())

    return run


def message_of(answer):
    assert answer["step"] == 7
    failed = [check for check in answer["checks"] if not check["passed"]]
    assert answer["passed"] == (not failed)
    return failed[0]["message"] if failed else None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00", "not UTF-8 text: byte 0"),
        (b"def f(:\n", "not valid Python: invalid syntax, line 1"),
        (b"x = 1\n  y = 2\n", "unexpected indent, line 2"),
        (b"import sys\nsys.exit(0)\n", "calls sys.exit()"),
        (b"raise ValueError('boom')\n", r"ValueError: boom\n\s+1 │ raise ValueError"),
        (b"import no_such_module\n", "No module named 'no_such_module'"),
        (b"x = 1\n", "defines no `GPT2MultiHeadAttention`"),
        (b"GPT2MultiHeadAttention = 3\n", "TypeError"),
        (
            b"class GPT2MultiHeadAttention:\n  def __init__(self, c): 0\n",
            "not a MAX mod",
        ),
    ],
    ids=lambda value: repr(value)[:30] if isinstance(value, bytes) else "",
)
def test_broken_file(check, tmp_path, content, expected):
    """The file as a whole is broken."""
    path = tmp_path / "broken.py"
    path.write_bytes(content)
    assert re.search(expected, check(path))


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (LAST, "pass", "forward returns None"),
        (LAST, LAST + ".to_numpy()", "returns a numpy.ndarray, not a MAX Tensor"),
        (LAST, LAST + "[:, :1]", r"returns the shape \[2, 1, 48\]"),
        (LAST, LAST + " * float('nan')", "is NaN"),
        (LAST, "raise SystemExit(0)", "calls sys.exit()"),
        (
            LAST,
            LAST + " + undefined",
            r"NameError.*\n(.*\n)*\s+\d+ │ return self.c_proj",
        ),
        (FIRST, "        import os; os._exit(0)\n" + FIRST, "os._exit"),
        (FIRST, "        import ctypes; ctypes.string_at(0)\n" + FIRST, "SIGSEGV"),
        ("    def merge_heads", "    def merge", "has no attribute 'merge_heads'"),
        ("3 * config.n_embd)", "2 * config.n_embd)", r"shape \[96, 48\]; GPT-2 has"),
    ],
)
def test_wrong_code(check, tmp_path, old, new, expected):
    """The file can be imported, but its code goes wrong."""
    message = check(solution_with(7, old, new, tmp_path))
    assert re.search(expected, message), message


def test_torch_output(check, tmp_path):
    """A torch tensor is no MAX tensor, however right its numbers."""
    new = f"import torch; return torch.from_numpy(({LAST[7:]}).to_numpy().copy())"
    message = check(solution_with(7, LAST, new, tmp_path))
    assert "torch.Tensor, not a MAX Tensor" in message


@pytest.mark.parametrize("place", [FIRST, "class GPT2MultiHeadAttention"])
def test_endless_loop(course, tmp_path, place):
    """An endless loop is stopped, and its line is shown."""
    indent = place[: len(place) - len(place.lstrip())]
    path = solution_with(7, place, f"{indent}while True: pass\n{place}", tmp_path)
    ran = course("check", 7, "--file", path, "--json", COURSE_TIME_LIMIT="3")
    assert ran.status == 1
    message = message_of(json.loads(ran.out))
    assert re.search(r"still running after 3 seconds.*\n\s+\d+ │ while True", message)


def test_a_megabyte_of_output(course, check, tmp_path):
    """Printing is no mistake; the report shows the beginning."""
    path = solution_with(7, FIRST, f"        print('x' * 1_000_000)\n{FIRST}", tmp_path)
    assert check(path) is None
    report = course("check", 7, "--file", path).out
    assert "Your code printed" in report
    assert len(report) < 5000


def test_printing_a_tensor(course, tmp_path):
    """Looking at numbers on the way works, and shows them."""
    new = f"        print(hidden_states.to_numpy().shape)\n{FIRST}"
    assert (
        "(2, 7, 48)"
        in course("check", 7, "--file", solution_with(7, FIRST, new, tmp_path)).out
    )


def test_missing_step_file(course, tmp_path):
    """A file that is not there is misuse as --file, and a failure as a step."""
    ran = course("check", 7, "--file", tmp_path / "no.py")
    assert ran.status == 2
    assert "there is no such file" in ran.err


BEYOND = str(len(STEPS) + 1)


@pytest.mark.parametrize(
    "arguments",
    [("0",), (BEYOND,), ("-1",), ("x",), (), ("7", "--all"), ("7", "--device", "tpu")],
)
def test_misuse(course, arguments):
    """Misuse has the exit status 2 and says what would be right."""
    ran = course("check", *arguments)
    assert ran.status == 2
    assert ran.err


def test_isolation(course, tmp_path):
    """Only the step itself is judged: its siblings are the solutions."""
    source = (ROOT / "solutions" / "solution_09.py").read_text()
    path = tmp_path / "step_09.py"
    path.write_text(source.replace("solution_", "step_"))
    (tmp_path / "step_03.py").write_text("raise SystemExit")
    assert course("check", 9, "--file", path).status == 0


BEGUN = {
    # What is wrong in what has been done, though more is to be done.
    "self.c_attn = Linear(config.n_embd, config.n_embd)": "Your c_attn makes n_embd",
    "self.c_attn = Linear(config.n_embd, 3 * config.n_head)": "c_attn.weight is",
    "self.c_attn = Linear(config.n_embd)": "TypeError: .*missing",
    # What only is not done yet is no mistake.
    "self.c_attn = Linear(config.n_embd, 3 * config.n_embd)": "^not done yet",
    "self.c_attn = None": "^not done yet",
}


@pytest.mark.parametrize("line", BEGUN)
def test_begun(check, tmp_path, line):
    """A skeleton of which one line has been written."""
    imported = "from max.experimental.nn import Module"
    source = make_skeleton(get_step(7)).replace("self.c_attn = None", line)
    path = tmp_path / "begun.py"
    path.write_text(source.replace(f"\n{imported}", f"\n{imported}, Linear"))
    message = check(path)
    assert re.search(BEGUN[line], message)
    assert "not done yet: line" in message
