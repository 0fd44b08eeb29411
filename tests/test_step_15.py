"""Step 15: the cached model, compared with Hugging Face's past_key_values."""

import itertools
import traceback

import numpy as np
import pytest
from max.experimental.tensor import Tensor, default_device

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.assert_array import assert_array
from course.check.building import assert_parameters, build, call, construct
from course.check.cases import Case
from course.check.compare import agree
from course.check.explaining import known
from course.check.failure import CheckFailed

# What the batches begin with, and the tokens that each text goes on with.
SINGLE, UNEQUAL, LONGEST = "one text", "texts of unequal length", "up to n_positions"
PROMPTS = {
    SINGLE: [[3, 1, 4, 1, 5]],
    UNEQUAL: [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3]],
    LONGEST: [list(range(14))],
}
NEXT = {
    SINGLE: [[9], [2], [6]],
    UNEQUAL: [[8, 9, 7], [9, 3, 2]],
    LONGEST: [[1], [2], [3]],
}
MODEL = Case("wide", batch=1, length=1)
SMALL = Case("narrow", batch=1, length=1)

each_batch = pytest.mark.parametrize("batch", PROMPTS)


def model_of(batch):
    """Up to the last position, with the model that has few."""
    return SMALL if batch == LONGEST else MODEL


@reference(list(PROMPTS))
def hugging_face(batch):
    """Logits after the prompts and after each further token, one text at a time."""
    import torch
    from transformers import GPT2LMHeadModel

    case = model_of(batch)
    model = randomize(GPT2LMHeadModel(case.hugging_face_config))
    texts = []
    for row, prompt in enumerate(wrapped(PROMPTS[batch], case)):
        ids = torch.tensor([prompt])
        logits, past = [], None
        for new in [None, *wrapped(NEXT[batch], case)]:
            if new is not None:
                ids = torch.tensor([[new[row]]])
            output = model(ids, past_key_values=past, use_cache=True)
            past = output.past_key_values
            logits.append(output.logits[0, -1].numpy())
        texts.append(logits)
    # [texts, tokens, vocab_size] to [tokens, texts, vocab_size]
    return Expected(weights_of(model), (), np.array(texts).swapaxes(0, 1))


def wrapped(texts, case):
    """Token IDs that the model has."""
    return [[token_id % case.sizes["vocab_size"] for token_id in ids] for ids in texts]


@pytest.fixture(scope="module")
def made(step):
    """The reader's modules, kept for all checks."""
    return {}


def cached_model(step, batch, device, made):
    case = model_of(batch)
    if case not in made:
        weights = hugging_face(batch).weights
        made[case] = build(lambda: step.CachedGPT2(case.config), weights, device)
    return made[case]


class Recorded:
    """The reader's model; it notes what it is given, and refuses wrong positions."""

    def __init__(self, step, model, case):
        self.step = step
        self.model = model
        self.rows = case.sizes["n_positions"]
        self.shapes = []
        self.caches = []

    def __call__(self, input_ids, positions, caches):
        self.shapes.append([int(dim) for dim in input_ids.shape])
        self.caches = caches
        if isinstance(positions.position_ids, Tensor):
            self.assert_positions(positions.position_ids.to_numpy())
        return call(lambda ids: self.model(ids, positions, caches), [input_ids])

    def assert_positions(self, places):
        """Check that there is a row for each position, also for the padding's."""
        if places.size and not 0 <= places.min() <= places.max() < self.rows:
            detail = (
                f"They go from {places.min()} to {places.max()}; the rows, from 0 to "
                f"{self.rows - 1}."
            )
            raise known(15, "positions-outside", self.step, detail=detail)

    def caches_overlap(self):
        """Whether two of the caches are in the same memory."""
        arrays = [
            part.to_numpy()
            for cache in self.caches
            for part in (cache.keys, cache.values)
        ]
        return any(
            np.shares_memory(*pair) for pair in itertools.combinations(arrays, 2)
        )


def recorded(step, batch, device, made):
    return Recorded(step, cached_model(step, batch, device, made), model_of(batch))


def decode(step, batch, model, device):
    """Run the reader's decoder over a batch: the logits after each token."""
    case = model_of(batch)
    capacity = case.sizes["n_positions"]
    decoder = step.Decoder(model, case.config, capacity=capacity, device=device)
    yield decoder.prefill(wrapped(PROMPTS[batch], case))
    for token_ids in wrapped(NEXT[batch], case):
        yield decoder.decode(token_ids)


def test_parameters(step):
    """parameters: the names and shapes of Hugging Face's GPT2LMHeadModel"""
    module = construct(lambda: step.CachedGPT2(MODEL.config))
    assert_parameters(module, hugging_face(SINGLE).weights)


@each_batch
def test_prefill(step, batch, device, made):
    """prefill: the logits that follow each prompt"""
    model = recorded(step, batch, device, made)
    logits = next(decode(step, batch, model, device))
    compare(step, batch, 0, logits, model)


@each_batch
def test_decode(step, batch, device, made):
    """decode: the logits after each token, as with Hugging Face's past_key_values"""
    model = recorded(step, batch, device, made)
    for count, logits in enumerate(decode(step, batch, model, device)):
        compare(step, batch, count, logits, model)
        if count > 0 and model.shapes[-1][1] != 1:
            raise known(15, "whole-text-again", step)


def compare(step, batch, count, logits, model):
    """The reader's logits after some tokens and Hugging Face's; else, what they are."""
    try:
        assert_array(
            logits,
            hugging_face(batch).output[count],
            number=15,
            step=step,
            what=f"{'decode' if count else 'prefill'}, {batch}",
            mistakes=lambda: mistakes_of(batch, count),
        )
    except CheckFailed as failed:
        if not failed.mistake and model.caches_overlap():
            raise known(15, "caches-overlap", step) from None
        raise


def mistakes_of(batch, count):
    """What known mistakes would have given after that many tokens, by their ids."""
    from course.check.mistakes.wrong_cache import MISTAKES, last_logits

    case, weights = model_of(batch), hugging_face(batch).weights
    prompts, new = wrapped(PROMPTS[batch], case), wrapped(NEXT[batch], case)

    def mistake(name):
        return lambda: last_logits(prompts, new[:count], weights, case.sizes, name)

    return {name: mistake(name) for name in MISTAKES}


def test_prefill_again(step, device, made):
    """prefill: a second batch begins anew"""
    model = recorded(step, SINGLE, device, made)
    capacity = MODEL.sizes["n_positions"]
    decoder = step.Decoder(model, MODEL.config, capacity=capacity, device=device)
    decoder.prefill(PROMPTS[UNEQUAL])
    decoder.decode(NEXT[UNEQUAL][0])
    logits = decoder.prefill(PROMPTS[SINGLE])
    if not agree(logits, hugging_face(SINGLE).output[0]):
        raise known(15, "prefill-not-anew", step)


# What does not fit: the capacity, the prompts if it is not the capacity itself, the
# tokens after them, and where this is to be noticed.
TOO_MUCH = {
    "no capacity": (0, None, [], "__init__"),
    "more than n_positions": (MODEL.sizes["n_positions"] + 1, None, [], "__init__"),
    "empty prompt": (8, [[]], [], "prefill"),
    "one prompt of two empty": (8, [[1, 2], []], [], "prefill"),
    "no prompt": (8, [], [], "prefill"),
    "prompt too long": (3, [[1, 2, 3, 4]], [], "_read"),
    "cache full": (3, [[1, 2, 3]], [[4]], "_read"),
    "decode before prefill": (3, None, [[4]], "decode"),
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_refused(step, what, device, made):
    """Decoder: a ValueError for what does not fit"""
    capacity, prompts, new, where = TOO_MUCH[what]
    model = recorded(step, SINGLE, device, made)
    asked = f"a capacity of {capacity}"
    if prompts is not None:
        asked += f", the prompts {prompts}"
    if new:
        asked += f" and then the tokens {new[0]}"
    detail = f"{what}: with {asked}, a ValueError should be raised."
    try:
        decoder = step.Decoder(model, MODEL.config, capacity=capacity, device=device)
        if prompts is not None:
            decoder.prefill(prompts)
        for token_ids in new:
            decoder.decode(token_ids)
    except ValueError as error:
        if str(error) and not raised_by_library(error):
            return
        if str(error):
            # Compiled, the model would not say even that.
            detail += " Yours comes only from MAX, about a slice that is too small."
            raise not_refused(step, what, where, detail) from None
        raise CheckFailed(
            f"{what}: your ValueError says nothing. Say what does not fit, and what "
            "would.",
            short="no message",
        ) from None
    except AttributeError as error:
        if where != "decode":
            raise
        raise not_refused(
            step, what, where, f"{detail} Python says: {error}."
        ) from None
    raise not_refused(step, what, where, detail)


def raised_by_library(error):
    """Whether an error comes from inside a library, not from a line of the reader's."""
    return "site-packages" in traceback.extract_tb(error.__traceback__)[-1].filename


def not_refused(step, what, where, detail):
    """The failure, with the line at which to refuse it."""
    return known(
        15,
        "not-refused",
        step,
        detail=detail,
        short=f"{what} is accepted",
        lines=[r"capacity", r"lengths", r"len\(", r"end", r"_read\("],
        within=where,
    )


@pytest.mark.at_the_end
def test_compiled(step, device):
    """compiled: one graph for prompts and tokens, with the same logits"""
    weights = hugging_face(UNEQUAL).weights
    with default_device(device):  # `to` would fill it with random weights first.
        module = construct(lambda: step.CachedGPT2(MODEL.config))
    model = module.compile(*step.input_types(MODEL.config, device), weights=weights)
    for batch in (UNEQUAL, SINGLE):
        for count, logits in enumerate(decode(step, batch, model, device)):
            expected = hugging_face(batch).output[count]
            what = "The compiled model"
            assert_array(logits, expected, number=15, step=step, what=what)
