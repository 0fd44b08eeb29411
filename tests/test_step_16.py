"""Step 16: sampling, compared with Hugging Face's logits processors."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel

from course.check.alternatives import assert_array
from course.check.mistakes import step_16 as wrong
from course.check.tools import Case, CheckFailed, Expected, known, reference
from course.steps import DEMO_MODEL

TEXT = [3, 1, 4, 1, 5, 9, 2, 6]
VOCAB_SIZE = 40
PENALTY = 20.0
DRAWS = 4000

# name of the function: values of its parameter
FILTERS = {
    "penalize_repetition": [1.0, 1.3, 5.0, 0.5],
    "keep_top_k": [0, 1, 3, 7, 12, 39, 40, 1000],
    "keep_top_p": [1.0, 0.95, 0.5, 0.05, 1e-6, 1e-9],
    "keep_min_p": [0.0, 0.02, 0.3, 1.0],
}
CALLS = [(name, value) for name, values in FILTERS.items() for value in values]
SETTINGS = [
    {},  # The defaults.
    {"temperature": 0.5, "top_k": 5},
    {"temperature": 2.0, "top_p": 0.8},
    {"temperature": 1.5, "top_k": 6, "top_p": 0.7},
    {"temperature": 0.7, "top_k": 12, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 1.5, "top_k": 8, "top_p": 0.6, "min_p": 0.2},
    {"temperature": 1.5, "top_k": 20, "repetition_penalty": 1.4, "min_p": 0.1},
]
PROMPTS = [[1, 2, 3], [4, 5]]
REFUSED = [
    {"temperature": -1.0},
    {"temperature": float("nan")},
    {"top_k": -1},
    {"top_p": 0.0},
    {"top_p": 1.1},
    {"min_p": -0.1},
    {"min_p": 2.0},
    {"repetition_penalty": 0.0},
]


def logits_for(seed):
    """Logits of both signs, with no two alike."""
    random = np.random.default_rng(seed)
    return random.normal(0, 2.5, VOCAB_SIZE).astype(np.float32)


def processor(name, value):
    """Hugging Face's processor for one of our functions, if it does anything."""
    from transformers import (
        MinPLogitsWarper,
        RepetitionPenaltyLogitsProcessor,
        TemperatureLogitsWarper,
        TopKLogitsWarper,
        TopPLogitsWarper,
    )

    classes = {
        "repetition_penalty": RepetitionPenaltyLogitsProcessor,
        "temperature": TemperatureLogitsWarper,
        "top_k": TopKLogitsWarper,
        "top_p": TopPLogitsWarper,
        "min_p": MinPLogitsWarper,
    }
    idle = {"repetition_penalty": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0}
    if idle.get(name) == value:
        return lambda ids, logits: logits
    return classes[name](value)


def apply(settings, logits):
    """The processors in the order in which Hugging Face's `generate` has them."""
    import torch
    from transformers import GenerationConfig, GPT2LMHeadModel

    config = GenerationConfig(do_sample=True, **{"top_k": 0, **settings})
    model = GPT2LMHeadModel(Case("narrow", 1, 1).hugging_face_config)
    processors = model._get_logits_processor(config, input_ids_seq_length=len(TEXT))
    return processors(torch.tensor([TEXT]), torch.from_numpy(logits)[None])[0]


@reference(CALLS)
def hugging_face(call):
    """Logits, and what Hugging Face's processor makes of them."""
    import torch

    name, value = call
    logits = logits_for(len(name))
    parameter = name.removeprefix("keep_")
    if name == "penalize_repetition":
        parameter = "repetition_penalty"
        logits[TEXT[:2]] = 0.5, -0.5  # Whatever is not exactly at 0 shows.
    ids = torch.tensor([TEXT])
    kept = processor(parameter, value)(ids, torch.from_numpy(logits)[None])
    return Expected(inputs=(logits,), output=kept[0].numpy())


@reference(SETTINGS)
def hugging_face_probabilities(settings):
    """Logits, and the probabilities from which Hugging Face would draw."""
    import torch

    logits = logits_for(len(settings))
    probabilities = torch.softmax(apply(settings, logits), dim=-1)
    return Expected(inputs=(logits,), output=probabilities.numpy())


@pytest.mark.parametrize(("name", "value"), CALLS)
def test_filter(step, name, value):
    """each filter: the logits that Hugging Face's processor leaves"""
    expected = hugging_face((name, value))
    [logits] = expected.inputs
    function = getattr(step, name)
    given = logits.copy()
    if name == "penalize_repetition":
        actual = function(given, TEXT, value)
    else:
        actual = function(given, value)
    if not np.array_equal(given, logits):
        raise known(16, "changed-in-place", step, within=name)
    assert_array(
        actual,
        expected.output,
        number=16,
        step=step,
        what=f"{name}(…, {value})",
        mistakes=wrong.alternatives(name, logits, TEXT, value),
    )


def test_softmax(step):
    """softmax: probabilities, also of large logits and of those ruled out"""
    logits = np.array([1000, 999, -np.inf, 990], dtype=np.float32)
    expected = np.exp([0, -1, -np.inf, -10])
    assert_array(
        step.softmax(logits),
        (expected / expected.sum()).astype(np.float32),
        number=16,
        step=step,
        what="softmax",
        mistakes={"softmax-overflows": lambda: wrong.overflowed(logits)},
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_probabilities(step, settings):
    """next_token_probabilities: the filters in the order of Hugging Face's generate"""
    expected = hugging_face_probabilities(settings)
    [logits] = expected.inputs
    actual = step.next_token_probabilities(logits, TEXT, step.Sampling(**settings))
    assert_array(
        actual,
        expected.output,
        number=16,
        step=step,
        what="next_token_probabilities",
        mistakes=wrong.other_orders(logits, TEXT, settings),
    )


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_draws(step, settings):
    """choose_token: draws that follow these probabilities"""
    expected = hugging_face_probabilities(settings)
    [logits] = expected.inputs
    sampling, rng = step.Sampling(**settings), np.random.default_rng(16)
    drawn = [step.choose_token(logits, TEXT, sampling, rng) for _ in range(DRAWS)]
    counts = np.bincount(drawn, minlength=VOCAB_SIZE)
    if counts[expected.output == 0].any():
        raise CheckFailed("A token is drawn whose probability is 0.", short="draws")
    if (counts > 0).sum() == 1 and (expected.output > 0).sum() > 1:
        raise known(16, "not-drawn", step)
    if chi_squared(counts, DRAWS * expected.output) > 1:
        raise CheckFailed(
            f"{DRAWS} draws do not follow the probabilities.", short="draws"
        )
    again = np.random.default_rng(16)
    if [step.choose_token(logits, TEXT, sampling, again) for _ in range(50)] != drawn[
        :50
    ]:
        raise known(16, "rng-not-used", step)


def chi_squared(counts, expected):
    """Pearson's statistic over the bound that chance exceeds once in a million."""
    # Cells that expect fewer than 5 are put together.
    small = expected < 5
    cells = np.append(counts[~small], counts[small].sum())
    wanted = np.append(expected[~small], expected[small].sum())
    cells, wanted = cells[wanted > 0], wanted[wanted > 0]
    degrees = max(len(cells) - 1, 1)
    # Wilson and Hilferty's approximation; 4.75 standard deviations.
    bound = degrees * (1 - 2 / (9 * degrees) + 4.75 * (2 / (9 * degrees)) ** 0.5) ** 3
    return ((cells - wanted) ** 2 / wanted).sum() / bound


def test_greedy(step):
    """choose_token: the most likely token at temperature 0, after the penalty"""
    rng = np.random.default_rng(0)
    for penalty in (1.0, 5.0):
        logits = logits_for(3)
        logits[TEXT[0]] = logits.max() + 1
        penalized = wrong.penalized(logits, TEXT, penalty)
        sampling = step.Sampling(temperature=0.0, repetition_penalty=penalty)
        try:
            chosen = step.choose_token(logits, TEXT, sampling, rng)
        except (ValueError, ZeroDivisionError) as error:
            detail = f"Python says: {error}."
            raise known(16, "not-greedy", step, detail=detail) from None
        if chosen != penalized.argmax():
            name = "penalty-not-greedy" if chosen == logits.argmax() else "not-greedy"
            raise known(16, name, step)


def test_nan(step):
    """choose_token: a ValueError for logits that are NaN"""
    logits = logits_for(0)
    logits[7] = np.nan
    for temperature in (0.0, 1.0):
        sampling = step.Sampling(temperature=temperature)
        try:
            step.choose_token(logits, TEXT, sampling, np.random.default_rng(0))
        except ValueError:
            continue
        raise known(16, "nan-accepted", step)


@pytest.mark.parametrize("values", REFUSED, ids=str)
def test_refused(step, values):
    """Sampling: a ValueError for values that make no sense"""
    try:
        step.Sampling(**values)
    except ValueError as error:
        [name] = values
        if name in str(error):
            return
        raise CheckFailed(
            f"Your error does not name {name}: {error}", short=f"{name} not named"
        ) from None
    raise CheckFailed(f"Sampling accepts {values}.", short=f"{values} accepted")


def favored(seed):
    """Logits that are high for the tokens of `PROMPTS`: the penalty decides."""
    logits = logits_for(seed)
    logits[1:6] += 20
    return logits


class StandIn:
    """A decoder whose logits are known, and which notes what it is asked."""

    def __init__(self):
        self.asked = []

    def prefill(self, prompts):
        self.asked.append(("prefill", [list(prompt) for prompt in prompts]))
        return np.array([favored(sum(prompt)) for prompt in prompts])

    def decode(self, token_ids):
        self.asked.append(("decode", list(token_ids)))
        return np.array([favored(token_id + 100) for token_id in token_ids])


def test_generate(step):
    """generate_tokens: one prefill, then only the new tokens"""
    decoder, prompts = StandIn(), [list(prompt) for prompt in PROMPTS]
    rng = np.random.default_rng(0)
    sampling = step.Sampling(temperature=0.0, repetition_penalty=PENALTY)
    tokens = step.generate_tokens(decoder, prompts, 3, sampling, rng)
    if not hasattr(tokens, "__next__"):
        raise CheckFailed("generate_tokens is not a generator: use yield.")
    first = next(tokens)
    if len(decoder.asked) != 1:
        raise known(16, "not-lazy", step)
    chosen = [list(first), *(list(ids) for ids in tokens)]
    if prompts != PROMPTS:
        raise known(16, "prompts-changed", step)
    expected, asked = answers(3)
    if [what for what, _ in decoder.asked].count("prefill") > 1:
        raise known(16, "prefill-again", step)
    if chosen == expected and decoder.asked[:-1] == asked:
        raise known(16, "decodes-once-more", step)
    if chosen != expected or decoder.asked != asked:
        raise CheckFailed(
            f"generate_tokens yields {chosen} and asks the decoder {decoder.asked}; "
            f"expected are {expected} and {asked}.",
            short="other tokens",
        )


def answers(count):
    """The tokens for `PROMPTS`, step by step, and what the decoder is asked."""
    texts, tokens = [list(prompt) for prompt in PROMPTS], []
    logits, asked = [favored(sum(prompt)) for prompt in PROMPTS], [("prefill", PROMPTS)]
    for number in range(count):
        if number:
            asked.append(("decode", tokens[-1]))
            logits = [favored(token_id + 100) for token_id in tokens[-1]]
        chosen = [
            int(wrong.penalized(row, text, PENALTY).argmax())
            for row, text in zip(logits, texts, strict=True)
        ]
        tokens.append(chosen)
        for text, token_id in zip(texts, chosen, strict=True):
            text.append(token_id)
    return tokens, asked


def test_seed(step):
    """generate_tokens: the same draws from the same random numbers"""
    hot = step.Sampling(temperature=5.0)

    def drawn():
        rng = np.random.default_rng(16)
        tokens = step.generate_tokens(StandIn(), PROMPTS, 20, hot, rng)
        return [list(map(int, ids)) for ids in tokens]

    if drawn() != drawn():
        raise known(16, "rng-not-used", step, lines=["rng"], within="generate_tokens")


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "stop", "expected"),
    [
        ("The fox 🦊 said: naïve 猫!", [], "The fox 🦊 said: naïve 猫!"),
        ("One. Two. Three.", ["Two"], "One. "),
        ("Once upon a time", ["on", "po"], "Once u"),
        ("aab aaab", ["aaab"], "aab "),
        ("ababac and more", ["abac"], "ab"),
        ("nothing to stop at", ["END", "\n\n"], "nothing to stop at"),
        ("both ONE and TWO", ["TWO", "ONE"], "both "),
        ("it ends in EN", ["END"], "it ends in EN"),
        ("é🦊é", ["🦊"], "é"),
    ],
)
def test_stream(step, tokenizer, text, stop, expected):
    """TextStream: whole characters, and nothing of a stop sequence"""
    stream = step.TextStream(tokenizer, stop)
    pieces = []
    for token_id in tokenizer.encode(text).ids:
        pieces.append(stream.add(token_id))
        if stream.stopped:
            break
    pieces.append(stream.finish())
    if not all(isinstance(piece, str) for piece in pieces):
        raise CheckFailed("TextStream.add returns something that is no text.")
    written = "".join(pieces)
    if "\ufffd" in written:
        raise known(16, "half-characters", step)
    if written != expected:
        if any(written.startswith(expected + s[:1]) and s for s in stop):
            raise known(16, "stop-not-held", step)
        raise CheckFailed(
            f"From {text!r} with the stop sequences {stop}, your pieces are {pieces}; "
            f"together they should be {expected!r}.",
            short="another text",
        )
    if stream.stopped != (expected != text):
        raise CheckFailed(f"stopped is {stream.stopped}.", short="stopped is wrong")


@pytest.mark.parametrize("stop", [["###"], []], ids=str)
def test_stream_at_once(step, tokenizer, stop):
    """TextStream: what is certain is not held back"""
    stream = step.TextStream(tokenizer, stop)
    pieces = [stream.add(i) for i in tokenizer.encode("Once upon a time").ids]
    if "".join(pieces) != "Once upon a time":
        raise known(16, "held-too-long", step)


def test_stream_after_prompt(step):
    """TextStream: the space between the prompt and the text"""
    tokenizer = Tokenizer(WordLevel({"▁Once": 0, "▁upon": 1}))
    # It writes no space before the first token of a text.
    tokenizer.decoder = decoders.Metaspace()
    stream = step.TextStream(tokenizer, prompt=[0])
    piece = stream.add(1)
    if piece != " upon":
        raise CheckFailed(
            f"After the prompt 'Once', the token '▁upon' is {piece!r} and not ' upon'.",
            short="no space after the prompt",
        )
