"""Step 15: the cached model, compared with Hugging Face's past_key_values."""

import traceback

import numpy as np
import pytest
from max.experimental.tensor import default_device

from course.check.alternatives import assert_array
from course.check.compare import agree
from course.check.tools import (
    Case,
    CheckFailed,
    Expected,
    assert_parameters,
    build,
    call,
    construct,
    known,
    randomize,
    reference,
    weights_of,
)

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
    """The reader's model; it notes how many tokens it is given each time."""

    def __init__(self, model):
        self.model = model
        self.shapes = []

    def __call__(self, input_ids, positions, caches):
        self.shapes.append([int(dim) for dim in input_ids.shape])
        return call(lambda ids: self.model(ids, positions, caches), [input_ids])


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
    model = cached_model(step, batch, device, made)
    logits = next(decode(step, batch, Recorded(model), device))
    expected = hugging_face(batch).output[0]
    compare(step, logits, expected, "prefill", mistakes_of(batch, 0))


@each_batch
def test_decode(step, batch, device, made):
    """decode: the logits after each token, as with Hugging Face's past_key_values"""
    model = Recorded(cached_model(step, batch, device, made))
    for count, logits in enumerate(decode(step, batch, model, device)):
        expected = hugging_face(batch).output[count]
        compare(
            step,
            logits,
            expected,
            "prefill" if count == 0 else "decode",
            mistakes_of(batch, count),
        )
        if count > 0 and model.shapes[-1][1] != 1:
            raise known(15, "whole-text-again", step)


def compare(step, logits, expected, what, mistakes):
    """The reader's logits and Hugging Face's; what else they might be, if not these."""
    assert_array(logits, expected, number=15, step=step, what=what, mistakes=mistakes)


def mistakes_of(batch, count):
    """What known mistakes would have given after that many tokens, by their ids."""
    from course.check.mistakes.step_15 import COMPUTED, compute

    case, weights = model_of(batch), hugging_face(batch).weights
    prompts, new = wrapped(PROMPTS[batch], case), wrapped(NEXT[batch], case)

    def mistake(name):
        return lambda: compute(prompts, new[:count], weights, case.sizes, mistake=name)

    return {name: mistake(name) for name in COMPUTED}


def test_prefill_again(step, device, made):
    """prefill: a second batch begins anew"""
    model = Recorded(cached_model(step, SINGLE, device, made))
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
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_refused(step, what, device, made):
    """Decoder: a ValueError for what does not fit"""
    capacity, prompts, new, where = TOO_MUCH[what]
    model = Recorded(cached_model(step, SINGLE, device, made))
    asked = f"a capacity of {capacity}"
    if prompts is not None:
        asked += f", the prompts {prompts}" + (f" and then {new[0]}" if new else "")
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
            detail += f" Yours comes only from MAX: {error}"
            raise not_refused(step, what, where, detail) from None
        raise CheckFailed(
            f"{what}: your ValueError says nothing. Say what does not fit, and what "
            "would.",
            short="no message",
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
        lines=[r"capacity", r"lengths", r"len\(", r"end"],
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
            compare(step, logits, expected, "The compiled model", {})
