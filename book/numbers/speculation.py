"""The worked example of step 19."""

from __future__ import annotations

from typing import Any

import numpy as np

from book.numbers.example import WORDS, columns, page, text
from book.numbers.example import table as markdown_table
from course.check.loading import load_solution

WRITTEN = ["the", "cat", "sat", "down", "the", "cat", "sat"]
MODEL_SAYS = ["down", "the", "dog", "ran"]
SHARES = (0.0, 0.3, 0.6, 0.8, 0.9)
PROPOSED = 8
COSTS = (1.2, 1.6, 2.0)


def words(ids: list[int]) -> str:
    """Token IDs as words."""
    return " ".join(WORDS[token_id] for token_id in ids)


def step_19(_: Any) -> str:
    """A proposal, what is kept of it, and when it pays."""
    step, sampling = load_solution(19), load_solution(16).Sampling(temperature=0.0)
    tokens = [WORDS.index(word) for word in WRITTEN]
    found = [
        [str(size), words(tokens[-size:]), words(step.find_proposal(tokens, size, 3))]
        for size in (2, 1)
    ]
    proposal = step.find_proposal(tokens, 2, 3)
    says = [WORDS.index(word) for word in MODEL_SAYS]
    logits = np.eye(len(WORDS), dtype=np.float32)[says]
    rng = np.random.default_rng(0)
    chosen = step.choose_while_agreed(logits, proposal, tokens, sampling, rng)
    read = [WORDS[tokens[-1]], *(WORDS[token_id] for token_id in proposal)]
    rows = []
    for at, (word, says_word) in enumerate(zip(read, MODEL_SAYS, strict=True)):
        proposed = WORDS[proposal[at]] if at < len(proposal) else "-"
        kept = "kept" if at < len(chosen) else "thrown away"
        rows.append([str(len(tokens) - 1 + at), word, proposed, says_word, kept])
    cached = len(tokens) + len(proposal)
    after = len(tokens) + len(chosen)
    cache = (
        f"in the cache, {cached} tokens\n  {words([*tokens, *proposal])}\n"
        f"the text, {after} tokens\n  {words([*tokens, *chosen])}\n"
        f"rolled back to {after - 1} tokens"
    )
    return page(
        proposed=text(columns(["size", "looked for", "proposed"], found, [4, 10, 14])),
        checked=text(
            columns(["place", "read", "proposed", "chosen", ""], rows, [5, 6, 9, 7, 12])
        ),
        cache=text(cache),
        pays=pays(),
    )


def pays() -> str:
    """Tokens of a pass, and what is gained, by how often a proposed token is right."""
    rows = []
    for share in SHARES:
        made = sum(share**count for count in range(PROPOSED + 1))
        gains = [f"{made / cost:.2f}" for cost in COSTS]
        rows.append([f"{share:.0%}", f"{made:.1f}", *gains])
    heads = [f"a pass costs {cost:g}" for cost in COSTS]
    return markdown_table(["right", "tokens a pass", *heads], rows)
