"""Step 12: text generation, compared with Hugging Face's tokenizer and generate."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from max.experimental.tensor import Tensor
from tokenizers import Tokenizer

from course.check.answers import Expected, reference
from course.check.attempt import Attempt
from course.check.building import tensor
from course.check.cases import Case
from course.check.compare import assert_same, kind_of, to_array
from course.check.explaining import explained, known
from course.check.failure import CheckFailed
from course.check.toy_model import logits_of, random_weights
from course.steps import DEMO_MODEL

TEXTS = ["Once upon a time", " two  spaces, a newline\n", "naïve café — 猫が好き 🐈"]
GREEDY = [Case("narrow", batch=2, length=4), Case("narrow", batch=3, length=7)]
NEW_TOKENS = 3
TEMPERATURES = [0.5, 2.0]
DRAWS = 1500

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
    from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
    from transformers.modeling_outputs import CausalLMOutput

    weights = random_weights(case.config.vocab_size)

    class Model(PreTrainedModel, GenerationMixin):
        def __init__(self, config):
            super().__init__(config)
            self.anything = torch.nn.Parameter(torch.zeros(1))

        def forward(self, input_ids, **_):
            logits = logits_of(input_ids.numpy(), weights)
            return CausalLMOutput(logits=torch.from_numpy(logits))

    ids = case.input_ids()
    output = Model(PreTrainedConfig()).generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
        use_cache=False,
        eos_token_id=None,
        pad_token_id=0,
    )
    new_tokens = output[:, case.length :]
    return Expected(weights, (ids.numpy(),), new_tokens.numpy())


@reference(TEMPERATURES)
def hugging_face_probabilities(temperature):
    """Logits, and the probabilities that Hugging Face would draw from."""
    import torch
    from transformers import TemperatureLogitsWarper

    logits = torch.from_numpy(np.random.default_rng(12).normal(0, 1.5, (1, 3, 6)))
    logits = logits.float()
    warped = TemperatureLogitsWarper(temperature)(None, logits[:, -1])
    probabilities = torch.softmax(warped, dim=-1)
    return Expected(inputs=(logits.numpy(),), output=probabilities.numpy())


@pytest.fixture(scope="module")
def tokenizer():
    return Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))


def reference_model(case, device):
    """The model that Hugging Face has here."""
    weights = hugging_face_greedy(case).weights
    return lambda ids: tensor(logits_of(as_model_input(ids), weights), device)


def as_model_input(ids):
    """The token IDs that the reader's code gives to the model."""
    if not isinstance(ids, Tensor):
        raise CheckFailed(f"You give the model {kind_of(ids)}, not a Tensor.")
    array = ids.to_numpy()
    if array.ndim != 2 or array.dtype.kind not in "iu":
        raise CheckFailed(
            f"You give the model {array.dtype} of the shape {list(array.shape)}. It "
            "takes token IDs: integers, [batch, seq_length].",
            short="not what the model takes",
        )
    return array


def about(step, device, cases, output, close=None):
    """What explaining a wrong output may look at."""
    return Attempt(12, step, device, cases, output=output, close=close)


@each_text
def test_encode(step, text, tokenizer, device):
    """encode_text: the token IDs of Hugging Face's tokenizer"""
    cases = {text: hugging_face_ids(text) for text in TEXTS}
    encode = lambda text: step.encode_text(text, tokenizer, device=device)  # noqa: E731
    with explained(about(step, device, cases, encode)):
        token_ids = encode(text)
        assert_int64(step, to_array(token_ids, "encode_text"), "encode_text")
        assert_same(token_ids, cases[text], device, "encode_text")


def assert_int64(step, token_ids, what):
    if token_ids.dtype != np.int64:
        detail = f"{what} returns {token_ids.dtype}."
        raise known(12, "ids-not-int64", step, detail=detail, within=what)


@each_text
def test_decode(step, text, tokenizer, device):
    """decode_tokens: back to the same text"""
    ids = hugging_face_ids(text).output
    decoded = step.decode_tokens(tensor(ids, device), tokenizer)
    if decoded == text:
        return
    detail = f"decode_tokens returns {decoded!r}; it should be {text!r}."
    one_by_one = [tokenizer.decode([token_id]) for token_id in ids[0]]
    if decoded in ("".join(one_by_one), " ".join(one_by_one)):
        raise known(12, "tokens-decoded-one-by-one", step, detail=detail)
    if decoded in (str(ids), str(ids[0]), str(ids.tolist()), str(ids[0].tolist())):
        raise known(12, "ids-not-decoded", step, detail=detail)
    raise CheckFailed(detail)


def test_decode_keeps_special_tokens(step, tokenizer, device):
    """special tokens: decode_tokens keeps <|endoftext|>"""
    special = "<|endoftext|>"
    token_ids = tensor(np.array([[tokenizer.token_to_id(special)]]), device)
    decoded = step.decode_tokens(token_ids, tokenizer)
    if decoded != special:
        detail = f"decode_tokens returns {decoded!r} for {special!r}."
        raise known(12, "special-tokens-skipped", step, detail=detail)


def test_greedy(step, device):
    """greedy: at temperature 0 nothing is drawn"""
    logits = hugging_face_probabilities(TEMPERATURES[0]).inputs[0]
    one, again = (
        draw(step, logits, device, 0.0, np.random.default_rng(seed)) for seed in (1, 2)
    )
    if (one != again).any():
        raise known(12, "greedy-draws", step)


@each_case
def test_next_token(step, case, device):
    """generate_next_token: at temperature 0 the same token as Hugging Face"""
    cases = {case: first_token(hugging_face_greedy(case)) for case in GREEDY}

    def next_token(case):
        model = reference_model(case, device)
        ids = tensor(cases[case].inputs[0], device)
        return step.generate_next_token(model, ids)

    with explained(about(step, device, cases, next_token)):
        token = to_array(next_token(case), "generate_next_token")
        if token.shape == cases[case].output.shape:
            assert_int64(step, token, "generate_next_token")
        assert_same(tensor(token, device), cases[case], device, "generate_next_token")


def first_token(greedy):
    return Expected(greedy.weights, greedy.inputs, greedy.output[:, :1])


def count_draws(step, temperature, device, seed=0):
    """How often each token is drawn."""
    logits = hugging_face_probabilities(temperature).inputs[0]
    rng = np.random.default_rng(seed)
    drawn = draw(step, logits, device, temperature, rng, batch=DRAWS)
    if drawn.shape != (DRAWS, 1):
        name = "token-with-other-axes" if drawn.size == DRAWS else "first-of-batch-only"
        shape = list(drawn.shape)
        detail = (
            f"generate_next_token returns the shape {shape} for a batch of {DRAWS}; it "
            f"should be [{DRAWS}, 1]."
        )
        lines = [r"\[0", r":1\]", "choice", "draw", "return"]
        raise known(12, name, step, detail=detail, short=f"{shape}", lines=lines)
    return np.bincount(drawn[:, 0], minlength=logits.shape[-1])


def draw(step, logits, device, temperature=1.0, rng=None, batch=100):
    """Draw once for each of many sequences with the same logits."""
    logits = np.repeat(logits, batch, axis=0)
    input_ids = tensor(np.zeros(logits.shape[:2], dtype=np.int64), device)
    tokens = step.generate_next_token(
        lambda _: tensor(logits, device), input_ids, temperature=temperature, rng=rng
    )
    array = to_array(tokens, "generate_next_token")
    assert_int64(step, array, "generate_next_token")
    return array


def follows(counts, probabilities):
    """Whether draws follow probabilities.

    Five standard deviations: a right implementation fails once in a million.
    """
    wanted = DRAWS * probabilities.ravel()
    return np.all(np.abs(counts - wanted) <= 5 * np.sqrt(wanted) + 5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_draws(step, temperature, device):
    """temperature: draws follow Hugging Face's probabilities"""
    cases = {t: hugging_face_probabilities(t) for t in TEMPERATURES}
    count = lambda t: count_draws(step, t, device)  # noqa: E731
    with explained(about(step, device, cases, count, follows)):
        counts = count(temperature)
        expected = cases[temperature].output
        if follows(counts, expected):
            return
        if counts.max() == DRAWS and any(
            (count_draws(step, temperature, device, seed) != counts).any()
            for seed in range(1, 9)
        ):
            raise known(12, "one-draw-for-the-batch", step)
        raise CheckFailed(
            f"At temperature {temperature}, {DRAWS} draws from 6 tokens gave\n"
            f"    yours         {counts.tolist()}\n"
            f"    Hugging Face  {np.round(DRAWS * expected[0]).astype(int).tolist()} "
            "on average",
            short=f"temperature {temperature}",
        )


def test_seed(step, device):
    """seed: the same rng gives the same token, another rng another one"""
    logits = hugging_face_probabilities(TEMPERATURES[0]).inputs[0]
    one, again, other = (
        draw(step, logits, device, rng=np.random.default_rng(seed))
        for seed in (1, 1, 2)
    )
    if (one != again).any():
        raise known(12, "rng-ignored", step)
    if (one == other).all():
        raise known(12, "fixed-seed", step)


def test_large_logits(step, device):
    """large logits: drawn from as from others"""
    logits = np.array([[[150, 20, 300, -400, 100, 0]]], dtype=np.float32)
    try:
        tokens = draw(step, logits, device, rng=np.random.default_rng(3))
    except (ArithmeticError, ValueError) as error:
        detail = f"{type(error).__name__}: {error}"
        raise known(12, "large-logits", step, detail=detail) from None
    if (tokens != logits.argmax()).any():
        detail = f"Of {logits.ravel().tolist()} you draw {tokens.ravel()[:9].tolist()}."
        raise known(12, "large-logits", step, detail=detail)


def test_without_rng(step, device):
    """no rng: a fresh one is made"""
    logits = hugging_face_probabilities(TEMPERATURES[0]).inputs[0]
    try:
        one, other = draw(step, logits, device), draw(step, logits, device)
    except Exception as error:
        detail = f"{type(error).__name__}: {error}"
        raise known(12, "rng-required", step, detail=detail) from None
    if (one == other).all():
        raise known(12, "fixed-seed", step)


@pytest.mark.parametrize("case", GREEDY[:1], ids=str)
def test_generate(step, case, device):
    """generate_tokens: token for token what Hugging Face's generate gives"""
    cases = {case: hugging_face_greedy(case) for case in GREEDY}

    def generate(case):
        model = reference_model(case, device)
        ids = tensor(cases[case].inputs[0], device)
        tokens = step.generate_tokens(model, ids, NEW_TOKENS)
        if not isinstance(tokens, Iterator):
            detail = f"It returns {kind_of(tokens)}, not a generator."
            raise known(12, "not-a-generator", step, detail=detail)
        arrays = [
            to_array(token, "generate_tokens", does="yields")
            for token in itertools.islice(tokens, 20)
        ]
        if not arrays:
            raise CheckFailed("generate_tokens yields nothing.", short="no tokens")
        for array in arrays:
            if array.ndim != 2:
                raise CheckFailed(
                    f"generate_tokens yields the shape {list(array.shape)}; it should "
                    f"be [{case.batch}, 1]."
                )
        return np.concatenate(arrays, axis=1)

    with explained(about(step, device, cases, generate)):
        tokens = generate(case)
        assert_int64(step, tokens, "generate_tokens")
        assert_tokens(tokens, cases[case].output)


def assert_tokens(tokens, expected):
    if tokens.shape != expected.shape:
        raise CheckFailed(
            f"The tokens that generate_tokens yields are {list(tokens.shape)} in all; "
            f"they should be {list(expected.shape)}.",
            short=f"{list(tokens.shape)}, not {list(expected.shape)}",
        )
    wrong = (tokens != expected).any(axis=0)
    if wrong.any():
        index = int(wrong.argmax())
        raise CheckFailed(
            f"New token {index + 1} of {NEW_TOKENS} is {tokens[:, index].tolist()}; "
            f"Hugging Face generates {expected[:, index].tolist()}.",
            short=f"token {index + 1} differs",
        )


class ToyModel:
    """Always the same logits; counts how often it is asked."""

    def __init__(self, device):
        self.device = device
        self.logits = hugging_face_probabilities(TEMPERATURES[0]).inputs[0][:, -1:]
        self.asked = 0

    def __call__(self, input_ids):
        self.asked += 1
        shape = as_model_input(input_ids).shape
        return tensor(np.tile(self.logits, (*shape, 1)), self.device)


def test_generator(step, device):
    """generator: each token is given away as soon as it is chosen"""
    model = ToyModel(device)
    ids = tensor(np.zeros((1, 2), dtype=np.int64), device)
    next(iter(step.generate_tokens(model, ids, NEW_TOKENS)))
    if model.asked >= NEW_TOKENS:
        raise known(12, "tokens-held-back", step)
    if list(step.generate_tokens(model, ids, 0)):
        raise known(12, "one-token-too-many", step)


def test_generate_draws(step, device):
    """temperature and rng: generate_tokens hands them on"""

    def drawn(seed):
        ids = tensor(np.zeros((32, 2), dtype=np.int64), device)
        rng = np.random.default_rng(seed)
        tokens = step.generate_tokens(
            ToyModel(device), ids, 1, temperature=1.0, rng=rng
        )
        return to_array(next(iter(tokens)), "generate_tokens")

    one, again, other = (drawn(seed) for seed in (1, 1, 2))
    if (one == ToyModel(device).logits.argmax()).all():
        raise known(12, "temperature-not-handed-on", step)
    if (one != again).any():
        raise known(12, "rng-ignored", step, within="generate_tokens")
    if (one == other).all():
        raise known(12, "fixed-seed", step, within="generate_tokens")
