"""The dials between the logits and the draw."""

from __future__ import annotations

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
BARS = 12  # of the sampling explorer; sampling.js has the same
STATIC = (0.7, 8, 1.0)  # temperature, top-k, top-p; sampling.js too
CAPTION = (
    "Drawing the next token from the demo model’s probabilities. A token written "
    "<span>“-ip”</span> goes on with the word before it."
)


def compute(demo: Demo) -> Data:
    """All logits after every prompt: any temperature needs every one of them."""
    vocab_size = demo.model.config.vocab_size
    return {
        "tokens": [demo.piece(i) for i in range(vocab_size)],
        "prompts": [
            {
                "text": text,
                "logits": [
                    round(logit, 3) for logit in demo.logits(demo.encode(text)).tolist()
                ],
            }
            for text in PROMPTS
        ],
    }


def draw(data: Data) -> str:
    """Probabilities before and after the settings, as bars in a table."""
    prompt = data["prompts"][0]
    logits = np.array(prompt["logits"])
    before = softmax(logits)
    after = past_dials(logits, *STATIC)
    order = np.argsort(-logits, kind="stable")[:BARS]
    widest = max(before.max(), after.max()) / 100
    rows = "\n".join(
        f'<tr class="{"in" if after[i] else "out"}"><th scope="row">'
        f"{escape(shown(data['tokens'][i]))}</th>"
        f'<td class="bars"><i class="before" style="width:{before[i] / widest:.1f}%">'
        f'</i><i class="after" style="width:{after[i] / widest:.1f}%"></i></td>'
        f"<td>{escape(percent(per_mille(before[i])))}</td>"
        f"<td>{escape(percent(per_mille(after[i]))) if after[i] else 'out'}</td></tr>"
        for i in order
    )
    return (
        '<table class="sampling-bars">\n<caption>The likeliest next tokens after “'
        f"{escape(prompt['text'])}”: before, and with temperature "
        f"{STATIC[0]} and top-k "
        f"{STATIC[1]}.</caption>\n"
        '<thead><tr><th scope="col">token</th><td></td><th scope="col">before</th>'
        f'<th scope="col">after</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
    )


def past_dials(logits: Array, temperature: float, top_k: int, top_p: float) -> Array:
    """Probabilities past the dials of step 16; the temperature is not 0."""
    step = load_solution(16)
    kept = step.keep_top_p(step.keep_top_k(logits / temperature, top_k), top_p)
    return softmax(kept)
