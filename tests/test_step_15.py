"""Step 15: a cached model in three ticks, compared with Hugging Face's past_key_values.

First a cache that grows, then one that is written in place, then texts of unequal
length. What belongs to one tick needs nothing of the next.
"""

import itertools
import traceback
from functools import partial

import numpy as np
import pytest
from max.experimental.tensor import Tensor, default_device

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.assert_array import assert_array
from course.check.building import assert_parameters, build, call, construct, tensor
from course.check.cases import Case
from course.check.compare import agree, kind_of, to_array
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.steps import DEMO_MODEL

# What the batches begin with, and the tokens that each text goes on with.
SINGLE, UNEQUAL, LONGEST = "one text", "texts of unequal length", "up to n_positions"
PROMPTS = {
    SINGLE: [[3, 1, 4, 1, 5]],
    UNEQUAL: [[3, 1, 4, 1, 5], [9, 2], [6, 5, 3]],
    LONGEST: [list(range(14))],
}
NEXT = {
    SINGLE: [[9], [2]],
    UNEQUAL: [[8, 9, 7], [9, 3, 2]],
    LONGEST: [[1], [2], [3]],
}
MODEL = Case("wide", batch=1, length=1)
SMALL = Case("narrow", batch=1, length=1)

assert_right = partial(assert_array, number=15)

each_text = pytest.mark.parametrize("batch", [SINGLE, LONGEST])


def model_of(batch):
    """Up to the last position, with the model that has few."""
    return SMALL if batch == LONGEST else MODEL


@reference(list(PROMPTS))
def hugging_face(batch):
    """Logits after the prompts and after each further token, one text at a time.

    The inputs are the keys and the values that the first text leaves in the cache,
    [n_layer, n_head, tokens, head_dim].
    """
    import torch
    from transformers import GPT2LMHeadModel

    case = model_of(batch)
    model = randomize(GPT2LMHeadModel(case.hugging_face_config))
    texts, kept = [], []
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
        kept.append(past)
    parts = tuple(
        np.array([getattr(layer, part)[0].numpy() for layer in kept[0].layers])
        for part in ("keys", "values")
    )
    # [texts, tokens, vocab_size] to [tokens, texts, vocab_size]
    return Expected(weights_of(model), parts, np.array(texts).swapaxes(0, 1))


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


def overlap(caches):
    """Whether two of the caches are in the same memory."""
    arrays = [
        part.to_numpy() for cache in caches for part in (cache.keys, cache.values)
    ]
    return any(np.shares_memory(*pair) for pair in itertools.combinations(arrays, 2))


def recorded(step, batch, device, made):
    return Recorded(step, cached_model(step, batch, device, made), model_of(batch))


def read(step, kind, batch, model, device):
    """Read a single text with caches of a kind.

    Yields:
        After the prompt and after each token: the logits, the caches, and how many
        tokens were read.
    """
    case, past = model_of(batch), 0
    [prompt] = wrapped(PROMPTS[batch], case)
    capacity = 0 if kind is step.GrowingCache else case.sizes["n_positions"]
    caches = step.empty_caches(
        kind, case.config, batch=1, capacity=capacity, device=device
    )
    for ids in [prompt, *wrapped(NEXT[batch], case)]:
        positions = step.positions_after(past, len(ids), device)
        try:
            logits = model(tensor(np.array([ids]), device), positions, caches)
        except Exception:
            lengths = {int(cache.keys.shape[2]) for cache in caches}
            if len(lengths) > 1 or len(set(map(id, caches))) < len(caches):
                raise known(15, "one-cache-for-all-layers", step) from None
            raise
        past += len(ids)
        yield to_array(logits, "CachedGPT2"), caches, past


def compare_text(step, kind, batch, model, device):
    """The logits of a text, and what is in its caches, with Hugging Face's."""
    for count, (logits, caches, length) in enumerate(
        read(step, kind, batch, model, device)
    ):
        try:
            compare(step, batch, count, logits, model)
        except CheckFailed as failed:
            if not failed.mistake:  # In which layer it begins tells more.
                compare_caches(step, batch, caches, length)
            raise
        compare_caches(step, batch, caches, length)


def compare_caches(step, batch, caches, length):
    """The keys and values of every layer, with Hugging Face's."""
    if overlap(caches):
        raise known(15, "caches-overlap", step)
    keys, values = hugging_face(batch).inputs
    parts = [
        ("keys", keys, "values-in-the-keys-cache", values),
        ("values", values, "keys-as-values", keys),
    ]
    for layer, cache in enumerate(caches):
        for name, right, mistake, other in parts:
            what = f"caches[{layer}].{name}"
            array = to_array(getattr(cache, name), what, "is")
            wrong = other[layer, :, :length]
            assert_right(
                array[0, :, :length],
                right[layer, :, :length],
                step=step,
                what=f"{what} after {length} tokens [n_head, context, head_dim]",
                mistakes=lambda mistake=mistake, wrong=wrong: {mistake: lambda: wrong},
            )


def compare(step, batch, count, logits, model):
    """The reader's logits after some tokens and Hugging Face's; else, what they are."""
    try:
        assert_right(
            logits,
            hugging_face(batch).output[count],
            step=step,
            what=f"{'decode' if count else 'prefill'}, {batch}",
            mistakes=lambda: mistakes_of(batch, count),
        )
    except CheckFailed as failed:
        if not failed.mistake and overlap(model.caches):
            raise known(15, "caches-overlap", step) from None
        raise


def mistakes_of(batch, count):
    """What known mistakes would have given after that many tokens, by their ids."""
    from course.check.mistakes.wrong_cache import MISTAKES, last_logits

    case = model_of(batch)
    texts = wrapped(PROMPTS[batch], case), wrapped(NEXT[batch], case)[:count]
    given = (*texts, hugging_face(batch).weights, case.sizes)
    return {name: partial(last_logits, *given, name) for name in MISTAKES}


def pair(returned, function, of_what):
    """The two things that a function of the reader's returned."""
    if isinstance(returned, tuple | list) and len(returned) == 2:
        return returned
    kind = "None" if returned is None else kind_of(returned)
    raise CheckFailed(
        f"{function} returns {kind}. It should return two {of_what}.", short=kind
    )


def numbers(*shape):
    """Random numbers; the same for the same shape."""
    return np.random.default_rng(shape).standard_normal(shape).astype(np.float32)


def stands(step, device, start, new):
    """Where new tokens of a text stand; they see all."""
    columns = np.arange(start, start + new)[None]
    mask = np.zeros((1, 1, new, start + new), np.float32)
    return step.Positions(
        tensor(columns, device),
        Tensor.from_dlpack(np.array(start)),
        tensor(mask, device),
    )


# The first tick: one text, and a cache that grows.


def test_growing_cache(step, device):
    """GrowingCache: new keys and values behind those that are there"""
    # A text of 2 tokens, to which 3 come, and then 1.
    keys = [numbers(1, 4, length, 3) for length in (2, 3, 1)]
    values = [array + 9 for array in keys]
    cache = step.GrowingCache(tensor(keys[0], device), tensor(values[0], device))
    for last in (1, 2):
        new = [tensor(parts[last], device) for parts in (keys, values)]
        length = keys[last].shape[2]
        returned = cache.append(*new, stands(step, device, 2, length))
        assert_grown(step, returned, keys[: last + 1], values[: last + 1])


def assert_grown(step, returned, keys, values):
    """Check the keys and values that a growing cache returned."""

    def mistakes():
        from course.check.mistakes.wrong_cache import grown

        exchanged = np.concatenate(values if name == "keys" else keys, axis=2)
        mixed = np.concatenate([values[0], *keys[1:]], axis=2)
        found = grown(parts[0], parts[1:])
        found |= {"keys-and-values-exchanged": exchanged, "keys-as-values": mixed}
        return {name: lambda wrong=wrong: wrong for name, wrong in found.items()}

    for name, given, parts in zip(
        ("keys", "values"),
        pair(returned, "GrowingCache.append", "tensors: all keys, and all values"),
        (keys, values),
        strict=True,
    ):
        what = f"GrowingCache.append ({name})"
        assert_right(
            to_array(given, what),
            np.concatenate(parts, axis=2),
            step=step,
            what=what,
            mistakes=mistakes,
            within="append",
            right="expected",
        )


def test_parameters(step):
    """parameters: the names and shapes of Hugging Face's GPT2LMHeadModel"""
    module = construct(lambda: step.CachedGPT2(MODEL.config))
    assert_parameters(module, hugging_face(SINGLE).weights)


# The lengths of the prompts, how many tokens are in the cache, how many are new.
PLACES = {
    "a prompt": ([5], 0, 5),
    "its next token": ([5], 5, 1),
    "three more": ([5], 6, 3),
    "prompts": ([5, 2, 3], 0, 5),
    "their next tokens": ([5, 2, 3], 5, 1),
}
OF_ONE_TEXT = [name for name, (lengths, *_) in PLACES.items() if len(lengths) == 1]


@reference(list(PLACES))
def hugging_face_places(name):
    """Position IDs; the inputs are which tokens are no padding, and the mask."""
    import torch
    from transformers import GPT2LMHeadModel
    from transformers.masking_utils import eager_mask

    lengths, start, new = PLACES[name]
    ones = torch.ones(len(lengths), start + new - max(lengths), dtype=torch.long)
    padded = tokenizer().pad({"input_ids": [[0] * n for n in lengths]})
    real = torch.cat([torch.tensor(padded["attention_mask"]), ones], dim=1)
    model = GPT2LMHeadModel(SMALL.hugging_face_config)
    ids = model._prepare_position_ids_for_generation(real, {"attention_mask": real})
    mask = eager_mask(
        len(lengths),
        q_length=new,
        kv_length=start + new,
        q_offset=start,
        attention_mask=real.bool(),
    )
    parts = (real[:, -new:].numpy(), mask.numpy())
    return Expected(inputs=parts, output=ids[:, -new:].numpy())


def tokenizer():
    """One of transformers' that pads on the left."""
    from transformers import PreTrainedTokenizerFast

    file = str(DEMO_MODEL / "tokenizer.json")
    made = PreTrainedTokenizerFast(tokenizer_file=file, padding_side="left")
    made.pad_token_id = 0
    return made


def columns_and_padding(name):
    """What is known of these tokens."""
    lengths, start, new = PLACES[name]
    return np.arange(start, start + new), max(lengths) - np.array(lengths)


def assert_positions(step, name, places, what):
    """Check the positions of new tokens; those of padding may be any rows."""
    expected = hugging_face_places(name)
    real = expected.inputs[0]
    if isinstance(places, np.ndarray) and places.shape == real.shape:
        if places.min() < 0:
            detail = f"{what} gives {places.tolist()}."
            raise known(15, "positions-outside", step, detail=detail, within=what)
        places = places * real

    def mistakes():
        from course.check.mistakes.wrong_cache import wrong_positions

        wrong = wrong_positions(*columns_and_padding(name))
        return {one: lambda at=at: at() * real for one, at in wrong.items()}

    assert_right(
        places,
        expected.output * real,
        step=step,
        what=f"{what}, {name}",
        mistakes=mistakes,
        within=what,
    )


def assert_mask(step, name, mask, what):
    """Check what a mask hides from the tokens that are no padding."""
    real, expected = hugging_face_places(name).inputs
    real = real[:, None, :, None]

    def seen(mask):
        """Whatever hides as minus infinity; nothing of the rows of padding."""
        mask = np.where(mask < -10_000, -np.inf, mask)
        return np.where(real == 0, 0, mask) if mask.shape == expected.shape else mask

    if isinstance(mask, np.ndarray):
        if mask.dtype != np.float32:
            raise CheckFailed(
                f"{what} returns {mask.dtype}; it should be float32: 0 where a token "
                "may look, HIDDEN where not.",
                mistake="wrong-dtype",
                short=f"{mask.dtype}, not float32",
            )
        if np.isneginf(mask).all(axis=-1).any():
            raise known(15, "row-of-minus-infinity", step, within=what)
        mask = seen(mask)

    def mistakes():
        from course.check.mistakes.wrong_cache import wrong_masks

        wrong = wrong_masks(*columns_and_padding(name))
        return {one: lambda made=made: seen(made()) for one, made in wrong.items()}

    assert_right(
        mask,
        seen(expected),
        step=step,
        what=f"{what}, {name}",
        mistakes=mistakes,
        within=what,
    )


@pytest.mark.parametrize("name", OF_ONE_TEXT)
def test_positions_after(step, name, device):
    """positions_after: where a text goes on, and what the new tokens may see"""
    _, start, new = PLACES[name]
    found = step.positions_after(start, new, device)
    for part, assert_right in [
        ("position_ids", assert_positions),
        ("mask", assert_mask),
    ]:
        array = to_array(getattr(found, part), f"positions_after ({part})")
        assert_right(step, name, array, "positions_after")


@each_text
def test_growing(step, batch, device, made):
    """one text, a cache that grows: keys, values and logits after every token"""
    model = recorded(step, batch, device, made)
    compare_text(step, step.GrowingCache, batch, model, device)


# The second tick: a cache of fixed size, written in place.

second_tick = pytest.mark.about("write")


@second_tick
def test_write(step, device):
    """write: new keys or values in their place in a buffer, the rest as it was"""
    before, new, start = numbers(1, 4, 7, 3), numbers(1, 4, 2, 3) + 9, 3
    buffer = tensor(before.copy(), device)
    positions = stands(step, device, start, 2)
    try:
        returned = call(
            lambda new: step.write(buffer, new, positions), [tensor(new, device)]
        )
        given, after = to_array(returned, "write"), buffer.to_numpy()
    except ValueError as error:
        if "store.slice" not in str(error):
            raise
        raise known(15, "slice-of-another-length", step) from None
    expected = before.copy()
    expected[:, :, start : start + 2] = new
    right = (expected[:, :, : start + 2], expected)
    if agree(given, right[0]) and agree(after, right[1]):
        return
    from course.check.mistakes.wrong_cache import written

    for name, wrong in written(before, new, start).items():
        if agree(given, wrong[0]) and agree(after, wrong[1]):
            raise known(15, name, step, within="write")
    for array, one, what in zip(
        (after, given), right[::-1], ("The buffer after write", "write"), strict=True
    ):
        assert_right(array, one, step=step, what=what, right="expected")


@second_tick
@each_text
def test_in_place(step, batch, device, made):
    """one text, in place: the same keys, values and logits"""
    model = recorded(step, batch, device, made)
    compare_text(step, step.LayerCache, batch, model, device)


def compiled(step, device, made):
    """The reader's model, compiled; its graph does for any batch and length."""
    if "compiled" not in made:
        weights = hugging_face(SINGLE).weights
        with default_device(device):  # `to` would fill it with random weights first.
            module = construct(lambda: step.CachedGPT2(MODEL.config))
        types = step.input_types(MODEL.config, device)
        made["compiled"] = module.compile(*types, weights=weights)
    return made["compiled"]


@second_tick
@pytest.mark.at_the_end
def test_compiled(step, device, made):
    """compiled: one graph for the prompt and for every token"""
    model = compiled(step, device, made)
    texts = read(step, step.LayerCache, SINGLE, model, device)
    for (logits, *_), expected in zip(texts, hugging_face(SINGLE).output, strict=True):
        what = "The compiled model"
        assert_right(logits, expected, step=step, what=what)


# The third tick: texts of different lengths.

third_tick = pytest.mark.about(
    "left_pad", "padded_positions", "attention_mask", "Decoder._read"
)


@reference([UNEQUAL])
def hugging_face_padding(batch):
    """Padded token IDs; the input is how much padding each text has."""
    padded = tokenizer().pad({"input_ids": PROMPTS[batch]})
    padding = (np.array(padded["attention_mask"]) == 0).sum(axis=1)
    return Expected(inputs=(padding,), output=np.array(padded["input_ids"]))


@third_tick
def test_left_pad(step):
    """left_pad: prompts that end in one column, and how much padding each has"""
    expected = hugging_face_padding(UNEQUAL)
    prompts = PROMPTS[UNEQUAL]
    try:
        returned = step.left_pad(prompts)
    except ValueError as error:
        if "inhomogeneous" not in str(error):
            raise
        raise known(15, "rows-of-unequal-length", step) from None
    ids, padding = pair(
        returned, "left_pad", "arrays: token IDs, and how much padding each text has"
    )

    if isinstance(ids, np.ndarray) and ids.min() < 0:
        detail = f"left_pad gives {ids.tolist()}."
        raise known(15, "padding-is-no-token", step, detail=detail)

    def mistakes():
        from course.check.mistakes.wrong_cache import left_padded

        name = "padding-on-the-right"
        return {name: lambda: real_tokens(left_padded(prompts, name)[0])}

    what = "left_pad (padding)"
    assert_right(padding, expected.inputs[0], step=step, what=what)
    assert_right(
        real_tokens(ids),
        expected.output,
        step=step,
        what="left_pad (token IDs)",
        mistakes=mistakes,
    )


def real_tokens(ids):
    """Token IDs with 0 where there is padding: any token will do."""
    expected = hugging_face_padding(UNEQUAL)
    if not isinstance(ids, np.ndarray) or ids.shape != expected.output.shape:
        return ids
    is_padding = np.arange(ids.shape[1]) < expected.inputs[0][:, None]
    return np.where(is_padding, 0, ids)


@third_tick
@pytest.mark.parametrize("name", PLACES)
def test_padded_positions(step, name):
    """padded_positions: where the tokens of padded texts stand"""
    places = step.padded_positions(*columns_and_padding(name))
    assert_positions(step, name, places, "padded_positions")


@third_tick
@pytest.mark.parametrize("name", PLACES)
def test_attention_mask(step, name):
    """attention_mask: hides what is later, and padding"""
    mask = step.attention_mask(*columns_and_padding(name))
    assert_mask(step, name, mask, "attention_mask")


each_batch = pytest.mark.parametrize("batch", [UNEQUAL, LONGEST])


def decode(step, batch, model, device):
    """Run the reader's decoder over a batch: the logits after each token."""
    case = model_of(batch)
    capacity = case.sizes["n_positions"]
    decoder = step.Decoder(model, case.config, capacity=capacity, device=device)
    yield decoder.prefill(wrapped(PROMPTS[batch], case))
    for token_ids in wrapped(NEXT[batch], case):
        yield decoder.decode(token_ids)


@third_tick
@each_batch
def test_prefill(step, batch, device, made):
    """prefill: the logits that follow each prompt"""
    model = recorded(step, batch, device, made)
    logits = next(decode(step, batch, model, device))
    compare(step, batch, 0, logits, model)


@third_tick
@each_batch
def test_decode(step, batch, device, made):
    """decode: the logits after each token, as with Hugging Face's past_key_values"""
    model = recorded(step, batch, device, made)
    for count, logits in enumerate(decode(step, batch, model, device)):
        compare(step, batch, count, logits, model)
        if count > 0 and model.shapes[-1][1] != 1:
            raise known(15, "whole-text-again", step)


@third_tick
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


@third_tick
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


@third_tick
@pytest.mark.at_the_end
def test_compiled_batch(step, device, made):
    """compiled, texts of unequal length: the same graph, with the same logits"""
    model = compiled(step, device, made)
    for count, logits in enumerate(decode(step, UNEQUAL, model, device)):
        expected = hugging_face(UNEQUAL).output[count]
        what = "The compiled model"
        assert_right(logits, expected, step=step, what=what)
