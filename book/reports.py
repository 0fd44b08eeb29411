"""The reports that the book shows, printed by the checks themselves.

`python -m book.reports` writes them; with --check it compares and writes nothing.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from book.generated import SOURCE, write_or_check
from course.check.report import as_text
from course.check.result import StepResult
from course.check.runner import run_checks
from course.skeleton import finished, make_skeleton, read_tasks, take_out
from course.steps import Step, StepId, get_step


def check(number: StepId, source: str) -> StepResult:
    """Check a text as if it were the reader's file."""
    step = get_step(number)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{step.module}.py"
        path.write_text(source, "utf-8")
        found = [e for e in run_checks([step], file=path) if isinstance(e, StepResult)]
    [result] = found
    result.file = f"steps/{step.module}.py"
    for each in result.checks:
        each.message = each.message.replace(folder, "steps")
    return result


def report(number: StepId, source: str) -> str:
    """What is printed about a text as if it were the reader's file."""
    return as_text(check(number, source)) + "\n"


def begun(step: Step, count: int) -> str:
    """The reader's file with so many TODOs done."""
    return take_out(finished(step), read_tasks(step).todos[count:], step)


def up_to_task(step: Step, number: int) -> int:
    """How many TODOs belong to the first tasks of a step."""
    return sum(todo.task <= number for todo in read_tasks(step).todos)


# Of each chapter, a usual mistake: what is right in the file, and what is written.
MISTAKES: dict[StepId, tuple[str, str]] = {
    2: ("num_upper=num_tokens", "num_upper=0"),
    3: ("epsilon=self.eps", "epsilon=1e-5"),
    4: ('F.gelu(hidden_states, approximate="tanh")', "F.gelu(hidden_states)"),
    5: (
        "Embedding(config.vocab_size, dim=config.n_embd)",
        "Embedding(config.n_embd, dim=config.vocab_size)",
    ),
    6: ("self.wpe(positions)", "self.wpe(input_ids)"),
    7: ("/ math.sqrt(self.head_dim)", "/ self.head_dim"),
    8: ("x + sublayer(layer_norm(x))", "layer_norm(x + sublayer(x))"),
    9: ("self.ln_2, self.mlp)", "self.ln_1, self.mlp)"),
    10: (
        "*(GPT2Block(config) for _ in range(config.n_layer))",
        "*[GPT2Block(config)] * config.n_layer",
    ),
    11: (", bias=False)", ")"),
    12: ("F.softmax(logits / temperature)", "F.softmax(logits * temperature)"),
    13: (" for name in fields if name in saved", " for name in fields"),
    14: ("lm_head(hidden_states[:, -1:, :])", "lm_head(hidden_states)[:, -1:, :]"),
    15: ("F.concat([self.keys, key]", "F.concat([key, self.keys]"),
    16: (
        """np.where(
        logits[seen] < 0, logits[seen] * penalty, logits[seen] / penalty
    )""",
        "logits[seen] / penalty",
    ),
    18: ("-(-len(text) // self.page_size)", "len(text) // self.page_size"),
    19: ("roll_back(len(tokens) - 1)", "roll_back(len(tokens))"),
    20: (
        "if began > self.last_failure:\n            pause",
        "if now > self.last_failure:\n            pause",
    ),
    "bpe": ("min(known, key=self.ranks.__getitem__)", "known[0]"),
}


def check_mistake(number: StepId) -> StepResult:
    """Check a file that is right but for a usual mistake."""
    source = finished(get_step(number))
    right, wrong = MISTAKES[number]
    assert source.count(right) == 1, (number, right)
    return check(number, source.replace(right, wrong))


def all_reports() -> dict[str, str]:
    """A step not begun, one begun, one that is right, and a mistake of each chapter.

    And step 15 with its first tick, and with its first two.
    """
    norm, attention, cache = get_step(3), get_step(7), get_step(15)
    return {
        "not_done.txt": report(3, make_skeleton(norm)),
        "begun.txt": report(7, begun(attention, 7)),
        "right.txt": report(7, finished(attention)),
        **{
            f"mistake_{get_step(number).label}.txt": as_text(check_mistake(number))
            + "\n"
            for number in MISTAKES
        },
        "cache_grows.txt": report(15, begun(cache, up_to_task(cache, 2))),
        "cache_in_place.txt": report(15, begun(cache, up_to_task(cache, 3))),
    }


if __name__ == "__main__":
    script = "python -m book.reports"
    sys.exit(write_or_check(SOURCE / "reports", all_reports(), script, sys.argv[1:]))
