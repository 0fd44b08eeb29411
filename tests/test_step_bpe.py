"""The side step bpe: a tokenizer, compared with Hugging Face's `tokenizers`."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from course.check.explaining import known
from course.check.failure import CheckFailed
from course.check.loading import load_solution
from course.steps import DEMO_MODEL


def wrong_bpe():
    """What the known mistakes give; imported where something is wrong."""
    from course.check.mistakes import wrong_bpe

    return wrong_bpe


def assert_all_right(step, what, found, table):
    """Compare what a function gives with what is right; if it is wrong, say why.

    Args:
        step: The reader's module.
        what: The function.
        found: By what the function is given: what it gives, and what is right.
        table: What known mistakes give, in a function that returns it.
    """
    wrong = [given for given, (actual, right) in found.items() if actual != right]
    if not wrong:
        return
    shortest = min(wrong, key=lambda given: len(repr(given)))
    actual, right = found[shortest]
    asked = ", ".join(map(repr, shortest))
    detail = (
        f"Of {asked}, {what} makes {in_short(actual)}; it should be {in_short(right)}."
    )
    for name, mistaken in table().items():
        if all(mistaken(*given) == actual for given, (actual, _) in found.items()):
            raise known("bpe", name, step, detail=detail)
    raise CheckFailed(detail, short=f"{what} gives something else")


def in_short(value):
    """A value as Python writes it, if that is not long."""
    text = repr(value)
    return text if len(text) < 400 else f"{text[:400]} …"


def assert_kind(value, kind, what):
    """Check what kind of thing the reader's function has returned."""
    if not isinstance(value, kind):
        found = "None" if value is None else f"a {type(value).__name__}"
        raise CheckFailed(f"{what} {found}, not a {kind.__name__}.", short=found)


# The parts

WORDS = [
    "the",
    " fox",
    "banana",
    " é",
    "naïve",
    " 猫が",
    "🐈‍⬛",
    " Привет",
    "हिन्दी",
    "  \n",
]


def test_pieces(step):
    """pieces: the bytes of a word, each by itself"""
    found = {}
    for word in WORDS:
        actual = step.pieces(word)
        assert_kind(actual, tuple, "pieces returns")
        found[word,] = actual, tuple(bytes([byte]) for byte in word.encode())
    assert_all_right(step, "pieces", found, lambda: wrong_bpe().PIECES)


def random_words(seed, count):
    """Words of few different pieces, so that pairs stand side by side and overlap."""
    random = np.random.default_rng(seed)
    alphabet = [b"a", b"b", b"ab", b"aa", b"\xc3"]
    for _ in range(count):
        kinds, length = random.integers(1, 6), random.integers(1, 9)
        yield tuple(alphabet[i] for i in random.integers(0, kinds, length))


def test_count_pairs(step):
    """count_pairs: each pair as often as it stands in the text"""
    texts = [{(b"b", b"a", b"n", b"a", b"n", b"a"): 1}, {(b"a", b"a", b"a"): 2}]
    texts += [dict(Counter(random_words(seed, 4 + seed))) for seed in range(20)]
    given, right = [], []
    for words in texts:
        counts = step.count_pairs(words)
        assert_kind(counts, dict, "count_pairs returns")
        given.append(positive(counts))
        right.append(positive(load_solution("bpe").count_pairs(words)))
    if given == right:
        return
    at = next(at for at, counts in enumerate(given) if counts != right[at])
    detail = (
        f"In the words {in_short(texts[at])} you count {in_short(given[at])}; it "
        f"should be {in_short(right[at])}."
    )
    for name, count in wrong_bpe().COUNTS.items():
        if [positive(count(words)) for words in texts] == given:
            raise known("bpe", name, step, detail=detail)
    raise CheckFailed(detail, short="other counts")


def positive(counts):
    """The pairs that are there at all."""
    return {pair: count for pair, count in counts.items() if count}


def test_merge(step):
    """merge: a pair is joined wherever it stands, from the left on"""
    cases = [
        ((b"a", b"a", b"a"), (b"a", b"a")),
        ((b"b", b"a", b"n", b"a", b"n", b"a"), (b"a", b"n")),
        ((b"a",), (b"a", b"b")),
    ]
    for number, word in enumerate(random_words(1, 300)):
        at = number % len(word)
        cases.append((word, (word[at], word[(at + 1) % len(word)])))
    found = {}
    for case in cases:
        actual = step.merge(*case)
        assert_kind(actual, tuple, "merge returns")
        found[case] = actual, load_solution("bpe").merge(*case)
    assert_all_right(step, "merge", found, lambda: wrong_bpe().MERGED)


# Against Hugging Face

ALPHABETS = [
    *("ab", "abc", "aab é", "the cat sat. ' ", "naïve café", "猫が好き。"),
    *("Привет мир", "שלום", "مرحبا", "हिन्दी ไทย 한국어", "🐈‍⬛👩‍🚀🎉", "0123 ½²Ⅷ"),
    *(
        "\n\t  \r",
        "'s't'll",
        "e\u0301n\u0303",
        "_-#$%^",
        "\u00a0\u2003\u3000\x85\x1c\u200b",
    ),
]


def random_text(random, longest):
    """A text of some scripts, with words that come again."""
    chosen = random.choice(len(ALPHABETS), random.integers(1, 5), replace=False)
    letters = list("".join(ALPHABETS[i] for i in chosen))
    return "".join(random.choice(letters, random.integers(0, longest)))


def scraps(random, text):
    """Parts of a text, put together anew: what has been learned, in other words."""
    starts = random.integers(0, len(text) + 1, 20)
    return "".join(text[start : start + random.integers(1, 6)] for start in starts)


@dataclass(frozen=True)
class Case:
    """A tokenizer of Hugging Face's, trained here, and a text that it has not seen.

    Attributes:
        texts: What it was trained on.
        num_merges: How many merges it was to learn.
        merges: Those it has learned.
        text: The other text.
        ids: The token IDs of this text.
        cut: How many of them are decoded: the last letter may lack some of its bytes.
        decoded: What they are then.
    """

    texts: tuple[str, ...]
    num_merges: int
    merges: list[tuple[bytes, bytes]]
    text: str
    ids: list[int]
    cut: int
    decoded: str

    @property
    def tokenizer(self):
        """The solution's, with Hugging Face's merges."""
        return load_solution("bpe").Tokenizer(self.merges)

    def tokens_of(self, ids):
        """What token IDs stand for; None for one that there is not."""
        tokens = self.tokenizer.tokens
        return [tokens.get(token_id) for token_id in ids]


def train(texts, num_merges):
    """Have Hugging Face train a tokenizer like GPT-2's."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=len(alphabet) + num_merges,
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return tokenizer


STORY = (
    "Once upon a time, a little fox lived in a burrow near the meadow. That "
    "afternoon, the little fox met a badger. 'Have you seen my lantern?' he asked.",
    "The badger had seen it near the river, and the two went there together.",
)
# What is trained on, how many merges are learned, and what is encoded then.
FIRST = [
    (("banana",), 2, "bananas and bandanas"),
    (("aaaa aaa",), 3, "aaaaaaaaa"),
    (("to be or not to be",), 6, "or to be another"),
    (STORY, 80, "'Where is there ever green water?' the clever badger wondered."),
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """Texts by texts, what Hugging Face learns from them and makes of another one."""
    random = np.random.default_rng(5)
    path = tmp_path_factory.mktemp("bpe") / "tokenizer.json"
    found = []
    for number in range(80):
        texts = tuple(random_text(random, 60) for _ in range(random.integers(1, 6)))
        num_merges = int(random.integers(1, 60))
        text = random_text(random, 30) + scraps(random, " ".join(texts))
        if number < len(FIRST):
            texts, num_merges, text = FIRST[number]
        theirs = train(texts, num_merges)
        theirs.save(str(path))
        merges = [*load_solution("bpe").read_tokenizer(path).ranks]
        ids = theirs.encode(text).ids
        cut = int(random.integers(0, len(ids) + 1))
        decoded = theirs.decode(ids[:cut])
        found.append(Case(texts, num_merges, merges, text, ids, cut, decoded))
    return found


def test_train(step, cases):
    """train: the merges that Hugging Face learns, from 80 small collections of texts"""
    learned = [merges_by(step, case) for case in cases]
    both = [*zip(cases, learned, strict=True)]
    wrong = [(case, merges) for case, merges in both if merges != case.merges]
    if not wrong:
        return
    case, merges = wrong[0]
    at = first_difference(merges, case.merges)
    mine, right = (m[at] if at < len(m) else "none" for m in (merges, case.merges))
    detail = (
        f"From {in_short(list(case.texts))}, your merge {at + 1} is {mine}; Hugging "
        f"Face's is {right}."
    )
    if all(is_tie(*one) for one in wrong):
        raise known("bpe", "ties-broken-otherwise", step, detail=detail)
    for name, learn in wrong_bpe().TRAINED.items():
        if all(learn(case.texts, case.num_merges) == merges for case, merges in both):
            raise known("bpe", name, step, detail=detail)
    raise CheckFailed(f"train: {detail}", short="other merges")


def merges_by(step, case):
    """The merges that the reader's code learns."""
    merges = step.train(list(case.texts), case.num_merges)
    assert_kind(merges, list, "train returns")
    for pair in merges:
        assert_kind(pair, tuple, "In the list that train returns, a merge is")
    return merges


def first_difference(one, other):
    """The first place at which two lists differ."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def is_tie(case, merges):
    """Whether, at the first difference, both pairs are equally frequent."""
    solution, at = load_solution("bpe"), first_difference(merges, case.merges)
    if at >= min(len(merges), len(case.merges)):
        return False
    words = Counter(
        solution.pieces(word) for text in case.texts for word in solution.split(text)
    )
    for pair in case.merges[:at]:
        words = Counter({solution.merge(word, pair): words[word] for word in words})
    counts = solution.count_pairs(words)
    return counts[merges[at]] == counts[case.merges[at]]


def test_encode(step, cases):
    """Tokenizer.encode: the token IDs of Hugging Face, for texts that are new to it"""
    encoded = []
    for case in cases:
        ids = step.Tokenizer(case.merges).encode(case.text)
        assert_kind(ids, list, "Tokenizer.encode returns")
        encoded.append(ids)
    both = [*zip(cases, encoded, strict=True)]
    wrong = [(case, ids) for case, ids in both if ids != case.ids]
    if not wrong:
        return
    detail = first_wrong_word(step, wrong[0][0])
    for name, encode in wrong_bpe().ENCODED.items():
        if all(
            [*encode(case.tokenizer, case.text)] == case.tokens_of(ids)
            for case, ids in both
        ):
            raise known("bpe", name, step, detail=detail)
    raise CheckFailed(f"Tokenizer.encode: {detail}", short="other tokens")


def first_wrong_word(step, case):
    """A word that is encoded otherwise, and how; or the whole text, if no word is."""
    tokenizers = step.Tokenizer(case.merges), case.tokenizer
    for part in [*load_solution("bpe").split(case.text), case.text]:
        mine, right = (case.tokens_of(each.encode(part)) for each in tokenizers)
        if mine != right:
            return f"{part!r} becomes {in_short(mine)}; it should be {in_short(right)}."
    raise AssertionError("The solution encodes otherwise than Hugging Face.")


def test_decode(step, cases):
    """Tokenizer.decode: the text again, and � for a letter that is not whole"""
    found, refused = {}, []
    for case in cases:
        ids = case.ids[: case.cut]
        tokens = tuple(case.tokens_of(ids))
        try:
            text = step.Tokenizer(case.merges).decode(ids)
        except UnicodeDecodeError:
            refused.append((case, tokens))
        else:
            found[tokens,] = text, case.decoded
    if refused:
        whole = [tokens for case, tokens in refused if "�" not in case.decoded]
        name = "decoded-token-by-token" if whole else "broken-bytes-refused"
        tokens = min(whole or [tokens for _, tokens in refused], key=len)
        detail = f"Of {in_short(tokens)}, decode makes a UnicodeDecodeError."
        raise known("bpe", name, step, detail=detail)
    assert_all_right(step, "decode", found, lambda: wrong_bpe().DECODED)


def test_round_trip(step, cases):
    """there and back: decode gives the text that encode was given"""
    for case in cases:
        tokenizer = step.Tokenizer(step.train(list(case.texts), case.num_merges))
        text = tokenizer.decode(tokenizer.encode(case.text))
        if text != case.text:
            raise CheckFailed(f"{case.text!r} comes back as {text!r}.")


STORIES = [
    "Once upon a time, a little fox lived in a burrow near the meadow.",
    *("\"It's late,\" said the badger.\n\nThey'd been out all afternoon…", ""),
    *("naïve café — 猫が好き 🐈‍⬛", "  two  spaces\t1,279 merges\n"),
]


def test_demo(step):
    """the demo model's tokenizer, read from its file: the token IDs of Hugging Face"""
    path = DEMO_MODEL / "tokenizer.json"
    theirs, ours = Tokenizer.from_file(str(path)), step.read_tokenizer(path)
    for text in STORIES:
        ids = theirs.encode(text).ids
        if list(ours.encode(text)) != ids or ours.decode(ids) != text:
            raise CheckFailed(
                f"The IDs of {text!r} are {ids}. You encode it as "
                f"{list(ours.encode(text))}, and decode them as {ours.decode(ids)!r}."
            )
