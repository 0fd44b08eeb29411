"""Mistakes in step 16, sampling, and what each would compute."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array

Alternatives = dict[str, Callable[[], Array]]


def alternatives(
    name: str, logits: Array, text: Sequence[int], value: float
) -> Alternatives:
    """What the known mistakes in one filter give."""
    wrong: dict[str, Alternatives] = {
        "penalize_repetition": {
            "penalty-inverted": lambda: penalized(logits, text, 1 / value),
            "penalty-divides-all": lambda: replaced(
                logits, text, logits[list(text)] / value
            ),
            "penalty-per-occurrence": lambda: repeated(logits, text, value),
            "penalty-on-everything": lambda: np.where(
                logits < 0, logits * value, logits / value
            ),
        },
        "keep_top_k": {
            "keeps-the-unlikely": lambda: -top_k(-logits, int(value), np.inf),
            "top-k-one-off": lambda: top_k(logits, int(value) + 1),
            "zeros-instead": lambda: top_k(logits, int(value), 0.0),
        },
        "keep_top_p": {
            "none-left": lambda: np.full_like(logits, -np.inf),
            "border-left-out": lambda: nucleus(logits, value, border=False),
            "nucleus-ascending": lambda: ascending(logits, value),
        },
        "keep_min_p": {
            "min-p-absolute": lambda: np.where(
                softmax(logits) < value, -np.inf, logits
            ),
        },
    }
    return wrong[name]


def overflowed(logits: Array) -> Array:
    """Softmax without subtracting the largest logit first."""
    with np.errstate(all="ignore"):
        exponentials = np.exp(logits)
        total: Array = exponentials / exponentials.sum()
    return total


def other_orders(
    logits: Array, text: Sequence[int], settings: dict[str, Any]
) -> Alternatives:
    """What the filters give in other orders, or with one left out."""
    temperature = settings.get("temperature", 1.0)
    k, p = settings.get("top_k", 0), settings.get("top_p", 1.0)
    m, penalty = settings.get("min_p", 0.0), settings.get("repetition_penalty", 1.0)

    def run(order: str) -> Array:
        kept = logits
        for letter in order:
            if letter == "r":
                kept = penalized(kept, text, penalty)
            elif letter == "t":
                kept = kept / np.float32(temperature)
            elif letter == "x":
                kept = kept * np.float32(temperature)
            elif letter == "k" and k:
                kept = top_k(kept, k)
            elif letter == "p" and p < 1:
                kept = nucleus(kept, p)
            elif letter == "m":
                scores = softmax(kept)
                kept = np.where(scores < m * scores.max(), -np.inf, kept)
        return softmax(kept)

    return {
        "min-p-before-top-p": lambda: run("rtkmp"),
        "temperature-last": lambda: run("rkpmt"),
        "temperature-left-out": lambda: run("rkpm"),
        "penalty-left-out": lambda: run("tkpm"),
        "top-k-left-out": lambda: run("rtpm"),
        "top-p-left-out": lambda: run("rtkm"),
        "min-p-left-out": lambda: run("rtkp"),
        "multiplied-by-temperature": lambda: run("rxkpm"),
    }


def softmax(logits: Array) -> Array:
    """Probabilities."""
    exponentials = np.exp(logits - logits.max())
    total: Array = exponentials / exponentials.sum()
    return total


def penalized(logits: Array, text: Sequence[int], penalty: float) -> Array:
    """The repetition penalty."""
    seen = logits[list(text)]
    return replaced(logits, text, np.where(seen < 0, seen * penalty, seen / penalty))


def replaced(logits: Array, text: Sequence[int], values: Array) -> Array:
    """The logits with others for the tokens of the text."""
    changed = logits.copy()
    changed[list(text)] = values
    return changed


def repeated(logits: Array, text: Sequence[int], penalty: float) -> Array:
    """The penalty once for every time that a token occurs."""
    changed = logits.copy()
    for token_id in text:
        score = changed[token_id]
        changed[token_id] = score * penalty if score < 0 else score / penalty
    return changed


def top_k(logits: Array, k: int, hidden: float = -np.inf) -> Array:
    """The k largest; the others hidden."""
    if not 0 < k < logits.size:
        return logits
    return np.where(logits < np.sort(logits)[-k], np.float32(hidden), logits)


def nucleus(logits: Array, p: float, *, border: bool = True) -> Array:
    """The most likely tokens that together reach p, or, without the border, do not."""
    order = np.argsort(-logits)
    cumulative = softmax(logits)[order].cumsum()
    before = cumulative - softmax(logits)[order]
    keep = order[(before if border else cumulative) < p]
    kept = np.full_like(logits, -np.inf)
    kept[keep] = logits[keep]
    return kept


def ascending(logits: Array, p: float) -> Array:
    """The least likely tokens that together reach p."""
    order = np.argsort(logits)
    keep = order[softmax(logits)[order].cumsum() <= p]
    kept = np.full_like(logits, -np.inf)
    kept[keep] = logits[keep]
    return kept


def mistake(name: str, what: str, why: str, look: str, *lines: str) -> Mistake:
    """A mistake in the function that `look` begins with."""
    return Mistake(name, what, why, f"`{look}`.", lines=lines, within=look)


CHAIN = "next_token_probabilities"
ORDER = (
    "The order is that of transformers' generate: penalty, temperature, k, p, min-p."
)
PENALTY = "A token that the text holds, however often, is to become less likely, once."

MISTAKES = (
    mistake(
        "changed-in-place",
        "Your function changes the logits that it was given.",
        "Whoever called it may need them again: make a copy.",
        "penalize_repetition",
        r"\] =",
        r"logits",
    ),
    mistake(
        "penalty-inverted",
        "Your penalty makes repeated tokens more likely.",
        "Divide a positive logit, multiply a negative one.",
        "penalize_repetition",
        r"where",
        r"penalty",
    ),
    mistake(
        "penalty-divides-all",
        "You divide negative logits by the penalty too.",
        "That brings them nearer to 0: more likely, not less.",
        "penalize_repetition",
        r"/ penalty",
    ),
    mistake(
        "penalty-per-occurrence",
        "You apply the penalty again for every time that a token occurs.",
        PENALTY,
        "penalize_repetition",
        r"for ",
        r"penalty",
    ),
    mistake(
        "penalty-on-everything",
        "You penalize every token, not only those of the text.",
        PENALTY,
        "penalize_repetition",
        r"where",
    ),
    mistake(
        "keeps-the-unlikely",
        "You keep the k least likely tokens.",
        "np.partition puts small numbers first; the k largest are at the end.",
        "keep_top_k",
        r"partition",
        r"sort",
    ),
    mistake(
        "top-k-one-off",
        "You keep one token too many.",
        "The k-th largest is at index -k.",
        "keep_top_k",
        r"-top_k",
    ),
    mistake(
        "zeros-instead",
        "You set what is ruled out to 0.",
        "Softmax of 0 is not 0: only minus infinity has probability 0.",
        "keep_top_k",
        r"where",
    ),
    mistake(
        "border-left-out",
        "You leave out the token with which the sum reaches top_p.",
        "Without it, those that are left have less than top_p together.",
        "keep_top_p",
        r"<=",
        r"<",
    ),
    mistake(
        "nucleus-ascending",
        "You keep the least likely tokens.",
        "The nucleus is the most likely ones.",
        "keep_top_p",
        r"argsort",
    ),
    mistake(
        "none-left",
        "You rule out every token: nothing is left to draw from.",
        "However small top_p is, the most likely token stays.",
        "keep_top_p",
        r"-1",
    ),
    mistake(
        "min-p-absolute",
        "You compare the probabilities with min_p itself.",
        "min_p is a share of the highest probability: where the model is unsure, more "
        "is let through.",
        "keep_min_p",
        r"min_p",
    ),
    mistake(
        "softmax-overflows",
        "Your softmax gives NaN for large logits.",
        "e to the 1000 is beyond float32: subtract the largest logit first.",
        "softmax",
        r"exp",
    ),
    *(
        mistake(name, what, ORDER, CHAIN, pattern)
        for name, what, pattern in (
            (
                "temperature-last",
                "You divide by the temperature after the filters.",
                r"temperature",
            ),
            (
                "temperature-left-out",
                "You do not divide by the temperature.",
                r"temperature",
            ),
            (
                "multiplied-by-temperature",
                "You multiply by the temperature.",
                r"temperature",
            ),
            ("penalty-left-out", "You do not penalize repetition.", r"penal"),
            (
                "top-k-left-out",
                "You do not apply top_k, or only after top_p.",
                r"top_k",
            ),
            (
                "top-p-left-out",
                "You do not apply top_p, or you do before top_k.",
                r"top_p",
            ),
            ("min-p-left-out", "You do not apply min_p.", r"min_p"),
            ("min-p-before-top-p", "You apply min_p before top_p.", r"min_p"),
        )
    ),
    mistake(
        "not-drawn",
        "You always choose the same token.",
        "Above temperature 0, tokens are drawn, the likely ones more often.",
        "choose_token",
        r"argmax",
        r"return",
    ),
    mistake(
        "rng-not-used",
        "Your draws differ though the generator of random numbers is the same.",
        "Draw from the rng that you are given, or a seed repeats nothing.",
        "choose_token",
        r"choice",
        r"random",
    ),
    mistake(
        "penalty-not-greedy",
        "At temperature 0 you do not penalize repetition.",
        "The penalty counts for the greedy choice too.",
        "choose_token",
        r"argmax",
    ),
    mistake(
        "not-greedy",
        "At temperature 0 you do not take the most likely token.",
        "Nothing is drawn then.",
        "choose_token",
        r"temperature",
        r"argmax",
    ),
    mistake(
        "nan-accepted",
        "You choose a token from logits that are NaN.",
        "They come from broken weights; argmax would take the NaN itself.",
        "choose_token",
        r"isnan",
    ),
    mistake(
        "not-lazy",
        "You ask the decoder again before the first token is handed over.",
        "A token is to be yielded as soon as it is chosen.",
        "generate_tokens",
        r"yield",
    ),
    mistake(
        "prefill-again",
        "You read the whole text again for every token.",
        "prefill reads the prompts, once; decode reads one new token of each text.",
        "generate_tokens",
        r"prefill",
    ),
    mistake(
        "decodes-once-more",
        "You ask the decoder once more after the last token.",
        "Nobody reads those logits, and the cache may be full by then.",
        "generate_tokens",
        r"decode",
    ),
    mistake(
        "prompts-changed",
        "Your function changes the prompts that it was given.",
        "Whoever called it may need them again: make copies of the lists.",
        "generate_tokens",
        r"texts =",
        r"prompts",
    ),
    mistake(
        "half-characters",
        "Your text has the replacement character in it.",
        "A token may end inside a character: wait until its bytes are complete.",
        "add",
        r"decode",
        r"step\(",
    ),
    mistake(
        "stop-not-held",
        "You hand over the beginning of a stop sequence, before it is complete.",
        "What may be its beginning has to wait for the next token.",
        "add",
        r"keep",
        r"held",
    ),
    mistake(
        "held-too-long",
        "You hold back text that cannot be the beginning of a stop sequence.",
        "The reader waits for it: only what may be one has to wait.",
        "add",
        r"keep",
        r"held",
    ),
)
