"""Measure the demo model on held-out stories, and let it tell some of its own.

Three things are measured: the perplexity per token next to two baselines that
count tokens, how well sampled stories keep to their subject, and the same for
the held-out stories, as the mark to reach.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from itertools import pairwise
from typing import Annotated

import torch
import typer
from corpus import BUILD, END_OF_TEXT, GRAMMAR, HERE, Grammar, read_stories
from rich.console import Console
from rich.table import Table
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from train import MODEL
from transformers import GPT2LMHeadModel

REPORT = HERE / "evaluation.json"
PACKAGES = ("torch", "transformers", "tokenizers")
PROMPTS = (
    "Once upon a time",
    "The little fox",
    "One day, Mabel",
    "It was a bright day",
)
TEMPERATURE = 0.8
SAMPLED_STORIES = 200
SEED = 2019
BATCH = 50
NO_TARGET = -100
# How many tokens' worth of weight the unigrams have in the smoothed bigrams.
UNIGRAM_WEIGHT = 5.0


class Storyteller:
    """The model and its tokenizer."""

    def __init__(self) -> None:
        """Load both from the model folder."""
        self.tokenizer = Tokenizer.from_file(str(MODEL / "tokenizer.json"))
        self.model = GPT2LMHeadModel.from_pretrained(MODEL)
        self.end = self.tokenizer.token_to_id(END_OF_TEXT)
        self.context = self.model.config.n_positions

    def encode(self, stories: list[str]) -> list[list[int]]:
        """Return each story's tokens between two end-of-text tokens."""
        encodings = self.tokenizer.encode_batch(stories)
        return [[self.end, *encoding.ids, self.end] for encoding in encodings]

    def loss_sum(self, rows: list[list[int]]) -> float:
        """Return the summed loss, in nats, of all tokens but each row's first."""
        length = max(map(len, rows))
        padded = [row + [NO_TARGET] * (length - len(row)) for row in rows]
        tokens = torch.tensor(padded)
        with torch.inference_mode():
            logits = self.model(tokens[:, :-1].clamp(min=0)).logits
        targets = tokens[:, 1:].flatten()
        losses = cross_entropy(
            logits.flatten(0, 1), targets, ignore_index=NO_TARGET, reduction="sum"
        )
        return float(losses)

    def continue_text(self, prompt: str, count: int, greedy: bool) -> list[str]:
        """Return texts that go on from the prompt, up to end-of-text or the limit.

        A text that the model ended itself has the end-of-text token as its end.
        """
        rng = torch.Generator().manual_seed(SEED)
        tokens = torch.tensor([self.tokenizer.encode(prompt).ids] * count)
        step, cache = tokens, None
        ended = torch.zeros(count, dtype=torch.bool)
        while tokens.shape[1] < self.context and not ended.all():
            with torch.inference_mode():
                output = self.model(step, past_key_values=cache, use_cache=True)
            cache = output.past_key_values
            step = draw_tokens(output.logits[:, -1], greedy, rng)
            tokens = torch.cat([tokens, step], dim=1)
            ended |= step[:, 0] == self.end
        texts = self.tokenizer.decode_batch(tokens.tolist(), skip_special_tokens=False)
        return [cut_at_end(text.removeprefix(END_OF_TEXT)) for text in texts]


def draw_tokens(
    logits: torch.Tensor, greedy: bool, rng: torch.Generator
) -> torch.Tensor:
    """Return one next token for each row, as a column."""
    if greedy:
        return logits.argmax(dim=-1, keepdim=True)
    chances = (logits / TEMPERATURE).softmax(dim=-1)
    return torch.multinomial(chances, 1, generator=rng)


def cut_at_end(text: str) -> str:
    """Cut a text behind its first end-of-text token, where it has one."""
    story, end, _ = text.partition(END_OF_TEXT)
    return story + end


def model_perplexity(storyteller: Storyteller, rows: list[list[int]]) -> float:
    """Return the model's perplexity per token."""
    batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
    loss = sum(map(storyteller.loss_sum, batches))
    return math.exp(loss / sum(len(row) - 1 for row in rows))


def unigram_chances(rows: list[list[int]], vocabulary: int) -> list[float]:
    """Return each token's chance, with one added to every count."""
    counts = Counter(token for row in rows for token in row[1:])
    total = counts.total() + vocabulary
    return [(counts[token] + 1) / total for token in range(vocabulary)]


def baseline_perplexities(
    seen: list[list[int]], rows: list[list[int]], vocabulary: int
) -> tuple[float, float]:
    """Return the perplexities of unigrams and of smoothed bigrams."""
    unigrams = unigram_chances(seen, vocabulary)
    pairs = Counter(pair for row in seen for pair in pairwise(row))
    firsts = Counter(token for row in seen for token in row[:-1])

    def bigram(first: int, second: int) -> float:
        share = pairs[first, second] + UNIGRAM_WEIGHT * unigrams[second]
        return share / (firsts[first] + UNIGRAM_WEIGHT)

    targets = [pair for row in rows for pair in pairwise(row)]
    return (
        perplexity(unigrams[second] for _, second in targets),
        perplexity(bigram(first, second) for first, second in targets),
    )


def perplexity(chances: Iterable[float]) -> float:
    """Return the perplexity of tokens that had these chances."""
    logs = [math.log(chance) for chance in chances]
    return math.exp(-sum(logs) / len(logs))


def words_of(text: str) -> list[str]:
    """Return the words of a text."""
    return re.findall(r"\w+", text)


def first_of(words: Sequence[str], wanted: set[str]) -> str | None:
    """Return the first word that is a wanted one."""
    return next((word for word in words if word in wanted), None)


def pronouns_agree(words: list[str], grammar: Grammar) -> bool:
    """Tell whether a story about only women or only men has only such pronouns."""
    lowered = {word.lower() for word in words}
    pronouns = {
        row["pronoun"] for row in grammar.tables["cast"] if row["name"] in words
    }
    says_she = bool(lowered & {"she", "her", "herself"})
    says_he = bool(lowered & {"he", "him", "his", "himself"})
    return ("she" in pronouns or not says_she) and ("he" in pronouns or not says_he)


def subject_marks(text: str, grammar: Grammar) -> dict[str, bool | None]:
    """Check a story for keeping to its subject; None where a check has no case."""
    words = words_of(text.removesuffix(END_OF_TEXT))
    first_half, second_half = words[: len(words) // 2], words[len(words) // 2 :]
    names = {row["name"] for row in grammar.tables["cast"]}
    homes = {row["home"].split()[-1] for row in grammar.tables["cast"]}
    things = {row["noun"].split()[-1] for row in grammar.tables["thing"]}
    hero = first_of(words, names)
    home = first_of(words, homes)
    thing = first_of(first_half, things)
    other_homes = set(second_half) & (homes - {home}) if home else set()
    return {
        "ends by itself": text.endswith(END_OF_TEXT),
        "the first name comes back": hero in second_half,
        "at most two names": len(set(words) & names) <= 2,
        "pronouns agree with the names": pronouns_agree(words, grammar),
        "no second home": not other_homes if home else None,
        "the treasure comes back": thing in second_half if thing else None,
    }


def subject_shares(texts: list[str], grammar: Grammar) -> dict[str, float]:
    """Return the share of texts that pass each check, where it has a case."""
    marks = [subject_marks(text, grammar) for text in texts]
    shares = {}
    for check in marks[0]:
        cases = [mark[check] for mark in marks if mark[check] is not None]
        shares[check] = round(sum(map(bool, cases)) / len(cases), 3)
    return shares


def show(report: dict[str, dict[str, float]], samples: list[dict[str, str]]) -> None:
    """Print the report as tables, and the samples."""
    console = Console()
    perplexities = Table("perplexity per token on held-out stories", "")
    for name, value in report["perplexity"].items():
        perplexities.add_row(name, f"{value:.2f}")
    checks = Table("stories that keep to their subject", "sampled", "held out")
    for check, share in report["sampled"].items():
        checks.add_row(check, f"{share:.1%}", f"{report['held_out'][check]:.1%}")
    console.print(perplexities, checks)
    for sample in samples:
        console.print(f"\n[bold]{sample['prompt']}[/] ({sample['way']})")
        console.print(sample["text"], markup=False, highlight=False)


def main(
    stories: Annotated[
        int, typer.Option(help="Stories to sample for the subject checks.")
    ] = SAMPLED_STORIES,
) -> None:
    """Measure the model in model/ and write evaluation.json."""
    grammar = Grammar(GRAMMAR.read_text(encoding="utf-8"))
    held_out = read_stories(BUILD / "heldout.txt")
    teller = Storyteller()
    rows = teller.encode(held_out)
    seen = teller.encode(read_stories(BUILD / "train.txt"))
    unigram, bigram = baseline_perplexities(seen, rows, teller.model.config.vocab_size)
    sampled = teller.continue_text(END_OF_TEXT, stories, greedy=False)
    report = {
        "perplexity": {
            "unigrams": round(unigram, 3),
            "smoothed bigrams": round(bigram, 3),
            "the model": round(model_perplexity(teller, rows), 3),
        },
        "sampled": subject_shares(sampled, grammar),
        "held_out": subject_shares([s + END_OF_TEXT for s in held_out], grammar),
    }
    samples = [
        {
            "prompt": prompt,
            "way": "greedy" if greedy else f"temperature {TEMPERATURE}",
            "text": teller.continue_text(prompt, 1, greedy)[0],
        }
        for prompt in PROMPTS
        for greedy in (True, False)
    ]
    training = json.loads((MODEL / "training.json").read_text(encoding="utf-8"))
    record = {
        **report,
        "held_out_stories": len(held_out),
        "held_out_tokens": sum(len(row) - 1 for row in rows),
        "sampled_stories": stories,
        "training": training,
        "bytes": sum(path.stat().st_size for path in MODEL.iterdir()),
        "versions": {name: version(name) for name in PACKAGES},
        "samples": samples,
    }
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    REPORT.write_text(text, encoding="utf-8")
    show(report, samples)


if __name__ == "__main__":
    typer.run(main)
