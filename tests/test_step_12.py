"""Step 12: text generation, compared with Hugging Face's tokenizer and generate."""

import inspect

import numpy as np
import pytest
from max.dtype import DType
from tokenizers import Tokenizer

from course.check.loading import load_solution
from course.check.tools import (
    Case,
    CheckFailed,
    Expected,
    assert_same,
    build,
    randomise,
    reference,
    tensor,
    to_array,
    weights_of,
)
from course.steps import DEMO_MODEL

TEXTS = ["Once upon a time", " two  spaces, a newline\n", "naïve café — 猫が好き 🐈"]
GREEDY = [Case("narrow", batch=2, length=3), Case("wide", batch=1, length=6)]
NEW_TOKENS = 4
TEMPERATURES = [0.5, 1.0, 2.0]
DRAWS = 4000

each_text = pytest.mark.parametrize("text", TEXTS)
each_case = pytest.mark.parametrize("case", GREEDY, ids=str)


@reference(TEXTS)
def hugging_face_ids(text):
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(
        tokenizer_file=str(DEMO_MODEL / "tokenizer.json")
    )
    return Expected(output=np.array([tokenizer(text).input_ids]))


@reference(GREEDY)
def hugging_face_greedy(case):
    """The prompt, and the new tokens that `generate` appends to it."""
    import torch
    from transformers import GPT2LMHeadModel

    model = randomise(GPT2LMHeadModel(case.hugging_face_config))
    ids = case.input_ids()
    output = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    new_tokens = output[:, case.length :]
    return Expected(weights_of(model), (ids.numpy(),), new_tokens.numpy())


@reference(TEMPERATURES)
def hugging_face_probabilities(temperature):
    """Logits, and the probabilities that Hugging Face would draw from."""
    import torch
    from transformers import TemperatureLogitsWarper

    logits = torch.from_numpy(np.random.default_rng(12).normal(0, 1.5, (1, 2, 6)))
    logits = logits.float()
    if temperature != 1.0:
        warped = TemperatureLogitsWarper(temperature)(None, logits[:, -1])
    else:
        warped = logits[:, -1]
    probabilities = torch.softmax(warped, dim=-1)
    return Expected(inputs=(logits.numpy(),), output=probabilities.numpy())


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


def reference_model(case, device):
    """The model of step 11 with the weights that Hugging Face has here."""
    make = lambda: load_solution(11).MaxGPT2LMHeadModel(case.config)  # noqa: E731
    return build(make, hugging_face_greedy(case).weights, device)


@each_text
def test_encode(step, text, tokenizer, device):
    """encode_text: the token IDs of Hugging Face's tokenizer"""
    token_ids = step.encode_text(text, tokenizer, device=device)
    assert_same(token_ids, hugging_face_ids(text), device, "encode_text")


@each_text
def test_decode(step, text, tokenizer, device):
    """decode_tokens: back to the same text"""
    token_ids = tensor(hugging_face_ids(text).output, device)
    decoded = step.decode_tokens(token_ids, tokenizer)
    if decoded != text:
        raise CheckFailed(f"decode_tokens returns {decoded!r}; it should be {text!r}.")


def test_decode_keeps_special_tokens(step, tokenizer, device):
    """special tokens: decode_tokens keeps <|endoftext|>"""
    special = "<|endoftext|>"
    token_ids = tensor(np.array([[tokenizer.token_to_id(special)]]), device)
    decoded = step.decode_tokens(token_ids, tokenizer)
    if decoded != special:
        raise CheckFailed(
            f"decode_tokens returns {decoded!r} for the token {special!r}. The "
            "tokenizer leaves special tokens out unless you say "
            "skip_special_tokens=False.",
            mistake="special-tokens-skipped",
        )


@each_case
def test_next_token(step, case, device):
    """generate_next_token: at temperature 0 the same token as Hugging Face"""
    greedy = hugging_face_greedy(case)
    next_token = step.generate_next_token(
        reference_model(case, device), tensor(greedy.inputs[0], device)
    )
    first = Expected(output=greedy.output[:, :1])
    assert_same(next_token, first, device, "generate_next_token")


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_draws(step, temperature, device):
    """temperature: draws follow Hugging Face's probabilities"""
    expected = hugging_face_probabilities(temperature)
    logits = np.repeat(expected.inputs[0], DRAWS, axis=0)
    input_ids = tensor(np.zeros(logits.shape[:2], dtype=np.int64), device)
    drawn = to_array(
        step.generate_next_token(
            lambda _: tensor(logits, device),
            input_ids,
            temperature=temperature,
            rng=np.random.default_rng(0),
        ),
        "generate_next_token",
    )
    if drawn.shape != (DRAWS, 1):
        raise CheckFailed(
            f"generate_next_token returns the shape {list(drawn.shape)} for a batch of "
            f"{DRAWS}; it should be [{DRAWS}, 1]."
        )
    counts = np.bincount(drawn[:, 0], minlength=logits.shape[-1])
    wanted = DRAWS * expected.output[0]
    # Five standard deviations: a right implementation fails once in a million.
    if np.any(np.abs(counts - wanted) > 5 * np.sqrt(wanted) + 5):
        raise CheckFailed(
            f"At temperature {temperature}, {DRAWS} draws from 6 tokens gave\n"
            f"    yours         {counts.tolist()}\n"
            f"    Hugging Face  {np.round(wanted).astype(int).tolist()} on average",
            short=f"temperature {temperature}",
        )


@each_case
def test_generate(step, case, device):
    """generate_tokens: token for token what Hugging Face's generate gives"""
    greedy = hugging_face_greedy(case)
    tokens = step.generate_tokens(
        reference_model(case, device), tensor(greedy.inputs[0], device), NEW_TOKENS
    )
    if not inspect.isgenerator(tokens):
        raise CheckFailed(
            "generate_tokens is not a generator: give each token away as soon as it is "
            f"chosen, with `yield`, instead of returning {type(tokens).__name__}.",
            mistake="not-a-generator",
        )
    arrays = [to_array(token, "generate_tokens") for token in tokens]
    if len(arrays) != NEW_TOKENS:
        raise CheckFailed(
            f"generate_tokens yields {len(arrays)} tokens; max_new_tokens is "
            f"{NEW_TOKENS}."
        )
    for index, array in enumerate(arrays):
        wanted = greedy.output[:, index : index + 1]
        if array.dtype != DType.int64.to_numpy() or not np.array_equal(array, wanted):
            raise CheckFailed(
                f"New token {index + 1} of {NEW_TOKENS} is {array.tolist()}; Hugging "
                f"Face generates {wanted.tolist()}.",
                short=f"token {index + 1} differs",
            )
