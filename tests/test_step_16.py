"""Step 16: sampling, compared with Hugging Face's logits processors."""

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordLevel

from course.check.answers import Expected, reference
from course.check.assert_array import assert_array
from course.check.cases import Case
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.steps import DEMO_MODEL

TEXT = [3, 1, 4, 1, 5, 9, 2, 6]
VOCAB_SIZE = 40
# For top-k: NumPy sorts short arrays whole where it is asked for a part only.
MANY = 1000
PENALTIES = [1.0, 5.0]
PENALTY = 20.0
DRAWS = 4000

# The values that each filter is called with.
PENALTY_CALLS = [("penalize_repetition", value) for value in (1.0, 1.3, 5.0, 0.5)]
TOP_K_CALLS = [("keep_top_k", k) for k in (0, 3, 1, 7, 12, 300, 999, 1000, 5000)]
TOP_P_CALLS = [("keep_top_p", p) for p in (1.0, 0.95, 0.5, 0.05, 1e-6, 1e-9)]
MIN_P_CALLS = [("keep_min_p", share) for share in (0.0, 0.02, 0.3, 1.0)]
CALLS = [*PENALTY_CALLS, *TOP_K_CALLS, *TOP_P_CALLS, *MIN_P_CALLS]
SETTINGS = [
    {},  # The defaults.
    {"temperature": 0.5, "top_k": 5},
    {"temperature": 2.0, "top_p": 0.8},
    {"temperature": 1.5, "top_k": 6, "top_p": 0.7},
    {"temperature": 0.7, "top_k": 12, "top_p": 0.9, "min_p": 0.05},
    {"temperature": 1.5, "top_k": 8, "top_p": 0.6, "min_p": 0.2},
    {"temperature": 1.5, "top_k": 20, "repetition_penalty": 1.4, "min_p": 0.1},
    {"top_k": 4, "repetition_penalty": 5.0},
]
# One that rules nothing out, one that does, one with the penalty.
DRAWN = [SETTINGS[0], SETTINGS[3], SETTINGS[6]]
PROMPTS = [[1, 2, 3], [4, 5]]
REFUSED = [
    {"temperature": -1.0},
    {"temperature": float("nan")},
    {"temperature": float("inf")},
    {"top_k": -1},
    {"top_p": 0.0},
    {"top_p": 1.1},
    {"top_p": float("nan")},
    {"min_p": -0.1},
    {"min_p": 2.0},
    {"repetition_penalty": 0.0},
    {"repetition_penalty": float("inf")},
]


def logits_for(seed, vocab_size=VOCAB_SIZE):
    """Logits of both signs, with no two alike."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2.5, vocab_size).astype(np.float32)
    assert np.unique(logits).size == vocab_size
    return logits


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
    logits = logits_for(len(name), MANY if name == "keep_top_k" else VOCAB_SIZE)
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


@reference(PENALTIES)
def hugging_face_greedy(penalty):
    """Logits, and the token that Hugging Face takes when nothing is drawn."""
    import torch

    logits = logits_for(3)
    logits[TEXT[0]] = logits.max() + 1
    penalize = processor("repetition_penalty", penalty)
    penalized = penalize(torch.tensor([TEXT]), torch.from_numpy(logits)[None])
    return Expected(inputs=(logits,), output=penalized.argmax(dim=-1).numpy())


@reference(PROMPTS)
def hugging_face_tokens(prompt):
    """What Hugging Face's generate adds to a prompt, with the logits of `StandIn`."""
    import torch
    from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutput

    class Model(PreTrainedModel, GenerationMixin):
        def __init__(self, config):
            super().__init__(config)
            self.anything = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, **_):
            [ids] = input_ids.tolist()
            logits = after(prompt if len(ids) == len(prompt) else ids[-1])
            return CausalLMOutput(logits=torch.from_numpy(logits)[None, None])

    made = Model(PreTrainedConfig()).generate(
        torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.int64),
        max_new_tokens=NEW_TOKENS,
        repetition_penalty=PENALTY,
        do_sample=False,
        use_cache=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    return Expected(output=made[0, len(prompt) :].numpy())


def wrong_sampling():
    """What known mistakes give; imported only where something is wrong."""
    from course.check.mistakes import wrong_sampling

    return wrong_sampling


@pytest.mark.parametrize(("name", "value"), PENALTY_CALLS)
def test_penalty(step, name, value):
    """penalize_repetition: the logits that Hugging Face's processor leaves"""
    assert_filter(step, name, value, lambda logits: (logits, TEXT, value))


@pytest.mark.parametrize(("name", "value"), TOP_K_CALLS)
def test_top_k(step, name, value):
    """keep_top_k: the logits that Hugging Face's processor leaves"""
    assert_filter(step, name, value, lambda logits: (logits, value))


def test_softmax(step):
    """softmax: probabilities, also of large logits and of those ruled out"""
    for largest in (1000, 0):
        logits = np.array([0, -1, -np.inf, -10], dtype=np.float32) + largest
        powers = np.exp([0, -1, -np.inf, -10])
        assert_array(
            step.softmax(logits),
            (powers / powers.sum()).astype(np.float32),
            number=16,
            step=step,
            what="softmax",
            mistakes=lambda x=logits: wrong_sampling().softmaxes(x),
            right="the formula",
        )


@pytest.mark.parametrize(("name", "value"), TOP_P_CALLS)
def test_top_p(step, name, value):
    """keep_top_p: the logits that Hugging Face's processor leaves"""
    assert_filter(step, name, value, lambda logits: (logits, value))


@pytest.mark.parametrize(("name", "value"), MIN_P_CALLS)
def test_min_p(step, name, value):
    """keep_min_p: the logits that Hugging Face's processor leaves"""
    assert_filter(step, name, value, lambda logits: (logits, value))


def assert_filter(step, name, value, arguments):
    """Check what a filter returns, and that it leaves what it is given as it is."""
    expected = hugging_face((name, value))
    [logits] = expected.inputs
    given = logits.copy()
    actual = getattr(step, name)(*arguments(given))
    if not np.array_equal(given, logits):
        raise known(16, "changed-in-place", step, within=name)
    assert_array(
        actual,
        expected.output,
        number=16,
        step=step,
        what=f"{name}(…, {value})",
        mistakes=lambda: wrong_sampling().filters(name, logits, TEXT, value),
        within=name,
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
        mistakes=lambda: wrong_sampling().orders(logits, TEXT, settings),
    )


@pytest.mark.parametrize("penalty", PENALTIES)
def test_greedy(step, penalty):
    """choose_token, greedy: the most likely token, after the penalty"""
    expected = hugging_face_greedy(penalty)
    [logits] = expected.inputs
    sampling = step.Sampling(temperature=0.0, repetition_penalty=penalty)
    try:
        chosen = token_of(step, logits, sampling, np.random.default_rng(0))
    except (ValueError, ZeroDivisionError) as error:
        detail = f"Python says: {error}."
        raise known(16, "not-greedy", step, detail=detail) from None
    if chosen != int(expected.output[0]):
        name = "penalty-not-greedy" if chosen == logits.argmax() else "not-greedy"
        raise known(16, name, step)


@pytest.mark.parametrize("settings", DRAWN, ids=str)
def test_draws(step, settings):
    """choose_token, drawn: draws that follow these probabilities"""
    expected = hugging_face_probabilities(settings)
    [logits] = expected.inputs
    sampling = step.Sampling(**settings)
    drawn = draw(step, logits, sampling, 16, DRAWS)
    counts = np.bincount(drawn, minlength=VOCAB_SIZE)
    possible = expected.output > 0
    if counts[~possible].any():
        token_id = int(np.argmax(np.where(possible, 0, counts)))
        raise CheckFailed(
            f"Token {token_id} is drawn, though its probability is 0.",
            short="a token of probability 0",
        )
    if (counts > 0).sum() == 1 and possible.sum() > 1:
        raise known(16, "not-drawn", step)
    if chi_squared(counts, DRAWS * expected.output) > 1:
        raise drawn_otherwise(step, counts, expected.output)
    if draw(step, logits, sampling, 16, 50) != drawn[:50]:
        raise known(16, "rng-not-used", step)
    if possible.sum() > 1 and draw(step, logits, sampling, 17, 50) == drawn[:50]:
        raise known(16, "rng-not-used", step, detail=ONE_SEED)


ONE_SEED = "With two generators of random numbers, seeded otherwise, they are the same."


def draw(step, logits, sampling, seed, count):
    """The reader's draws with one generator."""
    rng = np.random.default_rng(seed)
    return [token_of(step, logits, sampling, rng) for _ in range(count)]


def token_of(step, logits, sampling, rng):
    """The token that the reader's code chooses."""
    chosen = step.choose_token(logits, TEXT, sampling, rng)
    if isinstance(chosen, int | np.integer):
        return int(chosen)
    kind = "None" if chosen is None else f"a {type(chosen).__name__}"
    shape = f" of the shape {list(chosen.shape)}" if hasattr(chosen, "shape") else ""
    raise CheckFailed(
        f"choose_token returns {kind}{shape}; it should be a token ID, an int.",
        short=kind,
    )


def drawn_otherwise(step, counts, expected):
    """What is wrong with draws that do not follow the probabilities."""
    possible = expected > 0
    if chi_squared(counts, DRAWS * possible / possible.sum()) <= 1:
        return known(16, "drawn-uniformly", step)
    share = counts / DRAWS
    rows = [
        f"    token {token_id:2}  {expected[token_id]:4.0%}  {share[token_id]:4.0%}"
        for token_id in np.argsort(-expected)[:3]
    ]
    return CheckFailed(
        f"{DRAWS} draws do not follow the probabilities. Of the likeliest tokens, how "
        "likely each is and how often you draw it:\n" + "\n".join(rows),
        short="not as likely",
    )


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


def test_nan(step):
    """choose_token, broken: a ValueError for logits that are NaN"""
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


NEW_TOKENS = 3


def after(text):
    """Logits of what follows a prompt, or a token that was added to it."""
    return favored(sum(text) if isinstance(text, list) else text + 100)


class StandIn:
    """A decoder whose logits are known, and which notes what it is asked."""

    def __init__(self, step):
        self.step = step
        self.asked = []

    def prefill(self, prompts):
        prompts = [[int(token_id) for token_id in prompt] for prompt in prompts]
        self.asked.append(("prefill", prompts))
        return np.array([after(prompt) for prompt in prompts])

    def decode(self, token_ids):
        token_ids = list(token_ids)
        if any(np.ndim(token_id) for token_id in token_ids):
            detail = f"It is given {token_ids}."
            raise known(16, "decode-given-texts", self.step, detail=detail)
        self.asked.append(("decode", [int(token_id) for token_id in token_ids]))
        return np.array([after(token_id) for token_id in self.asked[-1][1]])


def test_generate(step):
    """generate_tokens, greedy: one prefill, then only the new tokens"""
    decoder, prompts = StandIn(step), [list(prompt) for prompt in PROMPTS]
    rng = np.random.default_rng(0)
    sampling = step.Sampling(temperature=0.0, repetition_penalty=PENALTY)
    tokens = step.generate_tokens(decoder, prompts, NEW_TOKENS, sampling, rng)
    if not hasattr(tokens, "__next__"):
        raise CheckFailed("generate_tokens is not a generator: use yield.")
    made = []
    try:
        for new in tokens:
            made.append(as_tokens(step, new))
            if len(made) == 1 and len(decoder.asked) > 1:
                raise known(16, "not-lazy", step)
    except IndexError:
        if failed := empty_text(step):
            raise failed from None
        raise
    if prompts != PROMPTS:
        raise known(16, "prompts-changed", step)
    expected = [hugging_face_tokens(prompt).output.tolist() for prompt in PROMPTS]
    expected = [list(new) for new in zip(*expected, strict=True)]
    assert_asked(step, made, expected, decoder.asked)


def as_tokens(step, new):
    """What is yielded: one token of each text."""
    if len(new) != len(PROMPTS) or any(np.ndim(token_id) for token_id in new):
        detail = f"With {len(PROMPTS)} texts, {list(new)} is yielded."
        raise known(16, "texts-yielded", step, detail=detail)
    return [int(token_id) for token_id in new]


def empty_text(step):
    """The failure that no token is penalized, if the reader's penalty needs some."""
    try:
        step.penalize_repetition(favored(0), [], PENALTY)
    except IndexError:
        detail = "The text that comes to penalize_repetition is empty."
        return known(16, "not-the-whole-text", step, detail=detail)
    return None


def assert_asked(step, made, expected, asked):
    """Check the tokens, and that the decoder was asked for these and no others."""
    if [what for what, _ in asked].count("prefill") > 1:
        raise known(16, "prefill-again", step)
    if len(made) != NEW_TOKENS:
        detail = f"With max_new_tokens={NEW_TOKENS}, it yields {len(made)} times."
        raise known(16, "another-number-of-tokens", step, detail=detail)
    if made != expected:
        greedy_texts = wrong_sampling().greedy_texts
        for text, tokens in greedy_texts(PROMPTS, after, PENALTY, NEW_TOKENS):
            if made == tokens:
                detail = f"Yours looks at {text}."
                raise known(16, "not-the-whole-text", step, detail=detail)
        raise CheckFailed(
            f"After the prompts {PROMPTS}, generate_tokens yields {made}; expected are "
            f"{expected}.",
            short="other tokens",
        )
    wanted = [("prefill", PROMPTS), *(("decode", new) for new in expected)]
    if asked == wanted:
        raise known(16, "decodes-once-more", step)
    if asked != wanted[:-1]:
        raise CheckFailed(
            f"The tokens are right, but the decoder is asked {asked}; it should be "
            f"{wanted[:-1]}.",
            short="the decoder is asked something else",
        )


def test_seed(step):
    """generate_tokens, drawn: the same tokens from the same random numbers only"""
    hot = step.Sampling(temperature=5.0)

    def drawn(seed):
        rng = np.random.default_rng(seed)
        tokens = step.generate_tokens(StandIn(step), PROMPTS, 20, hot, rng)
        return [list(map(int, ids)) for ids in tokens]

    where = {"lines": ["rng"], "within": "generate_tokens"}
    if drawn(16) != drawn(16):
        raise known(16, "rng-not-used", step, **where)
    if drawn(16) == drawn(17):
        raise known(16, "rng-not-used", step, detail=ONE_SEED, **where)


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


@pytest.mark.parametrize(
    ("text", "stop"),
    [
        ("The fox 🦊 said: naïve 猫!", []),
        ("Once upon a time", ["###"]),
        ("One. Two. Three.", ["Two"]),
        ("Once upon a time", ["on", "po"]),
        ("Once upon a time", ["po", "on"]),
        ("Once upon a time", ["Onto", "timer"]),
        ("aab aaab", ["aaab"]),
        ("ababac and more", ["abac"]),
        ("nothing to stop at", ["END", "\n\n"]),
        ("both ONE and TWO", ["TWO", "ONE"]),
        ("STOP at once", ["STOP"]),
        ("it ends in EN", ["END"]),
        ("é🦊é", ["🦊"]),
    ],
)
def test_stream(step, tokenizer, text, stop):
    """TextStream: what is certain, at once, and nothing of a stop sequence"""
    stream = step.TextStream(tokenizer, stop)
    ids, given = tokenizer.encode(text).ids, ""
    for count in range(1, len(ids) + 1):
        piece = stream.add(ids[count - 1])
        if not isinstance(piece, str):
            raise CheckFailed(
                f"TextStream.add returns a {type(piece).__name__}, no text."
            )
        whole = whole_characters(tokenizer, ids[:count])
        found = [at for s in stop if (at := whole.find(s)) >= 0]
        assert_pieces(step, stream, whole, found, given, piece)
        given += piece
        if found:
            if rest := stream.finish():
                detail = f"After the end, finish returns {rest!r}."
                raise known(16, "returned-twice", step, detail=detail, within="finish")
            return
    written = given + stream.finish()
    if written != text:
        raise CheckFailed(
            f"From {text!r} with the stop sequences {stop}, your pieces are together "
            f"{written!r}.",
            short="another text",
        )


def whole_characters(tokenizer, ids):
    """The text of some tokens, without the bytes of a character that is not whole."""
    while (text := tokenizer.decode(ids)).endswith("\ufffd"):
        ids = ids[:-1]
    return text


def assert_pieces(step, stream, whole, found, given, piece):
    """Check what was handed over after a token, and whether the text has ended.

    Args:
        step: The reader's module.
        stream: The reader's stream.
        whole: The text of all tokens so far.
        found: Where stop sequences begin in it.
        given: What was handed over before.
        piece: What is handed over now.
    """
    stop = stream.stop
    certain = (
        whole[: min(found)] if found else whole[: len(whole) - overlap(whole, stop)]
    )
    detail = (
        f"The tokens so far say {whole!r}, and the stop sequences are {list(stop)}: "
        f"you have returned {given + piece!r}, which should be {certain!r}."
    )
    if "\ufffd" in piece:
        raise known(16, "half-characters", step, detail=detail)
    if stream.stopped != bool(found):
        name = "stop-not-noticed" if found else "stops-without-a-stop"
        raise known(16, name, step, detail=f"The text is {whole!r}, stop {list(stop)}.")
    if given + piece == certain:
        return
    if piece and given and piece == certain:
        raise known(16, "returned-twice", step, detail=detail)
    if any(given + piece == whole[:at] for at in found):
        raise known(16, "not-the-first-stop", step, detail=detail)
    if any(s in given + piece for s in stop):
        raise known(16, "stop-in-the-text", step, detail=detail)
    if found and certain.startswith(given + piece):
        raise known(16, "rest-not-returned", step, detail=detail)
    if not found and certain.startswith(given + piece):
        raise known(16, "held-too-long", step, detail=detail)
    if not found and whole.startswith(given + piece):
        raise known(16, "stop-not-held", step, detail=detail)
    raise CheckFailed(detail, short="another text")


def overlap(text, stop):
    """How much of the end of a text may be the beginning of a stop sequence."""
    lengths = (n for s in stop for n in range(1, len(s)) if text.endswith(s[:n]))
    return max(lengths, default=0)


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
