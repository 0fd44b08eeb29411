"""Your own tokenizer: byte-pair merges, learned from a text and applied to others."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import regex

Word = tuple[bytes, ...]
"""A word in pieces: (b" ", b"th", b"e")."""
Pair = tuple[bytes, bytes]
"""Two pieces that stand side by side."""

# Letters, digits or other signs, each with the space before them.
WORD = regex.compile(
    r"'(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
)

# GPT-2 numbers its bytes in this order: those that can be printed come first.
PRINTED = (*range(33, 127), *range(161, 173), *range(174, 256))
BYTES = (*PRINTED, *(byte for byte in range(256) if byte not in PRINTED))


def split(text: str) -> list[str]:
    """Cut a text into words, as GPT-2 does; together they are the text again."""
    return WORD.findall(text)


def vocabulary(merges: Iterable[Pair]) -> dict[bytes, int]:
    """Number all tokens: the bytes, and then what each merge makes."""
    tokens = [bytes([byte]) for byte in BYTES]
    tokens += [left + right for left, right in merges]
    return {token: token_id for token_id, token in enumerate(tokens)}


def pieces(word: str) -> Word:
    """Cut a word into its bytes, of which a letter may have several."""
    return tuple(bytes([byte]) for byte in word.encode())


def count_pairs(words: Mapping[Word, int]) -> Counter[Pair]:
    """Count how often each pair stands in a text.

    Args:
        words: The different words of the text, and how often each of them is there.
    """
    counts: Counter[Pair] = Counter()
    for word, times in words.items():
        for pair in pairwise(word):
            counts[pair] += times
    return counts


def merge(word: Word, pair: Pair) -> Word:
    """Join the two pieces of a pair wherever they stand in a word, from the left on."""
    merged: list[bytes] = []
    at = 0
    while at < len(word):
        end = at + 2 if word[at : at + 2] == pair else at + 1
        merged.append(b"".join(word[at:end]))
        at = end
    return tuple(merged)


def train(texts: Iterable[str], num_merges: int) -> list[Pair]:
    """Learn merges from texts: each joins the pair that is most frequent then.

    Among equally frequent pairs, that whose left piece has the lower ID comes first,
    and then that whose right piece has.

    Args:
        texts: The texts.
        num_merges: How many merges to learn, as long as there are pairs.
    """
    words = Counter(pieces(word) for text in texts for word in split(text))
    merges: list[Pair] = []
    while len(merges) < num_merges and (counts := count_pairs(words)):
        ids = vocabulary(merges)
        best = min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))
        merges.append(best)
        words = Counter({merge(word, best): words[word] for word in words})
    return merges


class Tokenizer:
    """Turns texts into token IDs and back.

    Args:
        merges: The merges, in the order in which they were learned.
        ids: The ID of each token; by default, as `vocabulary` numbers them.
    """

    def __init__(
        self, merges: Sequence[Pair], ids: Mapping[bytes, int] | None = None
    ) -> None:
        self.ranks = {pair: rank for rank, pair in enumerate(merges)}
        self.ids = vocabulary(merges) if ids is None else ids
        self.tokens = {token_id: token for token, token_id in self.ids.items()}

    def encode(self, text: str) -> list[int]:
        """Return the token IDs of a text."""
        token_ids: list[int] = []
        for word in map(pieces, split(text)):
            while known := [pair for pair in pairwise(word) if pair in self.ranks]:
                word = merge(word, min(known, key=self.ranks.__getitem__))
            token_ids += [self.ids[piece] for piece in word]
        return token_ids

    def decode(self, token_ids: Iterable[int]) -> str:
        """Return the text of token IDs; U+FFFD stands for bytes that are no text."""
        text = b"".join(self.tokens[token_id] for token_id in token_ids)
        return text.decode(errors="replace")


def read_tokenizer(path: Path) -> Tokenizer:
    """Read the merges and token IDs of a tokenizer.json, as Hugging Face writes it.

    There each byte is written as a character: one that can be printed as itself, and
    the others, in their order, as those from U+0100 on.
    """
    shown = [*map(chr, PRINTED), *map(chr, range(256, 512 - len(PRINTED)))]
    byte_of = dict(zip(shown, BYTES, strict=True))

    def as_bytes(token: str) -> bytes:
        return bytes(byte_of[character] for character in token)

    model = json.loads(path.read_text(encoding="utf-8"))["model"]
    merges = [(as_bytes(left), as_bytes(right)) for left, right in model["merges"]]
    ids = {as_bytes(token): token_id for token, token_id in model["vocab"].items()}
    return Tokenizer(merges, ids)
