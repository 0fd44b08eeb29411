"""A tokenizer trained on a text that fits into a chapter, and the demo model's."""

from __future__ import annotations

import functools
import json
import textwrap
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from book.numbers.example import columns, page, text
from book.numbers.example import table as markdown_table
from course.check.loading import load_solution
from course.steps import DEMO_MODEL, ROOT

TEXT = "the cat sat down and the dog sat down and then the cat ran up"
MERGES = 8
NEW = "the rat and the cod sat"
LETTERS = "eé猫🐈"
LANGUAGES = (
    ("English", "The little fox sat down."),
    ("German", "Der kleine Fuchs setzte sich."),
    ("Russian", "Лисёнок сел."),
    ("Japanese", "子ぎつねは座った。"),
    ("Python", "for fox in range(10):"),
)
FIRST_MERGES = (0, 10, 100, 500)

Pair = tuple[bytes, bytes]
Words = Counter[tuple[bytes, ...]]


def shown(piece: bytes) -> str:
    """A piece as the book writes it: ␣ for a space, two digits for what is no text."""
    plain = piece.decode(errors="replace")
    return piece.hex() if "�" in plain else plain.replace(" ", "␣")


def words_of(texts: Iterable[str]) -> Words:
    """The words of texts, in bytes, and how often each is there."""
    step = load_solution("bpe")
    return Counter(step.pieces(word) for each in texts for word in step.split(each))


def learned(texts: Iterable[str], merges: int) -> Iterator[tuple[Pair, int, Words]]:
    """Each merge, how often its pair was there, and the words after it."""
    step, words = load_solution("bpe"), words_of(texts)
    for pair in step.train(texts, merges):
        times = step.count_pairs(words)[pair]
        words = Counter({step.merge(word, pair): words[word] for word in words})
        yield pair, times, words


def length(words: Words) -> str:
    """How many tokens a text has."""
    return str(sum(len(word) * times for word, times in words.items()))


def merged() -> str:
    """The merges, how often each pair was there, and how long the text is after it."""
    step = load_solution("bpe")
    rows = [["", "", "", length(words_of([TEXT]))]]
    for number, (pair, times, words) in enumerate(learned([TEXT], MERGES), 1):
        joined = " + ".join(map(shown, pair))
        rows.append([str(number), joined, str(times), length(words)])
    table = columns(["", "joined", "times", "tokens"], rows, [3, 14, 7, 8], left=2)
    tokenizer = step.Tokenizer(step.train([TEXT], MERGES))
    return f"{table}\n\n{textwrap.fill(in_tokens(tokenizer, TEXT), 40)}"


def in_tokens(tokenizer: Any, written: str) -> str:
    """The tokens of a text, with spaces between them."""
    return " ".join(shown(tokenizer.tokens[i]) for i in tokenizer.encode(written))


def counted() -> str:
    """The most frequent pairs of the text, with the IDs that decide among equals."""
    step = load_solution("bpe")
    ids, counts = step.vocabulary([]), step.count_pairs(words_of([TEXT]))
    best = sorted(counts, key=lambda pair: (-counts[pair], *(ids[p] for p in pair)))[:6]
    rows = [
        [" + ".join(map(shown, p)), str(counts[p]), str(ids[p[0]]), str(ids[p[1]])]
        for p in best
    ]
    return columns(["pair", "times", "left ID", "right ID"], rows, [8, 8, 10, 11])


def encoded() -> str:
    """Another text in the tokens that the small one gives, with their IDs."""
    step = load_solution("bpe")
    tokenizer = step.Tokenizer(step.train([TEXT], MERGES))
    rows = []
    for word in step.split(NEW):
        tokens = in_tokens(tokenizer, word)
        ids = " ".join(map(str, tokenizer.encode(word)))
        rows.append([word.replace(" ", "␣"), tokens, ids])
    return columns(["word", "tokens", "IDs"], rows, [7, 11, 12], left=3)


def in_bytes() -> str:
    """Letters, their bytes, and how many tokens of the demo model they are."""
    tokenizer = demo()
    rows = [
        [
            letter,
            " ".join(f"{byte:02x}" for byte in letter.encode()),
            str(len(tokenizer.encode(letter))),
        ]
        for letter in LETTERS
    ]
    return markdown_table(["letter", "bytes", "tokens"], rows)


@functools.cache
def demo() -> Any:
    """The demo model's tokenizer, read by the solution."""
    return load_solution("bpe").read_tokenizer(DEMO_MODEL / "tokenizer.json")


def by_merges() -> str:
    """A story in the demo model's tokens, if it knew only its first merges."""
    step, tokenizer = load_solution("bpe"), demo()
    evaluation = json.loads((ROOT / "demo" / "evaluation.json").read_text("utf-8"))
    story = evaluation["samples"][0]["text"].removesuffix("<|endoftext|>")
    merges = [*tokenizer.ranks]
    rows = []
    for number in (*FIRST_MERGES, len(merges)):
        tokens = len(step.Tokenizer(merges[:number]).encode(story))
        each = len(story.encode()) / tokens
        rows.append([f"{number:,}", f"{256 + number:,}", f"{tokens:,}", f"{each:.1f}"])
    return markdown_table(["merges", "vocabulary", "tokens", "bytes a token"], rows)


def by_language() -> str:
    """Sentences in several languages, in tokens of a tokenizer trained on one."""
    tokenizer = demo()
    rows = [
        [name, f"`{sentence}`", str(len(sentence)), str(len(sentence.encode())), str(n)]
        for name, sentence in LANGUAGES
        for n in [len(tokenizer.encode(sentence))]
    ]
    return markdown_table(["", "", "characters", "bytes", "tokens"], rows)


def step_bpe(_: Any) -> str:
    """A small text, another one in its tokens, and the demo model's tokenizer."""
    return page(
        counted=text(counted()),
        encoded=text(encoded()),
        bytes=in_bytes(),
        merges=by_merges(),
        languages=by_language(),
    )


def predict_bpe(_: Any) -> str:
    """The merges of a text, of the same text twice, and of its words once each."""
    step = load_solution("bpe")
    once = [" ".join(dict.fromkeys(TEXT.split()))]
    columns_of = [step.train(texts, 5) for texts in ([TEXT], [TEXT, TEXT], once)]
    rows = [
        [str(number), *(" + ".join(map(shown, pair)) for pair in pairs)]
        for number, pairs in enumerate(zip(*columns_of, strict=True), 1)
    ]
    headings = ["", "the text", "twice", "each word once"]
    return text(columns(headings, rows, [3, 11, 11, 15], left=4))
