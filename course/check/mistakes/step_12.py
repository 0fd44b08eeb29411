"""Mistakes in step 12, text generation."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from course.check.answers import Expected
from course.check.cases import Case
from course.check.mistakes.mistake import Mistake, OtherQuestion
from course.check.mistakes.numbers import Array, softmax
from course.check.stand_in import logits_of


def compute(case: Any, expected: Expected, **options: Any) -> Array:
    """What the case asks for: token IDs of a text, new tokens, or probabilities.

    Raises:
        OtherQuestion: The options are about something else.
    """
    about: Callable[..., Array] = generate
    if isinstance(case, str):
        about = encode
    elif isinstance(case, float):
        about = probabilities
    if not set(options) <= set(inspect.signature(about).parameters):
        raise OtherQuestion(f"{about.__name__} has no {', '.join(options)}")
    return about(case, expected, **options)


def encode(
    text: str,
    expected: Expected,
    *,
    pieces: str = "tokens",
    layout: str = "[1, seq_length]",
) -> Array:
    """The token IDs of a text."""
    ids = expected.output
    if pieces == "characters":
        ids = np.array([[ord(character) for character in text]])
    elif pieces == "bytes":
        ids = np.array([list(text.encode())])
    elif pieces == "all but the first":
        ids = ids[:, 1:]
    elif pieces == "all but the last":
        ids = ids[:, :-1]
    if layout == "[seq_length]":
        return ids[0]
    return ids.T if layout == "[seq_length, 1]" else ids


def generate(
    case: Case,
    expected: Expected,
    *,
    position: int | str = -1,
    choose: str = "the largest",
    fed_back: str = "behind",
    extra: int = 0,
    sequences: str = "all",
    output: str = "new tokens",
    layout: str = "[batch, 1]",
) -> Array:
    """As many new tokens as expected, each the most likely one."""
    ids = expected.inputs[0]
    if sequences == "the first":
        ids = ids[:1]
    start = ids
    new = [ids[:, :0]]
    texts = [ids]
    for _ in range(expected.output.shape[1] + extra):
        logits = logits_of(ids, expected.weights)
        if isinstance(position, str):
            sequence = logits[0 if position == "first sequence" else -1]
            return sequence.argmax(axis=-1)[:, None]
        if choose == "at every position":
            return logits.argmax(axis=-1)[:, :, None]
        if choose == "the largest over positions":
            token = logits.argmax(axis=1)[:, -1:]
        elif choose == "the smallest":
            token = logits[:, position].argmin(axis=-1)[:, None]
        elif choose == "the second":
            token = np.argsort(logits[:, position], axis=-1)[:, -2:-1]
        else:
            token = logits[:, position].argmax(axis=-1)[:, None]
        new.append(token)
        if fed_back == "behind":
            ids = np.concatenate([ids, token], axis=1)
        elif fed_back == "in front":
            ids = np.concatenate([token, ids], axis=1)
        elif fed_back == "alone":
            ids = token
        elif fed_back == "in place of the last":
            ids = np.concatenate([ids[:, :-1], token], axis=1)
        elif fed_back == "in place of the first":
            ids = np.concatenate([ids[:, 1:], token], axis=1)
        elif fed_back == "behind the prompt":
            ids = np.concatenate([start, token], axis=1)
        elif fed_back == "added":
            ids = ids + token
        texts.append(ids)
    tokens = np.concatenate(new, axis=1)
    if output == "without the first":
        return tokens[:, 1:]
    if output == "prompt and new tokens":
        return np.concatenate([start, tokens], axis=1)
    if output == "the text so far":
        return np.concatenate(texts[1:], axis=1)
    if output == "the text before":
        return np.concatenate(texts[:-1], axis=1)
    if layout == "[batch, 1, 1]":
        return tokens[:, :, None]
    if layout == "[1, batch]":
        return tokens.T
    return tokens[:, 0] if layout == "[batch]" else tokens


def probabilities(
    temperature: float,
    expected: Expected,
    *,
    position: int = -1,
    heat: str = "divides",
    drawn: str = "from the softmax",
) -> Array:
    """The probability of each token to be drawn."""
    row = expected.inputs[0][:, position]
    scaled = {
        "divides": row / temperature,
        "multiplies": row * temperature,
        "ignored": row,
        "squared": row / temperature**2,
        "root": row / temperature**0.5,
    }[heat]
    shares = softmax(scaled)
    if drawn == "evenly":
        return np.full_like(shares, 1 / shares.shape[-1])
    if drawn == "never":
        return np.eye(shares.shape[-1])[shares.argmax(axis=-1)]
    if drawn == "from a softmax twice":
        return softmax(shares)
    if drawn == "from logits without exp":
        return np.abs(scaled) / np.abs(scaled).sum(axis=-1, keepdims=True)
    if drawn == "from the negative logits":
        return softmax(-scaled)
    return shares


LAST = "generate_next_token: model(input_ids)[:, -1, :]."
DRAW = "generate_next_token: softmax(logits / temperature), then draw."
LOOP = "The loop in generate_tokens."

MISTAKES = (
    Mistake(
        id="characters-encoded",
        what="You turn characters or bytes into numbers, not tokens.",
        why="The model knows a text only as the IDs of its tokenizer's tokens.",
        look="encode_text: tokenizer.encode(text).ids.",
        ways=({"pieces": "characters"}, {"pieces": "bytes"}),
        lines=(r"ord\(", r"encode\("),
        within="encode_text",
    ),
    Mistake(
        id="token-lost-in-encoding",
        what="Your encoding lacks the first or the last token.",
        why="GPT-2's tokenizer adds no tokens of its own that could be left out.",
        look="encode_text: tokenizer.encode(text).ids.",
        ways=({"pieces": "all but the first"}, {"pieces": "all but the last"}),
        lines=(r"\[1:\]", r"\[:-1\]"),
        within="encode_text",
    ),
    Mistake(
        id="ids-without-batch-axis",
        what="Your token IDs have no axis for the batch, or it comes last.",
        why="The model takes [batch, seq_length]; one text is a batch of 1.",
        look="encode_text: Tensor([token_ids], ...), with brackets.",
        ways=({"layout": "[seq_length]"}, {"layout": "[seq_length, 1]"}),
        lines=(r"Tensor\(",),
        within="encode_text",
    ),
    Mistake(
        id="ids-not-int64",
        what="Your token IDs are not int64.",
        why="They are looked up in a table, and joined with IDs that are int64.",
        look="The dtype where the tensor is made: DType.int64.",
        lines=(r"Tensor\(.*dtype", r"dtype", r"astype", r"Tensor\(", r"from_dlpack"),
    ),
    Mistake(
        id="special-tokens-skipped",
        what="Your decoding leaves special tokens out.",
        why="<|endoftext|> is how the model says that a text ends.",
        look="decode_tokens: skip_special_tokens=False.",
        lines=(r"\.decode\(",),
        within="decode_tokens",
    ),
    Mistake(
        id="tokens-decoded-one-by-one",
        what="You decode each token by itself.",
        why="A character can be spread over several tokens: alone they are no text.",
        look="decode_tokens: give tokenizer.decode the whole list.",
        lines=(r"\.decode\(", r"join"),
        within="decode_tokens",
    ),
    Mistake(
        id="ids-not-decoded",
        what="You return the token IDs as text instead of decoding them.",
        why="The reader of the text wants words.",
        look="decode_tokens: tokenizer.decode.",
        lines=(r"return",),
        within="decode_tokens",
    ),
    Mistake(
        id="first-position",
        what="You choose from the logits of the first position.",
        why="The last position has seen the whole text, and predicts what follows it.",
        look=LAST,
        ways=({"position": 0},),
        lines=(r"model\(", r"\[:"),
        within="generate_next_token",
    ),
    Mistake(
        id="last-but-one-position",
        what="You choose from the logits of the last position but one.",
        why="The last position has seen the whole text, and predicts what follows it.",
        look=LAST,
        ways=({"position": -2},),
        lines=(r"-2",),
        within="generate_next_token",
    ),
    Mistake(
        id="every-position-chosen",
        what="You choose a token at every position, not only after the last.",
        why="The last position has seen the whole text, and predicts what follows it.",
        look=LAST,
        ways=({"choose": "at every position"},),
        lines=(r"model\(",),
        within="generate_next_token",
    ),
    Mistake(
        id="sequence-for-position",
        what="Your index takes one sequence of the batch instead of each one's last "
        "position.",
        why="Logits are [batch, seq_length, vocab_size]: the first axis is the batch.",
        look=LAST,
        ways=({"position": "last sequence"}, {"position": "first sequence"}),
        lines=(r"\[-1\]", r"\[0\]", r"\[-1", r"model\("),
        within="generate_next_token",
    ),
    Mistake(
        id="token-with-other-axes",
        what="Your next token does not have the shape [batch, 1].",
        why="It is appended to the token IDs, [batch, seq_length], as one column.",
        look="generate_next_token: a list of lists, [[token], [token], ...], one for "
        "each sequence; F.argmax keeps its axis.",
        ways=(
            {"layout": "[batch]"},
            {"layout": "[batch, 1, 1]"},
            {"layout": "[1, batch]"},
        ),
        lines=(r"-1:", r"argmax", r"return"),
        within="generate_next_token",
    ),
    Mistake(
        id="argmax-over-positions",
        what="Your argmax runs over the positions instead of the vocabulary.",
        why="It is to find the token with the highest score.",
        look="generate_next_token: F.argmax(logits, axis=-1), at the last position.",
        ways=({"choose": "the largest over positions"},),
        lines=(r"[:.], -1\]", r"argmax"),
        within="generate_next_token",
    ),
    Mistake(
        id="least-likely-token",
        what="You take the least likely token.",
        why="The largest logit is the most likely token.",
        look="generate_next_token: F.argmax.",
        ways=({"choose": "the smallest"}, {"drawn": "from the negative logits"}),
        lines=(
            r"argmin",
            r"(?<![-\w\d\[, ]) ?-\s?(model|logits)",
            r"= 0(\.0)? - ",
        ),
        within="generate_next_token",
    ),
    Mistake(
        id="second-best-token",
        what="You take the second most likely token.",
        why="Greedy means the most likely one.",
        look="generate_next_token: F.argmax.",
        ways=({"choose": "the second"},),
        lines=(r"top", r"sort"),
        within="generate_next_token",
    ),
    Mistake(
        id="greedy-draws",
        what="At temperature 0 you draw a token: asked twice, you answer differently.",
        why="Temperature 0 means no chance: always the most likely token.",
        look="generate_next_token: if temperature == 0.0: return F.argmax(...).",
        lines=(r"temperature", r"choice"),
        within="generate_next_token",
    ),
    Mistake(
        id="temperature-multiplied",
        what="You multiply the logits by the temperature instead of dividing.",
        why="A high temperature is to make the choice more even, a low one less.",
        look=DRAW,
        ways=({"heat": "multiplies"},),
        lines=(
            r"\* ?temperature",
            r"temperature ?\*",
        ),
        within="generate_next_token",
    ),
    Mistake(
        id="temperature-ignored",
        what="You do not divide the logits by the temperature.",
        why="The temperature says how daring the choice is.",
        look=DRAW,
        ways=({"heat": "ignored"},),
        lines=(r"softmax\(",),
        within="generate_next_token",
    ),
    Mistake(
        id="temperature-squared",
        what="You divide the logits by the square or the root of the temperature.",
        why="The temperature divides them as it is.",
        look=DRAW,
        ways=({"heat": "squared"}, {"heat": "root"}),
        lines=(
            r"temperature ?\*",
            r"sqrt",
        ),
        within="generate_next_token",
    ),
    Mistake(
        id="always-greedy",
        what="You always take the most likely token, also above temperature 0.",
        why="Above 0, a token is drawn: the same prompt can go on in many ways.",
        look=DRAW,
        ways=({"drawn": "never"},),
        lines=(
            r"if .*temperature",
            r"argmax",
        ),
        within="generate_next_token",
    ),
    Mistake(
        id="drawn-evenly",
        what="You draw all tokens with the same probability.",
        why="The softmax of the logits says how likely each is.",
        look=DRAW,
        ways=({"drawn": "evenly"},),
        lines=(r"choice", r"integers", r"random"),
        within="generate_next_token",
    ),
    Mistake(
        id="softmax-twice",
        what="You apply the softmax twice.",
        why="Probabilities are no logits: a softmax of them is nearly even.",
        look=DRAW,
        ways=({"drawn": "from a softmax twice"},),
        lines=(r"softmax",),
        within="generate_next_token",
    ),
    Mistake(
        id="no-exponential",
        what="You draw in proportion to the logits, without a softmax.",
        why="Logits can be negative; the softmax makes them probabilities.",
        look=DRAW,
        ways=({"drawn": "from logits without exp"},),
        lines=(r"abs", r"choice", r"sum"),
        within="generate_next_token",
    ),
    Mistake(
        id="large-logits",
        what="Your drawing breaks down where logits are large.",
        why="e to the power of 89 is more than float32 can hold, and infinity by "
        "infinity is NaN. At a low temperature logits get as large as that.",
        look="generate_next_token: F.softmax; by hand, first subtract each row's "
        "largest logit.",
        lines=(r"\bexp\(", r"softmax"),
        within="generate_next_token",
    ),
    Mistake(
        id="one-draw-for-the-batch",
        what="You draw once for the whole batch: all sequences get the same token.",
        why="Each sequence of the batch draws for itself.",
        look="generate_next_token: one draw for each row of probabilities.",
        lines=(r"choice", r"random"),
        within="generate_next_token",
    ),
    Mistake(
        id="rng-ignored",
        what="You do not draw from the rng that you are given: the same seed does not "
        "give the same text.",
        why="A seed makes a run repeatable, for you and for who reports a bug.",
        look="Where rng is made: only if it is None. And generate_tokens hands it on.",
        lines=(r"default_rng", r"rng=", r"generate_next_token\("),
        within="generate_next_token",
    ),
    Mistake(
        id="fixed-seed",
        what="Your draws are the same whatever the seed.",
        why="Another seed is to give another text.",
        look="Where rng is made: only if it is None, and then without a fixed seed.",
        lines=(r"default_rng", r"seed"),
        within="generate_next_token",
    ),
    Mistake(
        id="rng-required",
        what="Your code fails if no rng is given.",
        why="None means that a fresh generator is made.",
        look="generate_next_token: rng = rng or np.random.default_rng().",
        lines=(r"\brng = ", r"rng\."),
        within="generate_next_token",
    ),
    Mistake(
        id="temperature-not-handed-on",
        what="generate_tokens does not hand the temperature on.",
        why="generate_next_token then chooses greedily, whatever was asked for.",
        look=LOOP,
        lines=(r"generate_next_token\(",),
        within="generate_tokens",
    ),
    Mistake(
        id="newest-token-ignored",
        what="Your new tokens are not appended to the input: each is chosen after the "
        "prompt alone.",
        why="Each token depends on the ones before it, the new ones too.",
        look=LOOP,
        ways=({"fed_back": "never"},),
        lines=(
            r"^\s+(F\.)?concat",
            r"for ",
        ),
        within="generate_tokens",
    ),
    Mistake(
        id="added-not-appended",
        what="You add the new token's ID to the other IDs, as numbers.",
        why="An ID is the name of a token, which + makes another token of.",
        look="The loop in generate_tokens: F.concat([input_ids, next_token], axis=1).",
        ways=({"fed_back": "added"},),
        lines=(r"\+",),
        within="generate_tokens",
    ),
    Mistake(
        id="appended-in-front",
        what="You put each new token in front of the text instead of behind it.",
        why="The model reads from left to right: the newest token comes last.",
        look="The F.concat in generate_tokens: the order of the two.",
        ways=({"fed_back": "in front"},),
        lines=(r"concat",),
        within="generate_tokens",
    ),
    Mistake(
        id="context-lost",
        what="Your model gets only the newest token, without the text before it.",
        why="Without a cache (step 15), the model knows only what it is given.",
        look=LOOP,
        ways=({"fed_back": "alone"},),
        lines=(r"input_ids =",),
        within="generate_tokens",
    ),
    Mistake(
        id="token-replaced",
        what="Your new tokens each replace an older one: the text does not grow.",
        why="The text grows by one token each time.",
        look=LOOP,
        ways=(
            {"fed_back": "in place of the last"},
            {"fed_back": "in place of the first"},
            {"fed_back": "behind the prompt"},
        ),
        lines=(r"concat", r"input_ids ="),
        within="generate_tokens",
    ),
    Mistake(
        id="one-token-too-many",
        what="You generate one token more than max_new_tokens.",
        why="The caller counts on the number asked for.",
        look=LOOP,
        ways=({"extra": 1},),
        lines=(r"range\(", r"while"),
        within="generate_tokens",
    ),
    Mistake(
        id="one-token-too-few",
        what="You generate one token less than max_new_tokens.",
        why="range(n) already has n numbers.",
        look=LOOP,
        ways=({"extra": -1},),
        lines=(r"range\(", r"while"),
        within="generate_tokens",
    ),
    Mistake(
        id="first-token-not-yielded",
        what="Your first new token is missing from what you yield.",
        why="Every new token is given away as soon as it is chosen.",
        look="The place of the yield in the loop.",
        ways=(
            {"output": "without the first"},
            {"output": "without the first", "extra": 1},
        ),
        lines=(r"yield",),
        within="generate_tokens",
    ),
    Mistake(
        id="prompt-yielded",
        what="You yield the prompt as well as the new tokens.",
        why="The caller has the prompt already.",
        look="The yield in generate_tokens: only the next token.",
        ways=({"output": "prompt and new tokens"},),
        lines=(r"yield",),
        within="generate_tokens",
    ),
    Mistake(
        id="text-so-far-yielded",
        what="You yield the whole text each time, not the new token.",
        why="The caller has the prompt, and was given the tokens before.",
        look="The yield in generate_tokens: only the next token.",
        ways=({"output": "the text so far"}, {"output": "the text before"}),
        lines=(r"yield",),
        within="generate_tokens",
    ),
    Mistake(
        id="first-of-batch-only",
        what="You generate for the first sequence of the batch only.",
        why="All the sequences of a batch go on, each with a token of its own.",
        look="generate_next_token: a token for each row of logits, shape [batch, 1].",
        ways=({"sequences": "the first"},),
        lines=(r"\[0",),
        within="generate_next_token",
    ),
    Mistake(
        id="not-a-generator",
        what="generate_tokens returns its tokens all at once, or not at all.",
        why="With `yield` each token can be shown as soon as it is chosen.",
        look="generate_tokens: yield next_token, inside the loop.",
        lines=(r"return", r"append"),
        within="generate_tokens",
    ),
    Mistake(
        id="tokens-held-back",
        what="Your tokens are all computed before the first is yielded.",
        why="The reader of the text wants to see each word as soon as it is there.",
        look="generate_tokens: yield next_token, inside the loop.",
        lines=(r"yield",),
        within="generate_tokens",
    ),
)
