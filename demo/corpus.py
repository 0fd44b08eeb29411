"""Write the demo corpus: little stories drawn from the grammar in grammar.txt.

Every story keeps a sheet of facts (a name, a home, a place, a treasure, ...)
that is filled in before its first sentence. A sentence may only refer back to a
fact that the story has already told, so the stories stay on one subject, and a
model that learns from them has a reason to look back.
"""

import random
import re
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

HERE = Path(__file__).parent
GRAMMAR = HERE / "grammar.txt"
BUILD = HERE / "build"
END_OF_TEXT = "<|endoftext|>"
SHORTEST, LONGEST = 60, 140
SECTION = re.compile(r"^\[(\w+) (\w+)\]\n(.*?)(?=^\[|\Z)", re.MULTILINE | re.DOTALL)

# A sentence with the key on the left must wait until the story has told the
# fact on the right: "the scarf" comes after "a red scarf".
REFERS_TO = {
    "noun": "thing",
    "toolnoun": "tool",
    "pal": "palkind",
    "calm": "weather",
}
PRONOUNS = {
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
}

Block = list[str]
Row = dict[str, str]


class Facts(dict[str, str]):
    """The facts of one story; a key such as {He} is {he} with a capital."""

    def __missing__(self, key: str) -> str:
        """Return the capitalised value of the lower-case key."""
        lower = key.lower()
        if lower == key:
            raise KeyError(key)
        return capitalise(self[lower])


class Grammar:
    """The word lists, tables, parts and plots of a grammar file."""

    def __init__(self, text: str) -> None:
        """Parse the text of a grammar file."""
        self.words: dict[str, list[str]] = {}
        self.tables: dict[str, list[Row]] = {}
        self.parts: dict[str, Block] = {}
        self.plots: dict[str, list[Block]] = {}
        for sort, name, body in SECTION.findall(text):
            if sort == "words":
                self.words[name] = [word.strip() for word in body.split(",")]
            elif sort == "table":
                self.tables[name] = parse_table(body)
            elif sort == "part":
                self.parts[name] = body.strip().splitlines()
            elif sort == "plot":
                blocks = body.strip().split("\n\n")
                self.plots[name] = [block.splitlines() for block in blocks]


def parse_table(body: str) -> list[Row]:
    """Parse rows of cells divided by bars, under a row of column names."""
    rows = [
        [cell.strip() for cell in line.split("|")] for line in body.strip().splitlines()
    ]
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def capitalise(text: str) -> str:
    """Raise the first letter of the text, which may follow a quotation mark."""
    return re.sub(r"[A-Za-z]", lambda match: match[0].upper(), text, count=1)


def draw_alternatives(text: str, rng: random.Random) -> str:
    """Replace each (a/b/c) by one of its alternatives."""
    return re.sub(r"\(([^)]*)\)", lambda match: rng.choice(match[1].split("/")), text)


def fix_articles(text: str) -> str:
    """Turn "a" into "an" before a vowel sound."""
    return re.sub(r"\b([Aa]) (?=[aeiou]|honest)", r"\1n ", text)


def draw_facts(grammar: Grammar, rng: random.Random) -> Facts:
    """Fill in the sheet of facts for one story."""
    hero, pal = rng.sample(grammar.tables["cast"], k=2)
    facts = Facts(hero | PRONOUNS[hero["pronoun"]])
    facts |= {"pal": pal["name"], "palkind": pal["kind"]}
    facts |= {f"pal{key}": word for key, word in PRONOUNS[pal["pronoun"]].items()}
    for key in ("trait", "giver", "time", "food"):
        facts[key] = rng.choice(grammar.words[f"{key}s"])
    for name, rows in grammar.tables.items():
        if name != "cast":
            for column, cell in rng.choice(rows).items():
                facts[column] = draw_alternatives(cell, rng).format_map(facts)
    return facts


def keys_of(line: str) -> set[str]:
    """Return the keys of the facts that a line puts in."""
    return {key.lower() for key in re.findall(r"\{(\w+)\}", line)}


def may_follow(line: str, told: set[str]) -> bool:
    """Tell whether all that a line refers back to is told, there or earlier."""
    keys = keys_of(line)
    return all(fact in told | keys for key, fact in REFERS_TO.items() if key in keys)


def draw_line(
    block: Block, grammar: Grammar, rng: random.Random, told: set[str]
) -> str | None:
    """Draw a line of a block, going into parts, or None for an empty draw."""
    line = rng.choice([line for line in block if may_follow(line, told)])
    if not line.startswith("@"):
        return line
    if line.endswith("?") and rng.random() < 0.5:
        return None
    return draw_line(grammar.parts[line.strip("@?")], grammar, rng, told)


def write_story(grammar: Grammar, rng: random.Random) -> str:
    """Write one story of any length."""
    facts = draw_facts(grammar, rng)
    told: set[str] = set()
    sentences = []
    for block in grammar.plots[rng.choice(list(grammar.plots))]:
        line = draw_line(block, grammar, rng, told)
        if line is not None:
            told |= keys_of(line)
            sentence = draw_alternatives(line, rng).format_map(facts)
            sentences.append(capitalise(sentence))
    return fix_articles(" ".join(sentences))


def write_stories(count: int, seed: int) -> list[str]:
    """Write as many different stories of the wanted length as asked for."""
    grammar = Grammar(GRAMMAR.read_text(encoding="utf-8"))
    rng = random.Random(seed)
    stories: dict[str, None] = {}
    while len(stories) < count:
        story = write_story(grammar, rng)
        if SHORTEST <= len(story.split()) <= LONGEST:
            stories[story] = None
    return list(stories)


def read_stories(path: Path) -> list[str]:
    """Read the stories back from a file that save_stories wrote."""
    text = path.read_text(encoding="utf-8")
    return [story.strip() for story in text.split(END_OF_TEXT) if story.strip()]


def save_stories(stories: list[str], path: Path) -> None:
    """Save stories as text, an end-of-text token in front of each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(f"{END_OF_TEXT}{story}\n" for story in stories)
    path.write_text(text, encoding="utf-8")


def main(
    train_count: Annotated[int, typer.Option(help="Stories to train on.")] = 36000,
    heldout_count: Annotated[int, typer.Option(help="Stories to hold out.")] = 1000,
    seed: Annotated[int, typer.Option(help="Seed of the random draws.")] = 2019,
) -> None:
    """Write build/train.txt and build/heldout.txt; they share no story."""
    stories = write_stories(train_count + heldout_count, seed)
    save_stories(stories[:train_count], BUILD / "train.txt")
    save_stories(stories[train_count:], BUILD / "heldout.txt")
    lengths = [len(story.split()) for story in stories]
    mean = sum(lengths) / len(lengths)
    Console().print(
        f"{train_count} stories to train on, {heldout_count} held out; "
        f"{min(lengths)} to {max(lengths)} words, {mean:.0f} on average"
    )


if __name__ == "__main__":
    typer.run(main)
