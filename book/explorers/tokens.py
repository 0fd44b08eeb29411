"""A text and its tokens."""

from __future__ import annotations

from html import escape

from book.explorers.demo import Data, Demo

TEXT = "Clara loved the unfriendly dragon's lighthouse 😀"
CAPTION = (
    "The tokenizer of the demo model: 1,536 tokens, where GPT-2 has 50,257. ␣ is a "
    "space; <span>&lt;F0&gt;</span> is a byte that is no character by itself."
)


def compute(demo: Demo) -> Data:
    """The words of a text, and the tokens that each of them is."""
    words = []
    for _, (start, end) in demo.tokenizer.pre_tokenizer.pre_tokenize_str(TEXT):
        ids = demo.encode(TEXT[start:end])
        words.append({"ids": ids, "tokens": [demo.piece(i) for i in ids]})
    return {"text": TEXT, "words": words}


def draw(data: Data) -> str:
    """The tokens and their IDs, a word in a row."""
    rows = "\n".join(
        '<tr><th scope="row">'
        + escape(" · ".join(token.replace(" ", "␣") for token in word["tokens"]))
        + f"</th><td>{', '.join(map(str, word['ids']))}</td></tr>"
        for word in data["words"]
    )
    return (
        f"<table>\n<caption>The tokens of “{escape(data['text'])}”</caption>\n"
        '<thead><tr><th scope="col">tokens</th><th scope="col">IDs</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )
