"""What the known mistakes in the sampling of step 16 give, by their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from course.check.mistakes.wrong_gpt2 import Array, ByMistake, softmax


def filters(name: str, logits: Array, text: Sequence[int], value: float) -> ByMistake:
    """What the known mistakes in one filter give."""
    probabilities = softmax(logits)
    wrong: dict[str, ByMistake] = {
        "penalize_repetition": {
            "penalty-inverted": lambda: penalized(logits, text, 1 / value),
            "penalty-divides-all": lambda: replaced(
                logits, text, logits[list(text)] / value
            ),
            "penalty-multiplies-all": lambda: replaced(
                logits, text, logits[list(text)] * value
            ),
            "penalty-subtracted": lambda: replaced(
                logits, text, logits[list(text)] - value
            ),
            "penalty-per-occurrence": lambda: repeated(logits, text, value),
            "penalty-on-everything": lambda: np.where(
                logits < 0, logits * value, logits / value
            ),
        },
        "keep_top_k": {
            "keeps-the-unlikely": lambda: -top_k(-logits, int(value), np.inf),
            "top-k-one-off": lambda: top_k(logits, int(value) + 1),
            "top-k-one-too-few": lambda: one_fewer(logits, int(value)),
            "border-is-an-index": lambda: above(logits, int(value)),
            "zeros-instead": lambda: top_k(logits, int(value), 0.0),
        },
        "keep_top_p": {
            "none-left": lambda: np.full_like(logits, -np.inf),
            "border-left-out": lambda: nucleus(logits, value, border=False),
            "nucleus-ascending": lambda: ascending(logits, value),
            # 1 means all of them: so says the skeleton, before the reader's lines.
            "share-to-rule-out": lambda: (
                logits if value == 1 else nucleus(logits, 1 - value)
            ),
            "mask-in-rising-order": lambda: misplaced(logits, value, falling=False),
            "mask-in-falling-order": lambda: misplaced(logits, value, falling=True),
            "not-added-up": lambda: np.where(
                probabilities < 1 - value, -np.inf, logits
            ),
            "added-up-unsorted": lambda: np.where(
                probabilities.cumsum() <= 1 - value, -np.inf, logits
            ),
            "probabilities-returned": lambda: np.where(
                np.isneginf(nucleus(logits, value)), -np.inf, probabilities
            ),
            "zeros-instead": lambda: np.where(
                np.isneginf(nucleus(logits, value)), 0, logits
            ),
        },
        "keep_min_p": {
            "min-p-absolute": lambda: np.where(probabilities < value, -np.inf, logits),
            "min-p-of-logits": lambda: np.where(
                logits < value * logits.max(), -np.inf, logits
            ),
            "min-p-inverted": lambda: np.where(
                probabilities > value * probabilities.max(), -np.inf, logits
            ),
            "probabilities-returned": lambda: np.where(
                probabilities < value * probabilities.max(), -np.inf, probabilities
            ),
            "zeros-instead": lambda: np.where(
                probabilities < value * probabilities.max(), 0, logits
            ),
        },
    }
    return wrong[name]


def softmaxes(logits: Array) -> ByMistake:
    """What the known mistakes in softmax give."""
    powers = np.exp(logits - logits.max())

    def overflowed() -> Array:
        with np.errstate(all="ignore"):
            exponentials = np.exp(logits)
            total: Array = exponentials / exponentials.sum()
        return total

    def logarithms() -> Array:
        with np.errstate(divide="ignore"):
            total: Array = np.log(softmax(logits))
        return total

    return {
        "softmax-overflows": overflowed,
        "softmax-not-divided": lambda: powers,
        "logarithms-returned": logarithms,
    }


def orders(logits: Array, text: Sequence[int], settings: dict[str, Any]) -> ByMistake:
    """What the filters give in other orders, or with one left out."""
    temperature = settings.get("temperature", 1.0)
    k, p = settings.get("top_k", 0), settings.get("top_p", 1.0)
    m, penalty = settings.get("min_p", 0.0), settings.get("repetition_penalty", 1.0)

    def run(order: str, *, end: Callable[[Array], Array] = softmax) -> Array:
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
        return end(kept)

    return {
        "min-p-before-top-p": lambda: run("rtkmp"),
        "temperature-last": lambda: run("rkpmt"),
        "temperature-left-out": lambda: run("rkpm"),
        "penalty-last": lambda: run("tkpmr"),
        "penalty-left-out": lambda: run("tkpm"),
        "top-k-left-out": lambda: run("rtpm"),
        "top-p-left-out": lambda: run("rtkm"),
        "min-p-left-out": lambda: run("rtkp"),
        "multiplied-by-temperature": lambda: run("rxkpm"),
        "logits-returned": lambda: run("rtkpm", end=lambda kept: kept),
    }


def greedy_texts(
    prompts: Sequence[list[int]],
    after: Callable[[Any], Array],
    penalty: float,
    count: int,
) -> Iterator[tuple[str, list[list[int]]]]:
    """The greedy tokens if the penalty looks at another text, and at which."""
    made: list[list[int]] = []
    looked_at: dict[str, Callable[[int], list[int]]] = {
        "the new tokens only": lambda row: made[row],
        "the prompt only": lambda row: prompts[row],
        "the last token only": lambda row: [*prompts[row], *made[row]][-1:],
        "no token at all": lambda row: [],
        "the first text, whichever it goes on with": lambda _: [*prompts[0], *made[0]],
    }
    for name, text in looked_at.items():
        made[:] = [[] for _ in prompts]
        for number in range(count):
            for row, prompt in enumerate(prompts):
                logits = after(made[row][-1] if number else prompt)
                made[row].append(int(penalized(logits, text(row), penalty).argmax()))
        yield name, [list(tokens) for tokens in zip(*made, strict=True)]


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


def one_fewer(logits: Array, k: int) -> Array:
    """The k largest but for the last of them."""
    if not 0 < k < logits.size:
        return logits
    return np.where(logits <= np.sort(logits)[-k], -np.inf, logits)


def above(logits: Array, k: int) -> Array:
    """Those as large as an index: that of the k-th largest."""
    if not 0 < k < logits.size:
        return logits
    return np.where(logits < np.argsort(logits)[-k], -np.inf, logits)


def nucleus(logits: Array, p: float, *, border: bool = True) -> Array:
    """The most likely tokens that together reach p, or, without the border, do not."""
    order = np.argsort(-logits)
    cumulative = softmax(logits)[order].cumsum()
    before = cumulative - softmax(logits)[order]
    keep = order[(before if border else cumulative) < p]
    kept = np.full_like(logits, -np.inf)
    kept[keep] = logits[keep]
    return kept


def misplaced(logits: Array, p: float, *, falling: bool) -> Array:
    """The nucleus, but what is known in sorted order is applied to the logits as is."""
    order = np.argsort(-logits if falling else logits)
    cumulative = softmax(logits)[order].cumsum()
    if falling:
        hidden = np.append(False, (cumulative > p)[:-1])
    else:
        hidden = np.append((cumulative <= 1 - p)[:-1], False)
    return np.where(hidden, -np.inf, logits)


def ascending(logits: Array, p: float) -> Array:
    """The least likely tokens that together reach p."""
    order = np.argsort(logits)
    keep = order[softmax(logits)[order].cumsum() <= p]
    kept = np.full_like(logits, -np.inf)
    kept[keep] = logits[keep]
    return kept
