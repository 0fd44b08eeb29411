"""The dials between the logits and the draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from book.explorers.demo import Array, Data, Demo, softmax
from book.explorers.words import per_mille, percent, shown
from course.check.loading import load_solution

PROMPTS = [
    'Pip the fox met Clara the goat. "What a fine',
    "Long ago, in a",
    "Once upon a time, there lived a",
    "Clara was a brave goat who lived in a hut at the foot of the mountain. One",
    "Once upon a time",
]
# The dials that the explorer has, as the picture shows them.
SETTINGS = {"temperature": 0.7, "top_k": 8, "top_p": 1.0}
NAMES = {"repetition_penalty": "repetition penalty", "top_k": "top-k", "min_p": "min-p"}
BARS = 12
CAPTION = (
    "Drawing the next token from the demo model’s probabilities. A token written "
    "<span>“-ip”</span> goes on with the word before it."
)


def compute(demo: Demo) -> Data:
    """The explorer of step 12, which has the dials that its chapter names."""
    return data_of(demo, PROMPTS, SETTINGS)


def data_of(demo: Demo, prompts: Sequence[str], settings: Mapping[str, float]) -> Data:
    """All logits after every prompt: any temperature needs every one of them."""
    vocab_size = demo.model.config.vocab_size
    return {
        "settings": dict(settings),
        "bars": BARS,
        "tokens": [demo.piece(i) for i in range(vocab_size)],
        "prompts": [
            {
                "text": text,
                "ids": (ids := demo.encode(text)),
                "logits": [round(logit, 3) for logit in demo.logits(ids).tolist()],
            }
            for text in prompts
        ],
    }


def draw(data: Data) -> str:
    """Probabilities before and after the settings, as bars in a table."""
    prompt, settings = data["prompts"][0], data["settings"]
    logits = np.array(prompt["logits"])
    before = softmax(logits)
    after = past_dials(logits, prompt["ids"], settings)
    order = np.argsort(-logits, kind="stable")[: data["bars"]].tolist()
    widest = max(before.max(), after.max()) / 100
    rows = "\n".join(
        f'<tr class="{"in" if after[i] else "out"}"><th scope="row">'
        f"{escape(marked(data, prompt['ids'], i))}</th>"
        f'<td class="bars"><i class="before" style="width:{before[i] / widest:.1f}%">'
        f'</i><i class="after" style="width:{after[i] / widest:.1f}%"></i></td>'
        f"<td>{escape(percent(per_mille(before[i])))}</td>"
        f"<td>{escape(percent(per_mille(after[i]))) if after[i] else 'out'}</td></tr>"
        for i in order
    )
    off = load_solution(16).Sampling()
    turned = [
        f"{NAMES.get(name, name)} {value}"
        for name, value in settings.items()
        if value != getattr(off, name)
    ]
    said = f"{', '.join(turned[:-1])} and {turned[-1]}"
    return (
        '<table class="sampling-bars">\n<caption>The likeliest next tokens after “'
        f"{escape(prompt['text'])}”: before, and with {said}.</caption>\n"
        '<thead><tr><th scope="col">token</th><td></td><th scope="col">before</th>'
        f'<th scope="col">after</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
    )


def marked(data: Data, seen: Sequence[int], token_id: int) -> str:
    """A token, with a mark where a penalty would meet it."""
    token = shown(data["tokens"][token_id])
    penalized = "repetition_penalty" in data["settings"] and token_id in seen
    return f"{token} •" if penalized else token


def past_dials(
    logits: Array, token_ids: Sequence[int], settings: Mapping[str, float]
) -> Array:
    """Probabilities past the dials of step 16; the temperature is not 0."""
    step = load_solution(16)
    probabilities: Array = step.next_token_probabilities(
        logits, token_ids, step.Sampling(**settings)
    )
    return probabilities
