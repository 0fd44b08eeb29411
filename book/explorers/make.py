"""Compute what the explorers of the book show, from the demo model.

Writes, into `book/src/explorers`, for each explorer the data (`NAME.data.js`) and the
fragment that a chapter includes (`NAME.html`). The fragment holds the picture that is
seen without JavaScript, made from the same data.

    python -m book.explorers.make

Run it again when the demo model changes; `tests/project/test_book_browser.py` says so.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

from book.explorers.chain import chain
from course.check.loading import load_solution
from course.runtime import prepare
from course.steps import DEMO_MODEL, ROOT

OUTPUT = ROOT / "book" / "src" / "explorers"
Array = NDArray[Any]
Data = dict[str, Any]

# In each a name comes back, by itself or as a pronoun: which token refers to which.
SENTENCES = [
    (
        "The careful wolf was called Willa. More than anything, Willa loved her old "
        "flute.",
        " her",
        " Willa",
    ),
    (
        "The brave goat was called Clara, and she lived in a hut at the foot of the "
        "mountain.",
        " she",
        " Clara",
    ),
    (
        "Felix the otter lived in a hut. Felix wanted a green hat, but all he had was "
        "a pumpkin pie.",
        " he",
        " Felix",
    ),
    (
        "Arlo the monkey lived in a tree house. Arlo often wished for a friend. One "
        "day, in the meadow, Arlo heard someone crying.",
        " Arlo",
        " Arlo",
    ),
    (
        "One day, Oscar the turtle woke up early in his cottage near the sea.",
        " his",
        " Oscar",
    ),
]
# The residual explorer starts where a name appears out of nowhere.
LENS_SENTENCES = SENTENCES[1:] + SENTENCES[:1]
PROMPTS = [
    'Pip the fox met Clara the goat. "What a fine',
    "Long ago, in a",
    "Once upon a time, there lived a",
    "Clara was a brave goat who lived in a hut at the foot of the mountain. One",
    "Once upon a time",
]
CHAIN_TEXT = "One day, Oscar the turtle woke up early in his cottage"
CHAIN_WORDS = (" his", " Oscar")
LONGEST_SEQUENCE = 5  # more columns do not fit on a phone
MOST_PAST_TOKENS = 5
LIVE_TEXT = "The brave goat was called Clara. More than anything, Clara loved her old"
LIVE_BARS = 8
TOKENS_TEXT = "Clara loved the unfriendly dragon's lighthouse 😀"
PREDICTIONS = 5  # of the residual explorer, for each layer and position
BARS = 12  # of the sampling explorer; sampling.js has the same

# What the pictures without JavaScript show.
STATIC_MASK = (4, 0)
STATIC_SAMPLING = (0.7, 8, 1.0)  # temperature, top-k, top-p; sampling.js too


class Demo:
    """The demo model, for looking inside."""

    def __init__(self) -> None:
        self.tokenizer = Tokenizer.from_file(str(DEMO_MODEL / "tokenizer.json"))
        self.model = GPT2LMHeadModel.from_pretrained(
            DEMO_MODEL, attn_implementation="eager"
        ).eval()

    def encode(self, text: str) -> list[int]:
        """The token ids of a text."""
        ids: list[int] = self.tokenizer.encode(text).ids
        return ids

    def piece(self, token_id: int) -> str:
        """The text of one token; bytes that are no characters by themselves as <E2>."""
        text: str = self.tokenizer.decode([token_id], skip_special_tokens=False)
        if "�" not in text:
            return text
        letters = self.tokenizer.id_to_token(token_id)
        return "".join(f"<{BYTES[letter]:02X}>" for letter in letters)

    @torch.inference_mode()
    def logits(self, ids: Sequence[int]) -> Array:
        """The logits of the next token, shape [vocab_size]."""
        logits: Array = self.model(torch.tensor([ids])).logits[0, -1].numpy()
        return logits

    @torch.inference_mode()
    def attention(self, ids: Sequence[int]) -> Array:
        """Attention weights, shape [n_layer, n_head, seq_length, seq_length]."""
        output = self.model(torch.tensor([ids]), output_attentions=True)
        weights: Array = torch.stack(output.attentions)[:, 0].numpy()
        return weights

    @torch.inference_mode()
    def lens(self, ids: Sequence[int]) -> Array:
        """What the head says of the residual stream, before and after every block.

        Returns:
            Probabilities, shape [n_layer + 1, seq_length, vocab_size].
        """
        streams: list[torch.Tensor] = []
        hooks = [
            self.model.transformer.h[0].register_forward_pre_hook(
                lambda _, inputs: streams.append(inputs[0])
            )
        ]
        for block in self.model.transformer.h:
            hooks.append(
                block.register_forward_hook(
                    lambda _, __, output: streams.append(
                        output[0] if isinstance(output, tuple) else output
                    )
                )
            )
        self.model(torch.tensor([ids]))
        for hook in hooks:
            hook.remove()
        stream = torch.stack([s.reshape(len(ids), -1) for s in streams])
        logits = self.model.lm_head(self.model.transformer.ln_f(stream))
        probabilities: Array = logits.double().softmax(-1).numpy()
        return probabilities


def _byte_letters() -> dict[str, int]:
    """The letters that byte-level BPE writes bytes as."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    letters = {chr(byte): byte for byte in printable}
    letters |= {chr(256 + number): byte for number, byte in enumerate(others)}
    return letters


BYTES = _byte_letters()


def per_mille(probability: float) -> int:
    """Round a share to thousandths, which is what the explorers have."""
    return int(probability * 1000 + 0.5)


def attention_data(demo: Demo) -> Data:
    """Every attention weight of every sentence, in thousandths.

    `try` is the head in which the word that refers looks most at what it refers to.
    """
    sentences = []
    for text, word, name in SENTENCES:
        ids = demo.encode(text)
        tokens = [demo.piece(i) for i in ids]
        weights = demo.attention(ids)
        best = clearest(weights, tokens, word, name)
        rows = [
            [
                [[per_mille(w) for w in row[: i + 1]] for i, row in enumerate(matrix)]
                for matrix in heads
            ]
            for heads in weights.tolist()
        ]
        sentences.append({"tokens": tokens, "try": best, "weights": rows})
    return {"sentences": sentences}


def clearest(
    weights: Array, tokens: Sequence[str], word: str, name: str
) -> dict[str, int]:
    """The head in which a word looks most at an earlier name, and their positions."""
    _, layer, head, here, there = max(
        (float(weights[layer, head, here, there]), layer, head, here, there)
        for layer in range(weights.shape[0])
        for head in range(weights.shape[1])
        for here, token in enumerate(tokens)
        if token == word
        for there in range(here)
        if tokens[there] == name
    )
    return {"layer": layer, "head": head, "from": here, "to": there}


def chain_data(demo: Demo) -> Data:
    """One query's way, in the head where a pronoun finds its name."""
    ids = demo.encode(CHAIN_TEXT)
    tokens = [demo.piece(i) for i in ids]
    weights = demo.attention(ids)
    best = clearest(weights, tokens, *CHAIN_WORDS)
    blocks, heads = weights.shape[:2]
    block, head, at = best["layer"], best["head"], best["from"]
    return {
        "blocks": blocks,
        "heads": heads,
        "text": CHAIN_TEXT,
        "block": block,
        "head": head,
        "at": at,
        "tokens": tokens,
        **chain(demo.model, ids, block, head, at),
    }


def live_data(demo: Demo) -> Data:
    """The text that the live model starts with, and the likeliest next tokens."""
    shares = softmax(demo.logits(demo.encode(LIVE_TEXT)))
    best = np.argsort(-shares, kind="stable")[:LIVE_BARS].tolist()
    return {
        "text": LIVE_TEXT,
        "end": demo.model.config.eos_token_id,
        "bars": [
            {"id": i, "token": demo.piece(i), "share": per_mille(shares[i])}
            for i in best
        ],
    }


def tokens_data(demo: Demo) -> Data:
    """The words of a text, and the tokens that each of them is."""
    words = []
    for _, (start, end) in demo.tokenizer.pre_tokenizer.pre_tokenize_str(TOKENS_TEXT):
        ids = demo.encode(TOKENS_TEXT[start:end])
        words.append({"ids": ids, "tokens": [demo.piece(i) for i in ids]})
    return {"text": TOKENS_TEXT, "words": words}


def mask_data(demo: Demo) -> Data:
    """What `causal_mask` of step 2 returns, as the number of zeros of every row."""
    prepare()
    sys.path.insert(0, str(ROOT / "solutions"))
    from max.driver import CPU
    from max.dtype import DType
    from solution_02 import causal_mask

    zeros = {}
    for length in range(1, LONGEST_SEQUENCE + 1):
        for past in range(MOST_PAST_TOKENS + 1):
            mask = causal_mask(length, past, dtype=DType.float32, device=CPU())
            rows = mask.to_numpy()
            counts = (rows == 0).sum(axis=1).tolist()
            # Zeros first, then nothing but minus infinity: the counts say it all.
            for row, count in zip(rows, counts, strict=True):
                assert (row[:count] == 0).all()
                assert (row[count:] == -np.inf).all()
            assert rows.shape == (length, past + length)
            zeros[f"{length},{past}"] = counts
    return {
        "longest_sequence": LONGEST_SEQUENCE,
        "most_past_tokens": MOST_PAST_TOKENS,
        "zeros": zeros,
    }


def sampling_data(demo: Demo) -> Data:
    """All logits after every prompt: any temperature needs every one of them."""
    vocab_size = demo.model.config.vocab_size
    return {
        "tokens": [demo.piece(i) for i in range(vocab_size)],
        "prompts": [
            {
                "text": text,
                "logits": [
                    round(logit, 3) for logit in demo.logits(demo.encode(text)).tolist()
                ],
            }
            for text in PROMPTS
        ],
    }


def residual_data(demo: Demo) -> Data:
    """What the head says of the stream after k blocks, for k from 0 to n_layer.

    `top` holds the likeliest tokens and their thousandths in turn, `next` the
    thousandths and the rank of the token that does come next.
    """
    sentences = []
    for text, _, _ in LENS_SENTENCES:
        ids = demo.encode(text)
        stages = []
        for probabilities in demo.lens(ids):
            positions: list[Data] = []
            for i, row in enumerate(probabilities):
                best = np.argsort(-row, kind="stable")[:PREDICTIONS].tolist()
                top: list[Any] = []
                for token_id in best:
                    top += [demo.piece(token_id), per_mille(row[token_id])]
                position: Data = {"top": top}
                if i + 1 < len(ids):
                    rank = 1 + int((row > row[ids[i + 1]]).sum())
                    position["next"] = [per_mille(row[ids[i + 1]]), rank]
                positions.append(position)
            stages.append(positions)
        tokens = [demo.piece(i) for i in ids]
        sentences.append({"tokens": tokens, "stages": stages})
    return {"sentences": sentences}


# The pictures without JavaScript, and the captions.


def percent(thousandths: int) -> str:
    """The percentage as the explorers write it; kit.js has the same."""
    if 0 < thousandths < 10:
        return "<1\N{NARROW NO-BREAK SPACE}%"
    return f"{(thousandths + 5) // 10}\N{NARROW NO-BREAK SPACE}%"


def shown(token: str) -> str:
    """A token as the explorers write it; kit.js has the same."""
    word = token.strip()
    if not word:
        return "␣" if token.strip("\n") else "⏎"
    return f"-{word}" if word == token and word[0].isalpha() else word


def chip(token: str, first: bool) -> str:
    """A token of a sentence as the explorers write it."""
    return token.strip() if first else shown(token)


def attention_picture(data: Data) -> str:
    """One head's weights as a grid: rows look, columns are looked at."""
    sentence = data["sentences"][0]
    tokens, best = sentence["tokens"], sentence["try"]
    words = [chip(token, i == 0) for i, token in enumerate(tokens)]
    weights = sentence["weights"][best["layer"]][best["head"]]
    cell, left, top = 14, 66, 66
    size = cell * len(words)
    lines = []
    for i, word in enumerate(words):
        strong = ' class="strong"' if i in (best["from"], best["to"]) else ""
        y = top + cell * i
        lines.append(
            f'<text{strong} x="{left - 5}" y="{y + 10.5}" text-anchor="end">'
            f"{escape(word)}</text>"
        )
        x = left + cell * i + 10
        lines.append(
            f'<text{strong} transform="translate({x} {top - 5}) rotate(-90)">'
            f"{escape(word)}</text>"
        )
        for j, weight in enumerate(weights[i]):
            opacity = 0.04 + 0.96 * weight / 1000
            lines.append(
                f'<rect x="{left + cell * j}" y="{y}" width="{cell - 1}" '
                f'height="{cell - 1}" fill-opacity="{opacity:.2f}"/>'
            )
    x, y = left + cell * best["to"], top + cell * best["from"]
    lines.append(
        f'<rect class="ring" x="{x - 1.5}" y="{y - 1.5}" width="{cell + 2}" '
        f'height="{cell + 2}"/>'
    )
    share = percent(weights[best["from"]][best["to"]])
    says = (
        f"Grid of attention weights, block {best['layer']}, head "
        f"{best['head']}, for the sentence: {''.join(tokens)} Each row is a token "
        f"that looks, each column one that is looked at; nothing is above the "
        f"diagonal. The row of “{words[best['from']]}” gives {share} to "
        f"“{words[best['to']]}”."
    )
    return (
        f'<svg class="explorer-picture" role="img" '
        f'viewBox="0 0 {left + size + 2} {top + size + 2}" '
        f'aria-label="{escape(says)}">\n' + "\n".join(lines) + "\n</svg>\n"
        f"<p>Each row is a token that looks, each column one that it looks at: the "
        f"darker, the more. In block {best['layer']}, head {best['head']}, "
        f"“{escape(words[best['from']])}” gives {escape(share)} of its attention to "
        f"“{escape(words[best['to']])}”.</p>"
    )


def chain_picture(data: Data) -> str:
    """The numbers of one query, from product to weight."""
    words = [chip(token, i == 0) for i, token in enumerate(data["tokens"])]

    def written(number: float) -> str:
        return f"{number:.2f}".replace("-", "−")

    rows = "\n".join(
        f'<tr><th scope="row">{escape(word)}</th>'
        f"<td>{written(data['products'][i])}</td><td>{written(data['scores'][i])}</td>"
        f"<td>{'−∞' if i > data['at'] else '0'}</td>"
        f"<td>{escape(percent(per_mille(data['weights'][i])))}</td></tr>"
        for i, word in enumerate(words)
    )
    heads = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("product", "score", "mask", "weight")
    )
    return (
        f"<table>\n<caption>Block {data['block']}, head {data['head']}: the query of "
        f"“{escape(words[data['at']])}” and the key of every token</caption>\n"
        f"<thead><tr><td></td>{heads}</tr></thead>\n"
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def mask_picture(data: Data) -> str:
    """The mask as a table; mask.js draws the same."""
    length, past = STATIC_MASK
    counts = data["zeros"][f"{length},{past}"]
    head = "".join(f'<th scope="col">{j}</th>' for j in range(past + length))
    rows = "\n".join(
        f'<tr><th scope="row">{past + i}</th>'
        + "".join(
            '<td class="sees">0</td>' if j < count else '<td class="masked">−∞</td>'
            for j in range(past + length)
        )
        + "</tr>"
        for i, count in enumerate(counts)
    )
    return (
        '<table class="mask-grid">\n'
        f"<caption><code>causal_mask({length}, {past})</code>, shape "
        f"[{length}, {past + length}]</caption>\n"
        f"<thead><tr><td></td>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n"
        "<p>Each row is a new token that looks, each column a position that it looks "
        "at.</p>"
    )


def live_picture(data: Data) -> str:
    """The likeliest next tokens as bars; live.js draws the same."""
    rows = "\n".join(
        f'<tr><th scope="row">{escape(shown(each["token"]))}</th><td class="bars">'
        f'<i class="after" style="width:{each["share"] / 10:.1f}%"></i></td>'
        f"<td>{escape(percent(each['share']))}</td></tr>"
        for each in data["bars"]
    )
    return (
        '<table class="sampling-bars">\n<caption>The likeliest next tokens after “'
        f"{escape(data['text'])}”</caption>\n"
        '<thead><tr><th scope="col">token</th><td></td><th scope="col">share</th></tr>'
        f"</thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
    )


def tokens_picture(data: Data) -> str:
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


def sampling_picture(data: Data) -> str:
    """Probabilities before and after the settings, as bars in a table."""
    prompt = data["prompts"][0]
    logits = np.array(prompt["logits"])
    before = softmax(logits)
    after = past_dials(logits, *STATIC_SAMPLING)
    order = np.argsort(-logits, kind="stable")[:BARS]
    widest = max(before.max(), after.max()) / 100
    rows = "\n".join(
        f'<tr class="{"in" if after[i] else "out"}"><th scope="row">'
        f"{escape(shown(data['tokens'][i]))}</th>"
        f'<td class="bars"><i class="before" style="width:{before[i] / widest:.1f}%">'
        f'</i><i class="after" style="width:{after[i] / widest:.1f}%"></i></td>'
        f"<td>{escape(percent(per_mille(before[i])))}</td>"
        f"<td>{escape(percent(per_mille(after[i]))) if after[i] else 'out'}</td></tr>"
        for i in order
    )
    return (
        '<table class="sampling-bars">\n<caption>The likeliest next tokens after “'
        f"{escape(prompt['text'])}”: before, and with temperature "
        f"{STATIC_SAMPLING[0]} and top-k "
        f"{STATIC_SAMPLING[1]}.</caption>\n"
        '<thead><tr><th scope="col">token</th><td></td><th scope="col">before</th>'
        f'<th scope="col">after</th></tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>'
    )


def residual_picture(data: Data) -> str:
    """What the model would say at one position, block by block; residual.js too."""
    sentence = data["sentences"][0]
    at = residual_start(sentence)
    words = [chip(token, i == 0) for i, token in enumerate(sentence["tokens"])]
    rows = "\n".join(
        f'<tr><th scope="row">{"block " + str(k - 1) if k else "embeddings"}</th><td>'
        + " ".join(
            f"<span>{escape(shown(top[i]))} "
            f"<small>{escape(percent(top[i + 1]))}</small></span>"
            for i in (0, 2, 4)
        )
        + "</td></tr>"
        for k, stage in enumerate(sentence["stages"])
        for top in [stage[at]["top"]]
    )
    return (
        '<table class="lens">\n<caption>What the model would say after “'
        f"{escape(''.join(sentence['tokens'][: at + 1]))}” if it stopped there. The "
        f"story goes on with “{escape(words[at + 1])}”.</caption>\n"
        '<thead><tr><th scope="col">stopped after</th>'
        '<th scope="col">the likeliest next tokens</th></tr></thead>\n'
        f"<tbody>\n{rows}\n</tbody>\n</table>"
    )


def residual_start(sentence: Data) -> int:
    """The position whose answer takes longest to appear; residual.js has the same."""

    def first_right(at: int) -> int:
        right = [stage[at]["next"][1] == 1 for stage in sentence["stages"]]
        if not right[-1]:
            return -1
        return len(right) - right[::-1].index(False) if False in right else 0

    places = range(len(sentence["tokens"]) - 1)
    return max(places, key=lambda at: (first_right(at), at))


def past_dials(logits: Array, temperature: float, top_k: int, top_p: float) -> Array:
    """Probabilities past the dials of step 16; the temperature is not 0."""
    step = load_solution(16)
    kept = step.keep_top_p(step.keep_top_k(logits / temperature, top_k), top_p)
    return softmax(kept)


def softmax(logits: Array) -> Array:
    """The probabilities of logits."""
    weights = np.exp(logits - logits.max())
    shares: Array = weights / weights.sum()
    return shares


CAPTIONS = {
    "live": "A GPT-2 that runs in this page: 1.2 million numbers and a few hundred "
    "lines of JavaScript. What you type stays in your browser.",
    "tokens": "The tokenizer of the demo model: 1,536 tokens, where GPT-2 has 50,257. "
    "␣ is a space; <span>&lt;F0&gt;</span> is a byte that is no character by itself.",
    "attention": "Where the demo model looks. A "
    "token written <span>“-ved”</span> goes on with the word before it.",
    "chain": "One head of the demo model at work. Each head makes such a mix for every "
    "token; then the mixes are put side by side.",
    "mask": "Computed by the solution of step 2.",
    "sampling": "Drawing the next token from the demo model’s probabilities. A token "
    "written <span>“-ip”</span> goes on with the word before it.",
    "residual": "The final norm and the head, applied to the residual stream as it is "
    "after each block of the demo model. A token written <span>“-ip”</span> goes on "
    "with the word before it.",
}

EXPLORERS: dict[str, tuple[Callable[[Demo], Data], Callable[[Data], str]]] = {
    "live": (live_data, live_picture),
    "tokens": (tokens_data, tokens_picture),
    "attention": (attention_data, attention_picture),
    "chain": (chain_data, chain_picture),
    "mask": (mask_data, mask_picture),
    "sampling": (sampling_data, sampling_picture),
    "residual": (residual_data, residual_picture),
}


def data_script(name: str, data: Data) -> str:
    """A script that hands the data over, as JSON on its second line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (
        "// Made by book/explorers/make.py from the demo model. kit.js says why a "
        f"script.\nexplorers.data.{name} =\n{text};\n"
    )


def fragment(name: str, picture: str) -> str:
    """What a chapter includes. Without empty lines, which would end the HTML."""
    return f"""\
<link rel="stylesheet" href="explorers/explorers.css">
<figure class="explorer" data-explorer="{name}">
<div class="explorer-static">
{picture}
</div>
<figcaption>{CAPTIONS[name]}</figcaption>
</figure>
<script defer src="explorers/kit.js"></script>
<script defer src="gpt2/client.js"></script>
<script defer src="explorers/sentences.js"></script>
<script defer src="explorers/{name}.data.js"></script>
<script defer src="explorers/{name}.js"></script>
"""


def read_data(path: Path) -> Data:
    """Read back what `data_script` wrote."""
    data: Data = json.loads(path.read_text("utf-8").split("=\n", 1)[1].rstrip(";\n"))
    return data


def make_all() -> dict[str, str]:
    """Return the text of every file that is made, by its name."""
    demo = Demo()
    files = {}
    for name, (compute, draw) in EXPLORERS.items():
        data = compute(demo)
        files[f"{name}.data.js"] = data_script(name, data)
        files[f"{name}.html"] = fragment(name, draw(data))
    return files


def main() -> None:
    """Write every file."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name, text in make_all().items():
        (OUTPUT / name).write_text(text, "utf-8")
        print(f"{len(text.encode()):>8,} bytes  {name}")


if __name__ == "__main__":
    main()
