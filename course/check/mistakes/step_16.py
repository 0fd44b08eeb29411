"""Mistakes in step 16, sampling, and what each would compute."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from course.check.mistakes.mistake import Mistake
from course.check.mistakes.numbers import Array

Alternatives = dict[str, Callable[[], Array]]


def alternatives(
    name: str, logits: Array, text: Sequence[int], value: float
) -> Alternatives:
    """What the known mistakes in one filter give."""
    probabilities = softmax(logits)
    wrong: dict[str, Alternatives] = {
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


def other_softmaxes(logits: Array) -> Alternatives:
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


def other_orders(
    logits: Array, text: Sequence[int], settings: dict[str, Any]
) -> Alternatives:
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


def other_texts(
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
        "penalty-multiplies-all",
        "You multiply positive logits by the penalty too.",
        "That makes them larger: more likely, not less.",
        "penalize_repetition",
        r"\* penalty",
    ),
    mistake(
        "penalty-subtracted",
        "You subtract the penalty.",
        "It is a factor: 1 changes nothing.",
        "penalize_repetition",
        r"- penalty",
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
        "top-k-one-too-few",
        "You rule out the k-th token, too.",
        "The k-th largest logit is the border, and stays: only what is below it goes.",
        "keep_top_k",
        r"<=",
        r"where",
    ),
    mistake(
        "border-is-an-index",
        "You compare the logits with an index.",
        "np.argsort says where the largest logits are; np.partition and np.sort give "
        "the logits themselves.",
        "keep_top_k",
        r"argsort|argpartition",
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
        r"= 0",
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
    *(
        mistake(
            name,
            "You apply to the logits in their own order what you know of them in "
            f"{order} order.",
            "The n-th number of the sum belongs to the n-th token of the order, not to "
            "token n: the order has to lead back.",
            "keep_top_p",
            r"\] = -np.inf",
            r"where",
        )
        for name, order in (
            ("mask-in-rising-order", "rising"),
            ("mask-in-falling-order", "falling"),
        )
    ),
    mistake(
        "not-added-up",
        "You compare each probability by itself with 1 - top_p.",
        "It is the unlikely tokens together that have at most this probability.",
        "keep_top_p",
        r"1 - top_p",
    ),
    mistake(
        "added-up-unsorted",
        "You add probabilities up in the order of the token IDs.",
        "What is to be ruled out is what is unlikely, so the sum begins there.",
        "keep_top_p",
        r"cumsum",
    ),
    mistake(
        "probabilities-returned",
        "You return probabilities where logits are wanted.",
        "The next filter, and at the end softmax, take logits.",
        "keep_min_p",
        r"where",
        r"return",
    ),
    mistake(
        "min-p-of-logits",
        "You compare the logits themselves, not their probabilities.",
        "A share is one of probabilities; a logit may be negative.",
        "keep_min_p",
        r"min_p",
    ),
    mistake(
        "min-p-inverted",
        "You rule out the likely tokens.",
        "Those below the share are to go.",
        "keep_min_p",
        r">",
        r"where",
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
    mistake(
        "softmax-not-divided",
        "Your softmax does not divide by the sum.",
        "Probabilities add up to 1.",
        "softmax",
        r"return",
    ),
    mistake(
        "logarithms-returned",
        "Your softmax gives the logarithms of probabilities.",
        "The filters, and the draw, take the probabilities themselves.",
        "softmax",
        r"log",
    ),
    mistake(
        "logits-returned",
        "You return logits where probabilities are wanted.",
        "A token is drawn by its probability: softmax is the last step.",
        CHAIN,
        r"return",
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
            (
                "penalty-last",
                "You penalize repetition after the filters.",
                r"penal",
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
        "drawn-uniformly",
        "You draw each of the tokens that are left as often.",
        "A token is to be drawn by its probability.",
        "choose_token",
        r"choice|integers",
        r"return",
    ),
    mistake(
        "rng-not-used",
        "You do not draw from the generator of random numbers that you are given.",
        "With it, the same seed gives the same text, and another seed another one.",
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
        "decode-given-texts",
        "You give decode more than one token of each text.",
        "The cache has the others: a list of token IDs, one for each text.",
        "generate_tokens",
        r"decode",
    ),
    mistake(
        "texts-yielded",
        "You yield something else than one token of each text.",
        "A list of token IDs: whoever shows the texts adds them there.",
        "generate_tokens",
        r"yield",
    ),
    mistake(
        "another-number-of-tokens",
        "You generate another number of tokens than is asked for.",
        "max_new_tokens says how many each text gets, the first one included.",
        "generate_tokens",
        r"for count|range",
    ),
    mistake(
        "not-the-whole-text",
        "Your penalty does not look at the whole text.",
        "A token is in the text whether it came with the prompt or was chosen.",
        "generate_tokens",
        r"choose_token",
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
        "stop-not-noticed",
        "You do not say that a stop sequence was found.",
        "stopped is what ends the text. find gives 0 for a stop sequence at the very "
        "beginning, and one may stand in the middle of a piece.",
        "add",
        r"stopped",
        r"find\(",
    ),
    mistake(
        "stops-without-a-stop",
        "You end the text though it holds no stop sequence.",
        "find gives -1 for what is not there, and -1 counts as true.",
        "add",
        r"find\(",
        r"stopped",
    ),
    mistake(
        "not-the-first-stop",
        "You cut the text at a stop sequence that is not the first in it.",
        "Of several, the one counts that comes first in the text, not in the list.",
        "add",
        r"found",
        r"find\(",
    ),
    mistake(
        "stop-in-the-text",
        "You hand over the stop sequence itself.",
        "The text ends before it.",
        "add",
        r"self\._held\[:",
        r"stopped",
    ),
    mistake(
        "rest-not-returned",
        "You keep back what stands before the stop sequence.",
        "Nothing more comes: it is certain now.",
        "add",
        r"finish",
        r"stopped",
    ),
    mistake(
        "returned-twice",
        "You hand over text again that you have handed over before.",
        "What is returned is no longer held.",
        "add",
        r"self\._held =",
        r"return",
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
