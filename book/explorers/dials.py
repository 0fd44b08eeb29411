"""All dials of step 16 between the logits and the draw."""

from __future__ import annotations

from book.explorers import sampling
from book.explorers.demo import Data, Demo

# In the first, two of the likeliest tokens stand in the text; the last is wide open.
PROMPTS = [
    "Little Ivy saw a red kite, and a red hat, and a red",
    'One day, Clara met Felix the otter. "Good morning, Clara," said',
    "Once upon a time, there lived a",
]
SETTINGS = {
    "repetition_penalty": 1.2,
    "temperature": 1.5,
    "top_k": 0,
    "top_p": 1.0,
    "min_p": 0.1,
}
CAPTION = (
    "All dials of step 16 on the demo model’s logits, in their order. A token with • "
    "stands in the text already; one written <span>“-ip”</span> goes on with the word "
    "before it."
)


def compute(demo: Demo) -> Data:
    """The explorer of step 12, with other prompts and more dials."""
    return sampling.data_of(demo, PROMPTS, SETTINGS)


draw = sampling.draw
