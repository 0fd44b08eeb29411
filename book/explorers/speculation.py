"""Prompt lookup: what each pass looks up, is told, keeps and takes back."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from book.explorers.demo import Data, Demo
from book.explorers.running import engine
from book.explorers.words import shown

# The model says again what stands in the first; in the second it begins to.
PROMPTS = [
    '"Who is there?" called Oscar. Nobody answered. "Who is there?" called',
    "Pip the fox looked for his red kite. He looked under the bed. He looked under the",
]
NEW_TOKENS = 19
NUM_PROPOSALS = 4
MAX_NGRAM = 2
CAPTION = (
    "Step 19’s solution with the demo model: greedy, at most 4 tokens proposed. A "
    "token written <span>“-ed”</span> goes on with the word before it."
)


def compute(demo: Demo) -> Data:
    """Have every prompt gone on with."""
    return {"texts": [passes_of(demo, prompt) for prompt in PROMPTS]}


def passes_of(demo: Demo, prompt: str) -> Data:
    """Run step 19's loop, and note what its decoder is asked and what it answers.

    Of each pass: `length`, how long the text was; `cached`, how many of its tokens were
    in the cache; `found`, how many tokens were looked for and where they stand earlier;
    what was proposed; what the model says after the text and after each proposed token;
    and how many of these are kept.
    """
    running = engine(prompt, lookup=NUM_PROPOSALS)
    step = running.code.speculation
    decoder = running.decoder(NEW_TOKENS, step.LookupDecoder)
    tokens, end = list(running.prompt), len(running.prompt) + NEW_TOKENS
    passes: list[Data] = []
    read = decoder.read

    def noted(token_ids: Sequence[int], keep: int) -> Any:
        cached, proposal = decoder.length, list(token_ids)[len(token_ids) - keep + 1 :]
        logits = read(token_ids, keep)
        found, room = place_of(tokens), end - len(tokens) - 1
        passes.append(
            {
                "length": len(tokens),
                "cached": cached,
                "found": found,
                "pause": bool(found and room and not proposal),
                "proposal": [demo.piece(i) for i in proposal],
                "says": [demo.piece(i) for i in logits.argmax(axis=1).tolist()],
            }
        )
        return logits

    decoder.read = noted
    generated = step.generate_with_lookup(
        decoder,
        running.prompt,
        NEW_TOKENS,
        running.sampling,
        running.rng,
        num_proposals=NUM_PROPOSALS,
        max_ngram=MAX_NGRAM,
        end_of_text=running.checkpoint.end_of_text,
    )
    for chosen in generated:
        tokens += chosen
        passes[-1]["kept"] = len(chosen)
        passes[-1]["rolled_back"] = decoder.length
    return {
        "text": prompt,
        "tokens": [demo.piece(i) for i in tokens],
        "passes": passes,
    }


def place_of(tokens: Sequence[int]) -> list[int]:
    """How many of the last tokens stand earlier, and where; empty if none does."""
    for size in range(MAX_NGRAM, 0, -1):
        for start in range(len(tokens) - size):
            if tokens[start : start + size] == tokens[-size:]:
                return [size, start]
    return []


def draw(data: Data) -> str:
    """All passes with the first prompt: what was proposed, and what was kept."""
    text = data["texts"][0]

    def listed(tokens: Sequence[str]) -> str:
        return " · ".join(f"<span>{escape(shown(token))}</span>" for token in tokens)

    rows = "\n".join(
        f'<tr><th scope="row">{number}</th><td>{listed(each["proposal"]) or "–"}</td>'
        f"<td>{listed(each['says'][: each['kept']])}</td></tr>"
        for number, each in enumerate(text["passes"], start=1)
    )
    heads = "".join(
        f'<th scope="col">{name}</th>' for name in ("pass", "proposed", "written")
    )
    said = f"{len(text['passes'])} passes write {NEW_TOKENS} tokens after"
    return (
        f'<table class="passes">\n<caption>{said}: {escape(text["text"])}</caption>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )
