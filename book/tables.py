"""The tables of the book: shapes, mistakes, and a sample of the demo model.

`python -m book.tables` writes them; with --check it compares and writes nothing.
"""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Sequence

from book.generated import SOURCE, write_or_check
from book.gpt2 import GPT2, parameter_shapes
from book.measured import (
    compared,
    dtype_by_dtype,
    exactness,
    fleet,
    killed,
    lookups,
    measured_on,
    milliseconds,
    prefixes,
    rungs,
    served,
)
from book.numbers.example import page
from course.check.loading import load_solution
from course.model.config import head_dim, inner_dim
from course.progress.table import in_hours
from course.skeleton import read_tasks
from course.steps import ALL_STEPS, ROOT, STEPS, Step, StepId

PURPOSE = {
    "wte.weight": ("token embeddings", 5),
    "wpe.weight": ("position embeddings", 6),
    "ln_1.weight": ("layer norm before attention: scale", 3),
    "ln_1.bias": ("the same: shift", 3),
    "attn.c_attn.weight": ("projection to query, key and value", 7),
    "attn.c_attn.bias": ("its bias", 7),
    "attn.c_proj.weight": ("projection after attention", 7),
    "attn.c_proj.bias": ("its bias", 7),
    "ln_2.weight": ("layer norm before the feed-forward network: scale", 3),
    "ln_2.bias": ("the same: shift", 3),
    "mlp.c_fc.weight": ("widening", 4),
    "mlp.c_fc.bias": ("its bias", 4),
    "mlp.c_proj.weight": ("narrowing", 4),
    "mlp.c_proj.bias": ("its bias", 4),
    "ln_f.weight": ("final layer norm: scale", 10),
    "ln_f.bias": ("the same: shift", 10),
    "lm_head.weight": ("language model head, the same tensor as `wte`", 11),
}


def parameters() -> str:
    """Every parameter of GPT-2 small, blocks only once, and the sum of all."""
    layers = GPT2.n_layer
    turned = load_solution(13).CONV1D_WEIGHTS
    rows = ["| Parameter | Numbers | Shape in MAX | What it is |", "|---|---:|---|---|"]
    total = in_a_block = 0
    for name, shape in parameter_shapes().items():
        short = name.removeprefix("transformer.")
        count = math.prod(shape)
        if short == "ln_f.weight":
            rows.append(f"| **one block** | **{in_a_block:,}** | | |")
            rows.append(f"| **{layers} blocks** | **{layers * in_a_block:,}** | | |")
        if short == "lm_head.weight":
            count = 0
        total += count
        if short.startswith("h."):
            _, index, short = short.split(".", 2)
            if index != "0":
                continue
            in_a_block += count
        shown = f"h.*.{short}" if ".h." in name else short
        star = "\N{NO-BREAK SPACE}\\*" if name.endswith(turned) else ""
        rows.append(
            f"| `{shown}` | {count:,} | {code(list(shape))}{star} "
            f"| {chapter(*PURPOSE[short])} |"
        )
    rows.append(f"| **all** | **{total:,}** | | |")
    return "\n".join([*rows, ""])


def code(shape: object) -> str:
    """A shape as code that is not broken into lines."""
    return "`" + str(shape).replace(" ", "\N{NO-BREAK SPACE}") + "`"


def chapter(text: str, step: int) -> str:
    """A link to the chapter where something is made."""
    return f"[{text}](step_{step:02d}.md)"


def activations() -> str:
    """Every tensor on the way from token IDs to logits."""
    width, head = GPT2.n_embd, GPT2.n_head
    vocab, inner = GPT2.vocab_size, inner_dim(GPT2)
    stream, heads = f"[B, T, {width}]", f"[B, {head}, T, {head_dim(GPT2)}]"
    ways = [
        ("token IDs", 12, "[B, T]", "int64"),
        ("token embeddings, out of `wte`", 5, stream, ""),
        ("position embeddings, out of `wpe`", 6, f"[T, {width}]", ""),
        ("hidden states: their sum", 10, stream, ""),
        ("in each block, out of `ln_1`", 3, stream, ""),
        ("out of `c_attn`: query, key and value", 7, f"[B, T, {3 * width}]", ""),
        ("query, key, value, each", 7, stream, ""),
        ("each of them, split into heads", 7, heads, ""),
        ("attention scores, and weights", 7, f"[B, {head}, T, T]", ""),
        ("causal mask", 2, "[T, T]", ""),
        ("what the heads gather", 7, heads, ""),
        ("merged, and out of `c_proj`", 7, stream, ""),
        ("hidden states after the addition", 8, stream, ""),
        ("out of `ln_2`", 3, stream, ""),
        ("out of `c_fc`, and after GELU", 4, f"[B, T, {inner}]", ""),
        ("out of `c_proj`", 4, stream, ""),
        ("hidden states after the block", 9, stream, ""),
        ("out of `ln_f`", 10, stream, ""),
        ("logits, out of `lm_head`", 11, f"[B, T, {vocab}]", ""),
        ("next token", 12, "[B, 1]", "int64"),
    ]
    return tensors(ways)


def cache() -> str:
    """What is different with a KV cache."""
    head, each = GPT2.n_head, head_dim(GPT2)
    vocab, stream = GPT2.vocab_size, f"[B, N, {GPT2.n_embd}]"
    ways = [
        ("token IDs, the new ones", 15, "[B, N]", "int64"),
        ("their positions", 15, "[B, N]", "int64"),
        ("hidden states", 15, stream, ""),
        ("query, new key, new value, each", 15, f"[B, {head}, N, {each}]", ""),
        ("a layer's cache: keys, and values, each", 15, f"[B, {head}, C, {each}]", ""),
        ("the filled part of them", 15, f"[B, {head}, T, {each}]", ""),
        ("attention scores, and weights", 15, f"[B, {head}, N, T]", ""),
        ("mask", 15, "[B, 1, N, T]", ""),
        ("logits, of the last position only", 15, f"[B, {vocab}]", ""),
    ]
    return tensors(ways)


def tensors(ways: list[tuple[str, int, str, str]]) -> str:
    """A table of tensors: what each is, its step, shape and dtype."""
    rows = ["| Tensor | Shape | dtype |", "|---|---|---|"]
    rows += [
        f"| {chapter(what, step)} | {code(shape)} | {dtype or 'float32'} |"
        for what, step, shape, dtype in ways
    ]
    return "\n".join([*rows, ""])


def sample() -> str:
    """What the demo model writes, from the file in which its evaluation keeps it."""
    samples = json.loads((ROOT / "demo" / "evaluation.json").read_text())["samples"]
    [text] = [
        entry["text"]
        for entry in samples
        if entry["prompt"] == "Once upon a time" and entry["way"] == "greedy"
    ]
    text = text.removesuffix("<|endoftext|>")
    return textwrap.fill(text, 84, initial_indent="> ", subsequent_indent="> ") + "\n"


def mistakes() -> str:
    """What the checks can name, as they list it themselves."""
    ran = subprocess.run(
        [sys.executable, "-m", "course.check.mistakes"],
        cwd=ROOT,
        # MAX has set other variables for child processes, under which Python does
        # not find what is installed.
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return folded(ran.stdout)


def folded(markdown: str) -> str:
    """Make of each section a list that can be folded: there are hundreds of entries."""
    parts = []
    anchors: set[str] = set()
    for section in re.split(r"^## ", markdown, flags=re.M)[1:]:
        title, *entries = re.split(r"^### ", section, flags=re.M)
        place = title.strip().partition(":")[0].lower().replace(" ", "-")
        parts.append(f'<details id="{place}">')
        parts += [f"<summary>{title.strip()} ({len(entries)})</summary>", ""]
        for entry in entries:
            heading, what, look = (part.strip() for part in entry.split("\n\n")[:3])
            name, _, anchor = heading.rstrip("}").partition(" {#")
            # Two steps may know a mistake by one name.
            anchor = f"{place}-{anchor}" if anchor in anchors else anchor
            anchors.add(anchor)
            parts.append(f'- <a id="{anchor}"></a>**{name}.** {what} {look}')
        parts += ["", "</details>", ""]
    text = "\n".join(parts)
    assert text.count('<a id="') == markdown.count("{#")
    return text


def list_of_steps(part: Sequence[Step]) -> str:
    """Steps with links to their chapters, how long each takes, and all of them."""
    rows = [
        f"{step.number}. [{step.title}]({step.module}.md): {_writes(step.number)} "
        f'<small class="effort">{step.minutes} min, {step.difficulty}</small>'
        for step in part
    ]
    total = in_hours(sum(step.minutes for step in part))
    return "\n".join([*rows, "", f"In all that is about {total}.", ""])


def effort() -> str:
    """What stands at the head of each chapter: how long it takes, how hard it is."""
    return page(**{step.module: _effort_of(step) for step in ALL_STEPS})


def _effort_of(step: Step) -> str:
    todos = sum(len(read_tasks(part).todos) for part in step.parts)
    count = f"{todos} TODOs" if todos > 1 else "one TODO"
    about = f"About {in_hours(step.minutes)} · {count} · {step.difficulty}"
    return f'<p class="effort">{about}</p>'


def _writes(number: StepId) -> str:
    return {
        1: "the numbers that shape a GPT-2",
        2: "a token must not see the tokens after it",
        3: "keep the numbers in a range that the next layer can use",
        4: "let every position think for itself",
        5: "turn tokens into vectors",
        6: "tell the first token from the second",
        7: "let tokens look at one another",
        8: "add to what is there instead of replacing it",
        9: "put attention and the feed-forward network together",
        10: "twelve blocks, one after the other",
        11: "turn vectors into a score for every possible next token",
        12: "choose, append, repeat",
        13: "read the weights that OpenAI published",
        14: "make one program of the whole model",
        15: "compute each token only once",
        16: "all the dials, and text as it comes",
        17: "read the weights as fast as memory allows, and fewer bytes of them",
        18: "write for many readers at once, behind an address",
        19: "several tokens a pass, where a text repeats itself",
        20: "several servers behind one address, one of which may die",
    }[number]


if __name__ == "__main__":
    tables = {
        "milliseconds.md": milliseconds(),
        "measured_on.md": measured_on(),
        "compared.md": compared(),
        "dtype_by_dtype.md": dtype_by_dtype(),
        "portable.md": dtype_by_dtype(portable=True),
        "exactness.md": exactness(),
        "rungs.md": rungs(),
        "served.md": served(),
        "lookup.md": lookups(),
        "fleet.md": page(**dict(zip(("measured", "simulated"), fleet(), strict=True))),
        "killed.md": killed(),
        "prefixes.md": prefixes(),
        "parameters.md": parameters(),
        "activations.md": activations(),
        "cache.md": cache(),
        "sample.md": sample(),
        "mistakes.md": mistakes(),
        "effort.md": effort(),
        "part_one.md": list_of_steps(STEPS[:12]),
        "part_two.md": list_of_steps(STEPS[12:]),
    }
    script = "python -m book.tables"
    sys.exit(write_or_check(SOURCE / "tables", tables, script, sys.argv[1:]))
