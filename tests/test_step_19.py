"""Step 19: speculation, compared with Hugging Face's prompt lookup and plain greedy."""

from functools import partial

import numpy as np
import pytest
from max.experimental.tensor import Tensor

from course.check.answers import Expected, randomize, reference, weights_of
from course.check.assert_array import assert_array
from course.check.building import assert_parameters, build, call, construct, tensor
from course.check.cases import Case
from course.check.compare import to_array
from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.loading import load_solution

MODEL = Case("wide", batch=1, length=1)
VOCAB_SIZE = 29
# The token that ends a text; Hugging Face wants one where it looks up.
END = 28

assert_right = partial(assert_array, number=19)


def wrong_lookup():
    """What known mistakes give; imported only where something is wrong."""
    from course.check.mistakes import wrong_lookup

    return wrong_lookup


# Proposals


def random_texts():
    """Texts of few different tokens, and how they are looked through."""
    random = np.random.default_rng(19)
    for _ in range(150):
        length, kinds = random.integers(1, 24), random.integers(1, 7)
        tokens = random.integers(0, kinds, length).tolist()
        yield tokens, int(random.integers(1, 5)), int(random.integers(1, 12))


# The chapter's, one that is shorter than the n-gram, none that repeats, circles.
TEXTS = [
    ([0, 1, 3, 5, 0, 1, 3], 2, 3),
    ([4], 3, 5),
    ([4, 4], 3, 5),
    ([1, 2, 3, 4], 2, 4),
    ([7, 7, 7, 7, 7], 2, 4),
    ([1, 2, 1, 2, 1, 2], 2, 10),
    ([1, 2, 9, 1, 2, 8, 1, 2], 2, 1),
    ([3, 1, 2, 9, 1, 7, 2, 1], 2, 3),
    *random_texts(),
]


@reference(["all"])
def hugging_face_proposals(_):
    """What Hugging Face proposes for each of the texts: [text, token], then -1."""
    import torch
    from transformers.generation.candidate_generator import (
        PromptLookupCandidateGenerator,
    )

    found = np.full((len(TEXTS), max(count for *_, count in TEXTS)), -1)
    for row, (tokens, max_ngram, count) in enumerate(TEXTS):
        generator = PromptLookupCandidateGenerator(
            eos_token_id=torch.tensor([-1]),
            num_output_tokens=count,
            max_matching_ngram_size=max_ngram,
            max_length=1000,
        )
        [ids], _ = generator.get_candidates(torch.tensor([tokens]))
        proposed = ids[len(tokens) :].tolist()
        found[row, : len(proposed)] = proposed
    return Expected(output=found)


def test_proposal(step):
    """find_proposal: what Hugging Face's prompt lookup proposes, on 158 texts"""
    proposals, wrong = [], []
    for (tokens, max_ngram, count), row in zip(
        TEXTS, hugging_face_proposals("all").output, strict=True
    ):
        expected = row[row >= 0].tolist()
        given = list(tokens)
        proposal = as_list(
            step.find_proposal(given, max_ngram, count), "find_proposal returns"
        )
        if given != tokens:
            raise CheckFailed("find_proposal changes the text that it is given.")
        proposals.append(proposal)
        if proposal != expected:
            wrong.append((tokens, max_ngram, count, expected, proposal))
    if not wrong:
        if as_list(step.find_proposal([4, 4], 1, 0), "find_proposal returns"):
            raise CheckFailed("find_proposal proposes tokens where 0 are asked for.")
        return
    tokens, max_ngram, count, expected, proposal = min(wrong, key=lambda w: len(w[0]))
    detail = (
        f"In the text {tokens}, with max_ngram {max_ngram} and num_proposals {count}, "
        f"you propose {proposal}; it should be {expected}."
    )
    for name, propose in wrong_lookup().PROPOSALS.items():
        if [propose(*text) for text in TEXTS] == proposals:
            raise known(19, name, step, detail=detail)
    raise CheckFailed(f"find_proposal: {detail}", short="other tokens")


def as_list(tokens, what):
    """The token IDs that the reader's code has returned."""
    if isinstance(tokens, list | tuple | np.ndarray):
        return [int(token_id) for token_id in tokens]
    kind = "None" if tokens is None else f"a {type(tokens).__name__}"
    raise CheckFailed(f"{what} {kind}; it should be a list of token IDs.", short=kind)


# The model

READ = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3]
KEPT = {"all of a prompt": (0, 6, range(6)), "the last of it": (0, 6, [5])} | {
    "all of four more": (6, 4, range(4)),
    "two of four more": (6, 4, [2, 3]),
}


@reference(["all"])
def hugging_face(_):
    """Logits of every position; the input is what they are without the last norm."""
    import torch
    from transformers import GPT2LMHeadModel

    model = randomize(GPT2LMHeadModel(MODEL.hugging_face_config))
    before = []
    model.transformer.ln_f.register_forward_hook(lambda _, x, y: before.append(x[0]))
    logits = model(torch.tensor([READ])).logits[0].numpy()
    without_norm = model.lm_head(before[0])[0].numpy()
    return Expected(weights_of(model), (without_norm,), logits)


def lookup_model(step):
    """The reader's model around step 15's."""
    return step.LookupGPT2(load_solution(15).CachedGPT2(MODEL.config))


@pytest.fixture(scope="module")
def model(step, device):
    """The reader's model with weights, operation by operation."""
    module = build(lambda: lookup_model(step), hugging_face("all").weights, device)

    def run(input_ids, positions, caches, logits_to_keep):
        return call(
            lambda ids: module(ids, positions, caches, logits_to_keep), [input_ids]
        )

    return run


def test_parameters(step):
    """parameters: the names and shapes of Hugging Face's GPT2LMHeadModel"""
    module = construct(lambda: lookup_model(step))
    assert_parameters(module, hugging_face("all").weights)


@pytest.mark.parametrize("name", KEPT)
def test_logits(step, device, model, name):
    """LookupGPT2: Hugging Face's logits at the positions that are wanted"""
    step_15, (start, new, kept) = load_solution(15), KEPT[name]
    caches = step_15.empty_caches(
        step_15.LayerCache, MODEL.config, batch=1, capacity=16, device=device
    )
    expected = hugging_face("all")

    def read(start, end, kept):
        positions = step_15.positions_after(start, end - start, device)
        ids = tensor(np.array([READ[start:end]]), device)
        return model(ids, positions, caches, tensor(np.array(kept), device))

    if start:
        read(0, start, [start - 1])
    logits = to_array(read(start, start + new, [*kept]), "LookupGPT2")
    places = [start + at for at in kept]

    def mistakes():
        [without_norm] = expected.inputs
        last = [start + new - 1] * len(places)
        first = range(start, start + len(places))
        return {
            "norm-forgotten": lambda: without_norm[None, places],
            "kept-last-position": lambda: expected.output[None, last[:1]],
            "first-positions": lambda: expected.output[None, [*first]],
        }

    assert_right(
        logits,
        expected.output[None, places],
        step=step,
        what=f"LookupGPT2, {name}",
        mistakes=mistakes,
    )


# The decoder


class Seen:
    """A model that notes what it is given, and gives logits of the right shape."""

    def __init__(self):
        self.given = []

    def __call__(self, input_ids, positions, caches, logits_to_keep):
        arrays = [
            part.to_numpy()
            for part in (input_ids, positions.position_ids, logits_to_keep)
        ]
        self.given.append([array.reshape(-1).tolist() for array in arrays])
        kept = len(self.given[-1][2])
        return Tensor.from_dlpack(np.zeros((1, kept, VOCAB_SIZE), np.float32))


# What is read, how many logits of it are kept, and how far the cache is rolled back.
READS = [([3, 1, 4, 1], 1, 4), ([5, 9, 2], 3, 5), ([6, 5], 2, 7), ([3], 1, 8)]


def decoder_with(step, model, device):
    """The reader's decoder."""
    return step.LookupDecoder(model, MODEL.config, capacity=12, device=device)


def test_read(step, device):
    """LookupDecoder.read: where new tokens stand, and whose logits are wanted"""
    seen = Seen()
    decoder = decoder_with(step, seen, device)
    for tokens, keep, _ in READS:
        start, new = decoder.length, len(tokens)
        logits = decoder.read(tokens, keep)
        ids, columns, kept = seen.given[-1]
        asked = f"After {start} tokens, read({tokens}, {keep})"
        assert_places(step, asked, start, new, columns)
        assert_kept(step, asked, start, new, keep, kept)
        if ids != tokens or np.shape(logits) != (keep, VOCAB_SIZE):
            raise CheckFailed(
                f"{asked} gives the model the tokens {ids}, and returns logits of the "
                f"shape {list(np.shape(logits))}."
            )


def assert_places(step, asked, start, new, columns):
    """Check where the new tokens stand."""
    right = [*range(start, start + new)]
    if columns == right:
        return
    detail = f"{asked} lets them stand at {columns}; it should be {right}."
    wrong = {
        "read-positions-from-0": [*range(new)],
        "positions-one-off": [at + 1 for at in right],
    }
    for name, places in wrong.items():
        if columns == places:
            raise known(19, name, step, detail=detail)
    raise CheckFailed(f"LookupDecoder.read: {detail}", short="other positions")


def assert_kept(step, asked, start, new, keep, kept):
    """Check which of the logits are asked for."""
    right = [*range(new - keep, new)]
    if kept == right:
        return
    detail = f"{asked} asks for the logits of {kept}; it should be {right}."
    wrong = {
        "first-kept": [*range(keep)],
        "kept-in-the-text": [start + at for at in right],
        "kept-one-off": [at - 1 for at in right],
    }
    for name, places in wrong.items():
        if kept == places:
            raise known(19, name, step, detail=detail)
    if kept == [at + 1 for at in right]:
        raise known(19, "kept-one-off", step, detail=detail)
    raise CheckFailed(f"LookupDecoder.read: {detail}", short="other logits")


def test_roll_back(step, device):
    """LookupDecoder.roll_back: the next token stands behind those that are kept"""
    seen = Seen()
    decoder = decoder_with(step, seen, device)
    for tokens, keep, length in READS:
        decoder.read(tokens, keep)
        before = decoder.length
        decoder.roll_back(length)
        if decoder.length != length:
            detail = (
                f"After {before} tokens, roll_back({length}) leaves {decoder.length}."
            )
            raise known(19, "length-not-set", step, detail=detail)


@pytest.mark.parametrize(
    ("before", "tokens"), [([], []), ([], [1] * 13), ([1] * 10, [2] * 3)]
)
def test_refused(step, device, before, tokens):
    """LookupDecoder.read: a ValueError for what does not fit"""
    decoder = decoder_with(step, Seen(), device)
    if before:
        decoder.read(before, 1)
    try:
        decoder.read(tokens, min(len(tokens), 1))
    except ValueError:
        return
    raise CheckFailed(
        f"After {len(before)} tokens, in a cache for 12, read takes {len(tokens)}."
    )


# What is kept

# The likeliest token of each row, the proposal, and the tokens that end a text.
CHOICES = {
    "two of three agree": ([5, 0, 2, 4], [5, 0, 1], []),
    "none agrees": ([2, 7, 8, 9], [5, 0, 1], []),
    "all agree": ([5, 0, 1, 4], [5, 0, 1], []),
    "nothing proposed": ([6], [], []),
    "an end inside": ([5, END, 1, 4], [5, END, 1], [END]),
    "an end that was not proposed": ([5, END, 1, 4], [5, 0, 1], [END]),
    "an end at first": ([END, 3, 3], [END, 3], [7, END]),
    "agrees again later": ([5, 3, 1, 4], [5, 0, 1], []),
    "an end behind": ([5, 0, END], [5, 0], [END]),
}


def rows_of(tokens):
    """Logits whose likeliest tokens these are."""
    rows = np.random.default_rng(0).normal(0, 1, (len(tokens), VOCAB_SIZE))
    rows[range(len(tokens)), tokens] = 9
    return rows.astype(np.float32)


def test_choose(step):
    """choose_while_agreed: what agrees, and one token more"""
    greedy = load_solution(16).Sampling(temperature=0.0)
    kept, wrong = [], []
    for name, (rows, proposal, ends) in CHOICES.items():
        rng = np.random.default_rng(0)
        given = rows_of(rows), proposal, [3, 5], greedy, rng, ends
        chosen = as_list(
            step.choose_while_agreed(*given), "choose_while_agreed returns"
        )
        expected = right_choice(rows, proposal, ends)
        kept.append(chosen)
        if chosen != expected:
            wrong.append(
                f"{name}: proposed are {proposal}, the likeliest tokens are {rows}, "
                f"and the text ends at {ends}. You keep {chosen}; it should be "
                f"{expected}."
            )
    if not wrong:
        return
    mistakes = [wrong_lookup().chosen(*case) for case in CHOICES.values()]
    for mistake in mistakes[0]:
        if [made[mistake] for made in mistakes] == kept:
            raise known(19, mistake, step, detail=wrong[0])
    raise CheckFailed(f"choose_while_agreed, {wrong[0]}", short="other tokens")


def right_choice(rows, proposal, ends):
    """What is to be kept."""
    places = range(len(proposal))
    stops = (at for at in places if rows[at] != proposal[at] or rows[at] in ends)
    return rows[: next(stops, len(proposal)) + 1]


def test_drawn(step):
    """choose_while_agreed, drawn: the draws and the text are those of step 16"""
    step_16 = load_solution(16)
    sampling = step_16.Sampling(temperature=1.5, repetition_penalty=3.0)
    for seed in range(40):
        logits = np.random.default_rng(seed).normal(0, 2, (4, VOCAB_SIZE))
        logits = logits.astype(np.float32)
        text, rng = [3, 5], np.random.default_rng(seed)
        expected = []
        for row in logits:
            expected.append(
                step_16.choose_token(row, [*text, *expected], sampling, rng)
            )
        # As many as `seed` says agree.
        agree = seed % 4
        proposal = [*expected[:agree], *[(t + 1) % 29 for t in expected[agree:3]]]
        rng = np.random.default_rng(seed)
        chosen = step.choose_while_agreed(logits, proposal, list(text), sampling, rng)
        if list(chosen) != expected[: agree + 1]:
            raise known(19, "chosen-without-the-text", step)
        after = np.random.default_rng(seed)
        after.random(agree + 1)
        if rng.random() != after.random():
            raise known(19, "drawn-too-often", step)


# Pauses


def test_pauses(step):
    """Pauses: longer after each wrong proposal, none after one that was right"""
    for longest in (15, 4, 0):
        noted, lengths, expected = [0, 0, 0, 0, 0, 3, 0, 0, 1, 2, 0], [], []
        pauses, length = step.Pauses(longest), 0
        for accepted in noted:
            pauses.note(accepted)
            count = 0
            while not pauses.is_over() and count < 40:
                count += 1
            lengths.append(count)
            length = 0 if accepted else min(2 * length + 1, longest)
            expected.append(length)
        if lengths != expected:
            raise wrong_pauses(step, noted, longest, lengths, expected)


def wrong_pauses(step, noted, longest, lengths, expected):
    """What is wrong with pauses of these lengths."""
    detail = (
        f"With longest {longest}, after {noted} accepted tokens of a proposal, your "
        f"pauses are {lengths} passes long; they should be {expected}."
    )
    for name, of in wrong_lookup().PAUSES.items():
        length, made = 0, []
        for accepted in noted:
            length = of(length, accepted, longest)
            made.append(min(length, 40))
        if made == lengths:
            return known(19, name, step, detail=detail)
    return CheckFailed(f"Pauses: {detail}", short="other pauses")


# The loop


class StandIn:
    """A decoder whose next tokens are known: what it says hangs on its whole cache."""

    def __init__(self, step, kinds):
        self.step = step
        self.kinds = kinds
        self.length = 0
        self.cache = []
        self.text = []
        self.end = None
        self.rolled_back = False
        self.passes = 0
        self.read_tokens = 0

    def roll_back(self, length):
        self.length = length
        self.rolled_back = True

    def read(self, token_ids, keep):
        tokens = [int(token_id) for token_id in token_ids]
        if self.text and self.length >= len(self.text):
            detail = (
                f"The text has {len(self.text)} tokens, and before the next pass the "
                f"cache has {self.length}. It should have {len(self.text) - 1}."
            )
            name = "last-not-read" if self.rolled_back else "not-rolled-back"
            raise known(19, name, self.step, detail=detail)
        self.rolled_back = False
        if self.end is not None and self.length + len(tokens) >= self.end:
            detail = (
                f"The text is to have {self.end} tokens. With {self.length} in the "
                f"cache, read is given {len(tokens)}, and one more is chosen then."
            )
            raise known(19, "room-forgotten", self.step, detail=detail)
        if keep > len(tokens):
            detail = f"read is given {tokens}, and asked for {keep} rows of logits."
            raise known(19, "proposal-not-read", self.step, detail=detail)
        self.cache = [*self.cache[: self.length], *tokens]
        self.length = len(self.cache)
        self.passes += 1
        self.read_tokens += len(tokens)
        ends = range(self.length - keep + 1, self.length + 1)
        return np.array([self.after(self.cache[:end]) for end in ends])

    def after(self, text):
        """Logits of what follows a text: circles that are left now and then."""
        token = (text[-1] * 5 + text[len(text) // 2] * 3 + len(text) // 9) % self.kinds
        if len(text) > 40 and len(text) % 23 == 0:
            token = END
        row = np.random.default_rng(len(text)).normal(0, 1, VOCAB_SIZE)
        row[token] = 9
        return row.astype(np.float32)


def cases():
    """Prompts, how many tokens follow, and how they are looked up."""
    random = np.random.default_rng(9)
    for number in range(40):
        kinds = int(random.integers(2, 9))
        prompt = random.integers(0, kinds, random.integers(1, 12)).tolist()
        new = int(random.choice([1, 2, 3, 17, 60]))
        yield prompt, new, kinds, int(random.integers(1, 9)), [0, 15, 3][number % 3]


CASES = [*cases()]
GREEDY = {"temperature": 0.0}


def plain(decoder, prompt, new, ends):
    """The text without lookup."""
    text = list(prompt)
    while len(text) < len(prompt) + new and text[-1] not in ends:
        text.append(int(decoder.after(text).argmax()))
    return text[len(prompt) :]


def generate(step, decoder, prompt, new, kinds, count, longest, ends):
    """The passes of the reader's loop: the tokens of each."""
    step_16 = load_solution(16)
    given = list(prompt)
    # What `StandIn` compares its cache with.
    decoder.end = len(prompt) + new
    rng = np.random.default_rng(0)
    passes = step.generate_with_lookup(
        decoder,
        given,
        new,
        step_16.Sampling(**GREEDY),
        rng,
        num_proposals=count,
        longest_pause=longest,
        end_of_text=ends,
    )
    if not hasattr(passes, "__next__"):
        raise CheckFailed("generate_with_lookup is not a generator: use yield.")
    made = []
    for chosen in passes:
        made.append(as_list(chosen, "generate_with_lookup yields"))
        if not made[-1]:
            raise known(19, "bonus-dropped", step)
        if len(made) > new:
            raise known(19, "chosen-not-added", step)
        decoder.text = [*prompt, *flat(made)]
    if given != prompt:
        raise known(19, "prompt-changed", step)
    return made


def flat(passes):
    """The tokens of all passes."""
    return [token_id for chosen in passes for token_id in chosen]


def test_generate(step):
    """generate_with_lookup: the text as without, on 40 texts, in as few passes"""
    right = load_solution(19)
    for case in CASES:
        prompt, new, kinds, *_ = case
        for ends in ([], [END]):
            decoder = StandIn(step, kinds)
            expected = plain(decoder, prompt, new, ends)
            made = generate(step, decoder, *case, ends)
            best = StandIn(right, kinds)
            best_made = generate(right, best, *case, ends)
            assert flat(best_made) == expected
            assert_generated(step, case, expected, made, best_made, decoder, best)


def assert_generated(step, case, expected, made, best_made, decoder, best):
    """Check the text, and what it took."""
    prompt, new, _, count, _ = case
    tokens = flat(made)
    asked = f"After the prompt {prompt}, with {count} proposals at most"
    if len(tokens) > new:
        detail = f"{asked}, {len(tokens)} tokens come; {new} are asked for."
        raise known(19, "room-forgotten", step, detail=detail)
    if tokens != expected:
        at = next(
            (
                at
                for at, (one, other) in enumerate(zip(tokens, expected, strict=False))
                if one != other
            ),
            min(len(tokens), len(expected)),
        )
        detail = (
            f"{asked}, the tokens are {tokens[: at + 1]}; it should be "
            f"{expected[: at + 1]}."
        )
        raise wrong_text(step, prompt, tokens, made, decoder, detail)
    detail = (
        f"{asked}, the text takes {decoder.passes} passes, in which "
        f"{decoder.read_tokens} tokens are read. It should take {best.passes}, and "
        f"{best.read_tokens}."
    )
    if decoder.passes == best.passes and decoder.read_tokens == best.read_tokens:
        return
    if decoder.passes == len(tokens) and best.passes < len(tokens):
        raise known(19, "never-speculates", step, detail=detail)
    if decoder.read_tokens > best.read_tokens and decoder.passes == best.passes:
        raise known(19, "read-again", step, detail=detail)
    if decoder.passes > best.passes and max(map(len, made)) > 1:
        raise known(19, "room-too-small", step, detail=detail)
    raise CheckFailed(f"generate_with_lookup: {detail}", short="other passes")


def wrong_text(step, prompt, tokens, made, decoder, detail):
    """Why a text is another one: what its cache held."""
    text = [*prompt, *tokens]
    if any(a != b for a, b in zip(decoder.cache, text, strict=False)):
        return known(19, "not-rolled-back", step, detail=detail)
    if len(made) < len(tokens):
        return known(19, "too-few-logits", step, detail=detail)
    return CheckFailed(f"generate_with_lookup: {detail}", short="another text")


# With Hugging Face's model

PROMPTS = [[18, 14, 7, 8, 1, 2, 0], [7, 7, 7]]
ROOM = 20
PROPOSED = 4


@reference(PROMPTS)
def hugging_face_text(prompt):
    """Greedy tokens; the inputs are those with lookup, and in how many passes."""
    import torch
    from transformers import GPT2LMHeadModel

    model = randomize(GPT2LMHeadModel(MODEL.hugging_face_config))
    passes, ids = [], torch.tensor([prompt])
    model.register_forward_hook(lambda *_: passes.append(1))
    texts = []
    for lookup in ({}, {"prompt_lookup_num_tokens": PROPOSED}):
        passes.clear()
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=ROOM,
            do_sample=False,
            eos_token_id=END,
            pad_token_id=0,
            **lookup,
        )
        texts.append(made[0, len(prompt) :].numpy())
    # It may go on beyond what was asked for, by proposals that were right.
    looked_up, count = texts[1][:ROOM], np.array(len(passes))
    return Expected(inputs=(looked_up, count), output=texts[0])


@pytest.mark.parametrize("prompt", PROMPTS, ids=str)
def test_hugging_face(step, device, model, prompt):
    """a whole GPT-2: the tokens and the passes of Hugging Face's prompt lookup"""
    expected = hugging_face_text(prompt)
    looked_up, count = expected.inputs
    assert looked_up.tolist() == expected.output.tolist()
    decoder = step.LookupDecoder(
        model, MODEL.config, capacity=len(prompt) + ROOM, device=device
    )
    made = generate(step, decoder, prompt, ROOM, None, PROPOSED, 0, [END])
    tokens = flat(made)
    if tokens != expected.output.tolist():
        raise CheckFailed(
            f"After the prompt {prompt}, your GPT-2 writes {tokens}. Hugging Face's "
            f"writes {expected.output.tolist()}.",
            short="another text",
        )
    if len(made) != count:
        raise CheckFailed(
            f"After the prompt {prompt}, the text is right, and takes {len(made)} "
            f"passes. Hugging Face's generate takes {count}.",
            short=f"{len(made)} passes, not {count}",
        )
