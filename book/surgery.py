"""What the demo model writes when something is taken out of it, for the chapters.

The second GPT-2, in NumPy, has the options for it, since known mistakes compute so.

`python -m book.surgery` writes `book/src/surgery/`; with --check it compares and writes
nothing.
"""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from book.generated import SOURCE, write_or_check
from course.check.mistakes import wrong_gpt2
from course.model.checkpoint import Checkpoint, open_checkpoint
from course.steps import DEMO_MODEL, ROOT, get_step

PROMPT = "The little fox"
LENGTH = 26  # tokens, which are a line or two
NOISE = (0.1, 0.2, 0.4)  # of the standard deviation of each tensor
WINDOWS = (4, 8, 16, 32)  # tokens that can be seen

Weights = Mapping[str, NDArray[Any]]
Operation = tuple[str, str, dict[str, Any]]

# Of each chapter: what is done, in which function of `wrong_gpt2`, by which options.
OPERATIONS: dict[int, list[Operation]] = {
    2: [
        ("without the mask", "attention", {"mask": "none"}),
        ("each token also sees the next", "attention", {"mask": "next visible"}),
        ("each token sees itself alone", "attention", {"normalize": "itself only"}),
    ],
    3: [
        ("not normalized", "layer_norm", {"mean": "kept", "divide_by": "nothing"}),
        ("the mean left in", "layer_norm", {"mean": "ignored"}),
        ("an epsilon of 0.1", "layer_norm", {"eps": 0.1}),
        ("no learned scale", "layer_norm", {"scale": "none"}),
    ],
    4: [
        ("the exact GELU", "mlp", {"activation": "gelu exact"}),
        ("ReLU, which is 0 for all negative numbers", "mlp", {"activation": "relu"}),
        ("nothing between the two layers", "mlp", {"times": 0}),
    ],
    5: [
        ("positions, and no tokens", "embed", {"combined": "positions only"}),
        ("tokens multiplied by √128, as in 2017", "embed", {"scale": 0.5}),
    ],
    6: [
        ("every token at position 0", "embed", {"positions": "0, 0, 0, ..."}),
        ("counted from 1", "embed", {"positions": "1, 2, 3, ..."}),
        ("counted backwards", "embed", {"positions": "..., 2, 1, 0"}),
    ],
    7: [
        ("without the mask", "attention", {"mask": "none"}),
        ("scores not divided, so 5.7 times as large", "attention", {"scale": "none"}),
        ("scores divided by 32", "attention", {"scale": "head_dim"}),
        ("merged without the transpose", "attention", {"merge": "reshape only"}),
        ("one head for four", "attention", {"heads": "one"}),
    ],
    8: [
        ("nothing added", "residual_step", {"added": "nothing"}),
        ("normalized after the sum", "residual_step", {"norms": "after the sum"}),
        ("not normalized", "residual_step", {"norms": "none"}),
    ],
    9: [
        ("attention alone", "block", {"halves": "attention only"}),
        ("feed-forward networks alone", "block", {"halves": "mlp only"}),
        ("the two in the other order", "block", {"halves": "mlp, attention"}),
        ("both read the block's input", "block", {"halves": "side by side"}),
    ],
    10: [
        ("without `ln_f`", "model", {"final_norm": "none"}),
        ("without positions", "embed", {"combined": "tokens only"}),
        ("without the first block", "model", {"stack": "first missing"}),
        ("without the last block", "model", {"stack": "last missing"}),
        ("blocks in reverse", "model", {"stack": "reversed"}),
    ],
    11: [
        ("no body, only embeddings", "language_model", {"body": "embeddings only"}),
        ("softmax in `forward`", "language_model", {"after_head": "softmax"}),
    ],
    12: [
        (
            "the first position asked, not the last",
            "language_model",
            {"keep": "the first position"},
        ),
    ],
}


def continue_prompt(demo: Checkpoint, weights: Weights) -> str:
    """The prompt and what the model goes on with, greedily."""
    sizes = dataclasses.asdict(demo.config)
    ids = demo.encode(PROMPT)
    for _ in range(LENGTH):
        logits = wrong_gpt2.language_model(np.array([ids]), weights, sizes)
        ids.append(int(logits.reshape(-1, demo.config.vocab_size)[-1].argmax()))
        if ids[-1] in demo.end_of_text:
            return text_of(demo, ids) + " (the end)"
    return text_of(demo, ids) + " …"


def text_of(demo: Checkpoint, ids: list[int]) -> str:
    """The text of token IDs, in one line."""
    return " ".join(demo.tokenizer.decode(ids).split())


def page(demo: Checkpoint, operations: list[Operation], whole: str) -> str:
    """A table of what is done and what is written then, under what is written else."""
    rows = [("as it is", whole)]
    for what, function, options in operations:
        changed = partial(getattr(wrong_gpt2, function), **options)
        with patch.object(wrong_gpt2, function, changed):
            rows.append((what, continue_prompt(demo, demo.weights)))
    lines = [f"| {what} | {in_a_cell(text)} |" for what, text in rows]
    return "\n".join(["| the model | what it writes |", "|---|---|", *lines, ""])


def in_a_cell(text: str) -> str:
    """A text for a table, in which every character stands for itself."""
    return re.sub(r"([\\`*_{}\[\]<>#|&~])", r"\\\1", text)


def likeliest() -> str:
    """The likeliest next tokens after two prompts, as `course generate` shows them."""
    parts = [
        f'$ course generate "{prompt}" --top 5\n{generated(prompt, "--top", "5")}'
        for prompt in (PROMPT, "Once upon a")
    ]
    return "```console\n" + "\n".join(parts) + "```\n"


def generate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `course generate`."""
    return subprocess.run(
        [sys.executable, "-m", "course", "generate", *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )


def generated(*arguments: str) -> str:
    """What `course generate` writes."""
    return generate(*arguments).stdout


def generate_with(
    number: int, changes: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run `course generate --with`, with lines of the solution changed."""
    step = get_step(number)
    source = step.solution.read_text("utf-8")
    for old, new in changes.items():
        assert source.count(old) == 1, old
        source = source.replace(old, new)
    with TemporaryDirectory() as folder:
        Path(folder, step.skeleton.name).write_text(source, "utf-8")
        chosen = (PROMPT, "--with", str(number), "--greedy")
        return generate(*chosen, *arguments, COURSE_STEPS_DIR=folder)


def drawn(prompt: str, ways: list[tuple[str, str]]) -> str:
    """A table of what is drawn with other dials, each time from the same seed."""
    lines = []
    for what, options in ways:
        arguments = [prompt, *options.split(), "--seed", "1"]
        text = generated(*arguments, "--max-new-tokens", str(LENGTH))
        lines.append(f"| {what} | {in_a_cell(' '.join(text.split()))} … |")
    return "\n".join(["| the dials | what it writes |", "|---|---|", *lines, ""])


def noisy(demo: Checkpoint, whole: str) -> str:
    """A table of what is written when every weight is a little wrong."""
    rows = [("as it is", whole)]
    for share in NOISE:
        rng = np.random.default_rng(13)
        weights = {
            name: weight + share * weight.std() * rng.standard_normal(weight.shape)
            for name, weight in demo.weights.items()
        }
        text = continue_prompt(demo, weights)
        rows.append((f"{share:g} of a tensor's deviation", text))
    lines = [f"| {what} | {in_a_cell(text)} |" for what, text in rows]
    return "\n".join(["| noise | what it writes |", "|---|---|", *lines, ""])


def forgetful() -> str:
    """A table of what is written when step 15's mask hides what is long past."""
    length = ("--max-new-tokens", "60")
    later = "later = context > columns[:, None]"
    rows = [("the whole text", generated(PROMPT, "--greedy", *length))]
    for window in WINDOWS:
        hidden = f"{later}\n    later |= context <= columns[:, None] - {window}"
        ran = generate_with(15, {later: hidden}, *length)
        rows.append((f"the last {window}", ran.stdout))
    lines = [f"| {sees} | {in_a_cell(' '.join(it.split()))} … |" for sees, it in rows]
    return "\n".join(["| a token sees | what it writes |", "|---|---|", *lines, ""])


def looked_up() -> str:
    """A table of what step 19 gains, by when it proposes and from which place."""
    no_pauses = {"if self.left == 0:": "if True:"}
    last_place = {"for start in starts:": "for start in reversed(starts):"}
    rows = []
    texts = set()
    for what, changes in (
        ("as it is", {}),
        ("no pauses", no_pauses),
        ("no pauses, and the last place", no_pauses | last_place),
    ):
        ran = generate_with(19, changes, "--lookup", "8")
        counted = re.search(
            r"(\d+) tokens, .*, (\d+) of them by lookup: (\d+) passes", ran.stderr
        )
        assert counted is not None, ran.stderr
        rows.append(f"| {what} | {' | '.join(counted.groups())} |")
        texts.add(ran.stdout)
    assert len(texts) == 1, "lookup has changed the text"
    heads = "| your step 19 | tokens | by lookup | passes |", "|---|---:|---:|---:|"
    return "\n".join([*heads, *rows, ""])


def pages() -> dict[str, str]:
    """All of them, by file name."""
    # First what other processes write: MAX will change what children inherit.
    made = {
        "likeliest.md": likeliest(),
        "temperature.md": drawn(
            "Once upon a time",
            [(f"T = {t}", f"--temperature {t}") for t in (0.5, 1, 2)],
        ),
        "dials.md": drawn(
            PROMPT,
            [
                ("temperature 3", "--temperature 3"),
                ("the same, top-k 5", "--temperature 3 --top-k 5"),
                ("the same, min-p 0.2", "--temperature 3 --min-p 0.2"),
            ],
        ),
    }
    made["step_15.md"] = forgetful()
    made["step_19.md"] = looked_up()
    demo = open_checkpoint(str(DEMO_MODEL))
    whole = continue_prompt(demo, demo.weights)
    made["noise.md"] = noisy(demo, whole)
    for number, operations in OPERATIONS.items():
        made[f"step_{number:02d}.md"] = page(demo, operations, whole)
    return made


if __name__ == "__main__":
    script = "python -m book.surgery"
    sys.exit(write_or_check(SOURCE / "surgery", pages(), script, sys.argv[1:]))
