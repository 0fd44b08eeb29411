"""The known mistakes of the side step bpe made in its solution, and other right ways."""

from tests.project.mutants.mutant import Mutant, changed

PIECES = "tuple(bytes([byte]) for byte in word.encode())"
COUNTED = "counts[pair] += times"
PAIRS = "for pair in pairwise(word):"
ALL_PAIRS = f"""for word, times in words.items():
        {PAIRS}
            {COUNTED}
"""
JOINED = """while at < len(word):
        end = at + 2 if word[at : at + 2] == pair else at + 1
        merged.append(b"".join(word[at:end]))
        at = end
"""
WORDS = "Counter(pieces(word) for text in texts for word in split(text))"
BEST = "min(counts, key=lambda pair: (-counts[pair], ids[pair[0]], ids[pair[1]]))"
LOOP = "while known := [pair for pair in pairwise(word) if pair in self.ranks]:"
LOWEST = "min(known, key=self.ranks.__getitem__)"
TEXT = 'b"".join(self.tokens[token_id] for token_id in token_ids)'
DECODED = f"""text = {TEXT}
        return text.decode(errors="replace")
"""
FROM_THE_LEFT = """while at < len(word):
        if word[at : at + 2] == pair:
            merged.append(pair[0] + pair[1])
            at += 2
        else:
            merged.append(word[at])
            at += 1
"""
APART = """for word, times in words.items():
        at = 0
        while at < len(word) - 1:
            counts[word[at], word[at + 1]] += times
            at += 2 if word[at : at + 2] == word[at + 1 : at + 3] else 1
"""
ACROSS = """everything = [p for word, times in words.items() for p in word * times]
    for pair in pairwise(everything):
        counts[pair] += 1
"""
LONGEST = """rest, word = b"".join(word), []
            while rest:
                end = next(n for n in range(len(rest), 0, -1) if rest[:n] in self.ids)
                word.append(rest[:end])
                rest = rest[end:]
"""
FROM_THE_RIGHT = """end = len(word)
    while end > 0:
        start = end - 2 if end > 1 and word[end - 2 : end] == pair else end - 1
        merged.insert(0, b"".join(word[start:end]))
        end = start
"""
EACH_BY_ITSELF = "return ''.join(self.tokens[i].decode({}) for i in token_ids)\n"

CHANGES = [
    ("characters-for-bytes", (PIECES, "tuple(letter.encode() for letter in word)")),
    ("letters-for-bytes", (PIECES, "tuple(word)")),
    ("numbers-for-bytes", (PIECES, "tuple(word.encode())")),
    ("word-in-one-piece", (PIECES, "(word.encode(),)")),
    (None, (PIECES, "[bytes([byte]) for byte in word.encode()]")),
    (None, (PIECES, 'tuple(bytes([byte]) for byte in word.encode("utf-16"))')),
    ("word-counted-once", (COUNTED, "counts[pair] += 1")),
    ("pair-counted-once-a-word", (PAIRS, "for pair in set(pairwise(word)):")),
    ("pairs-counted-apart", (ALL_PAIRS, APART)),
    ("pairs-counted-across-words", (ALL_PAIRS, ACROSS)),
    (None, (COUNTED, "counts[pair] = times")),
    (
        "overlapping-pairs-joined",
        (
            JOINED,
            """was = False
    for at, piece in enumerate(word):
        now = word[at : at + 2] == pair
        if now:
            merged.append(pair[0] + pair[1])
        elif not was:
            merged.append(piece)
        was = now
""",
        ),
    ),
    ("right-piece-kept", (JOINED, FROM_THE_LEFT.replace("at += 2", "at += 1"))),
    (
        "joined-once-only",
        (
            JOINED,
            """for at in range(len(word) - 1):
        if word[at : at + 2] == pair:
            return (*word[:at], pair[0] + pair[1], *word[at + 2 :])
    return word
""",
        ),
    ),
    ("joined-from-the-right", (JOINED, FROM_THE_RIGHT)),
    ("last-piece-lost", (JOINED, FROM_THE_LEFT.replace("len(word)", "len(word) - 1"))),
    (None, ("return tuple(merged)", "return merged")),
    ("merges-across-words", (WORDS, "Counter(pieces(text) for text in texts)")),
    ("spaces-left-out", (WORDS, WORDS.replace("split(text)", "text.split()"))),
    ("first-text-only", (WORDS, WORDS.replace("in texts", "in texts[:1]"))),
    (
        "words-counted-once",
        (WORDS, "dict.fromkeys((pieces(w) for t in texts for w in split(t)), 1)"),
    ),
    (
        "words-counted-once",
        (WORDS, WORDS.replace("Counter(", "Counter({", 1)[:-1] + "})"),
    ),
    ("rarest-pair-first", (BEST, BEST.replace("-counts", "counts"))),
    ("ties-broken-otherwise", (BEST, "max(counts, key=counts.get)")),
    ("ties-broken-otherwise", (BEST, "counts.most_common(1)[0][0]")),
    ("ties-broken-otherwise", (BEST, "min(counts, key=lambda p: (-counts[p], p))")),
    (
        "ties-broken-otherwise",
        (BEST, "max(counts, key=lambda p: (counts[p], ids[p[0]], ids[p[1]]))"),
    ),
    (
        "ties-broken-otherwise",
        (BEST, "min(counts, key=lambda p: (-counts[p], ids[p[1]], ids[p[0]]))"),
    ),
    ("first-pair-found", (LOWEST, "known[0]")),
    ("last-pair-found", (LOWEST, "known[-1]")),
    ("highest-rank-first", (LOWEST, LOWEST.replace("min", "max"))),
    ("longest-pair-first", (LOWEST, "max(known, key=lambda p: len(p[0] + p[1]))")),
    (
        "longest-token-first",
        (f"{LOOP}\n                word = merge(word, {LOWEST})\n", LONGEST),
    ),
    ("one-merge-a-word", (LOOP, LOOP.replace("while known :=", "if known :="))),
    (
        "nothing-merged",
        (LOOP, LOOP.replace("while known :=", "if known :=")),
        (f"word = merge(word, {LOWEST})", f"merge(word, {LOWEST})"),
    ),
    ("decoded-token-by-token", (DECODED, EACH_BY_ITSELF.format('errors="replace"'))),
    ("decoded-token-by-token", (DECODED, EACH_BY_ITSELF.format(""))),
    ("broken-bytes-dropped", ('errors="replace"', 'errors="ignore"')),
    ("broken-bytes-refused", ('text.decode(errors="replace")', "text.decode()")),
    (
        "bytes-as-characters",
        ('text.decode(errors="replace")', 'text.decode("latin-1")'),
    ),
    ("bytes-not-decoded", ('text.decode(errors="replace")', "text")),
]

OTHER_WAYS = [
    (
        "by slices",
        (PIECES, "tuple(word.encode()[i : i + 1] for i in range(len(word.encode())))"),
    ),
    ("pairs with zip", (PAIRS, "for pair in zip(word, word[1:]):")),
    (
        "Counter of the pairs",
        (
            ALL_PAIRS,
            """for word, times in words.items():
        for _ in range(times):
            counts.update(pairwise(word))
""",
        ),
    ),
    ("two cases", (JOINED, FROM_THE_LEFT)),
    (
        "behind the last piece",
        (
            JOINED,
            """for piece in word:
        if merged and (merged[-1], piece) == pair:
            merged[-1] += piece
        else:
            merged.append(piece)
""",
        ),
    ),
    (
        "words in a loop",
        (
            f"words = {WORDS}",
            """words = Counter()
    for text in texts:
        for word in split(text):
            words[pieces(word)] += 1
""",
        ),
    ),
    (
        "sorted",
        (BEST, "sorted(counts, key=lambda p: (-counts[p], ids[p[0]], ids[p[1]]))[0]"),
    ),
    ("max", (BEST, "max(counts, key=lambda p: (counts[p], -ids[p[0]], -ids[p[1]]))")),
    (
        "rank by rank",
        (
            f"{LOOP}\n                word = merge(word, {LOWEST})\n",
            """for pair in self.ranks:
                word = merge(word, pair)
""",
        ),
    ),
    (
        "until none is left",
        (
            f"{LOOP}\n                word = merge(word, {LOWEST})\n",
            """while True:
                pair = min(pairwise(word), key=lambda p: self.ranks.get(p, 10**9), default=None)
                if pair not in self.ranks:
                    break
                word = merge(word, pair)
""",
        ),
    ),
    (
        "bytes added up",
        (
            DECODED,
            """text = bytearray()
        for token_id in token_ids:
            text += self.tokens[token_id]
        return str(text, "utf-8", "replace")
""",
        ),
    ),
]

KNOWN_BPE = [
    Mutant("bpe", mistake, changed("bpe", *changes), f"bpe-{mistake}-{index}")
    for index, (mistake, *changes) in enumerate(CHANGES)
]
VARIANTS_BPE = [
    Mutant("bpe", None, changed("bpe", *changes), f"bpe-{index}-{what}")
    for index, (what, *changes) in enumerate(OTHER_WAYS)
]
