"""Train the demo's tokenizer and its small GPT-2 on the stories of corpus.py.

The tokenizer is a byte-level BPE that is set up like GPT-2's own. The model is
a plain GPT-2 with about a million parameters, saved in Hugging Face format.
"""

import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from corpus import BUILD, END_OF_TEXT, HERE, read_stories
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from tokenizers import Tokenizer
from tokenizers.decoders import ByteLevel as ByteLevelDecoder
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel
from tokenizers.processors import ByteLevel as ByteLevelProcessor
from tokenizers.trainers import BpeTrainer
from torch.nn.functional import cross_entropy
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.utils import logging

MODEL = HERE / "model"
SEED = 2019
VOCABULARY = 1536
CONTEXT = 256
WARM_UP = 0.05
LAST_RATE = 0.02
# How a training window begins: with the end-of-text token in front of a story,
# with a story's first word, or anywhere.
BEGINNINGS = (0.6, 0.25, 0.15)
# Windows grow while training goes on: in short windows, a model finds out sooner
# that a name now is a name it has read before. Pairs of length and steps.
Stages = Sequence[tuple[int, int]]
STAGES: Stages = ((64, 1500), (128, 1000), (CONTEXT, 1100))
# GPT-2's 0.02 for a width of 768, carried over to this width.
INITIALIZER_RANGE = 0.05


def train_tokenizer(stories: list[str]) -> Tokenizer:
    """Train a byte-level BPE tokenizer, set up like GPT-2's."""
    tokenizer = Tokenizer(BPE())
    tokenizer.pre_tokenizer = ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevelDecoder()
    tokenizer.post_processor = ByteLevelProcessor(trim_offsets=False)
    trainer = BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(stories, trainer)
    return tokenizer


def encode(stories: list[str], tokenizer: Tokenizer) -> tuple[torch.Tensor, list[int]]:
    """Return all stories as one row of tokens, and where each story starts.

    An end-of-text token stands in front of each story and after the last one.
    """
    end = tokenizer.token_to_id(END_OF_TEXT)
    tokens: list[int] = []
    starts: list[int] = []
    for encoding in tokenizer.encode_batch(stories):
        starts.append(len(tokens))
        tokens += [end, *encoding.ids]
    return torch.tensor([*tokens, end]), starts


def draw_batches(
    tokens: torch.Tensor, starts: list[int], batch: int, stages: Stages
) -> Iterator[torch.Tensor]:
    """Yield one batch of windows for each step; each story starts one in turn.

    A window is one token longer than its stage says, for the last token's target.
    """
    rng = torch.Generator().manual_seed(SEED)
    last = len(tokens) - CONTEXT - 1
    story_starts = torch.tensor([start for start in starts if start < last])
    order = story_starts[:0]
    shares = torch.tensor(BEGINNINGS)
    for length, steps in stages:
        span = torch.arange(length + 1)
        for _ in range(steps):
            if len(order) < batch:
                order = story_starts[torch.randperm(len(story_starts), generator=rng)]
            begin, order = order[:batch], order[batch:]
            ways = torch.multinomial(shares, batch, True, generator=rng)
            anywhere = torch.randint(last, (batch,), generator=rng)
            begin = torch.where(ways == 2, anywhere, begin + (ways == 1))
            yield tokens[begin[:, None] + span]


def build_model(tokenizer: Tokenizer) -> GPT2LMHeadModel:
    """Build a small GPT-2 with fresh weights."""
    end = tokenizer.token_to_id(END_OF_TEXT)
    config = GPT2Config(
        vocab_size=tokenizer.get_vocab_size(),
        n_positions=CONTEXT,
        n_embd=128,
        n_layer=5,
        n_head=4,
        initializer_range=INITIALIZER_RANGE,
        bos_token_id=end,
        eos_token_id=end,
    )
    return GPT2LMHeadModel(config)


def build_optimizer(model: GPT2LMHeadModel, rate: float) -> torch.optim.AdamW:
    """Build AdamW with weight decay on the matrices alone."""
    parameters = list(model.parameters())
    matrices = [p for p in parameters if p.dim() > 1]
    vectors = [p for p in parameters if p.dim() == 1]
    groups = [
        {"params": matrices, "weight_decay": 0.1},
        {"params": vectors, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98))


def rate_factor(step: int, steps: int) -> float:
    """Return the share of the top learning rate: a ramp up, then a half cosine."""
    ramp = WARM_UP * steps
    if step < ramp:
        return (step + 1) / ramp
    cosine = 0.5 + 0.5 * math.cos(math.pi * (step - ramp) / (steps - ramp))
    return LAST_RATE + (1 - LAST_RATE) * cosine


def progress_bar() -> Progress:
    """Build the progress bar, which shows the loss."""
    return Progress(
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("loss {task.fields[loss]:.3f}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )


def fit(
    model: GPT2LMHeadModel, batches: Iterator[torch.Tensor], steps: int, rate: float
) -> float:
    """Train the model and return its loss, averaged over the last steps."""
    # Dropout is for data seen many times; evaluation mode leaves it out.
    model.eval()
    optimizer = build_optimizer(model, rate)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: rate_factor(step, steps)
    )
    average = math.log(model.config.vocab_size)
    with progress_bar() as progress:
        task = progress.add_task("train", total=steps, loss=average)
        for batch in batches:
            logits = model(batch[:, :-1], use_cache=False).logits
            loss = cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten())
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            average += 0.05 * (loss.item() - average)
            progress.update(task, advance=1, loss=average)
    return average


def save_json(values: object, path: Path) -> None:
    """Save values as indented JSON."""
    path.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def save(model: GPT2LMHeadModel, tokenizer: Tokenizer, folder: Path) -> None:
    """Save the model and its tokenizer in Hugging Face format."""
    model.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    tokenizer_config = {
        "tokenizer_class": "GPT2Tokenizer",
        "add_prefix_space": False,
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "unk_token": END_OF_TEXT,
        "model_max_length": CONTEXT,
    }
    save_json(tokenizer_config, folder / "tokenizer_config.json")


def main(
    batch: Annotated[int, typer.Option(help="Windows in a training step.")] = 16,
    rate: Annotated[float, typer.Option(help="Top learning rate.")] = 3e-3,
    out: Annotated[Path, typer.Option(help="Folder for the model.")] = MODEL,
) -> None:
    """Train on build/train.txt and save the tokenizer and the model."""
    logging.disable_progress_bar()
    torch.manual_seed(SEED)
    began = time.perf_counter()
    stories = read_stories(BUILD / "train.txt")
    tokenizer = train_tokenizer(stories)
    tokens, starts = encode(stories, tokenizer)
    model = build_model(tokenizer)
    steps = sum(count for _, count in STAGES)
    loss = fit(model, draw_batches(tokens, starts, batch, STAGES), steps, rate)
    save(model, tokenizer, out)
    record = {
        "stories": len(stories),
        "tokens": len(tokens),
        "parameters": model.num_parameters(),
        "steps": steps,
        "windows_per_step": batch,
        "tokens_read": sum(batch * length * count for length, count in STAGES),
        "top_rate": rate,
        "last_loss": round(loss, 4),
        "seconds": round(time.perf_counter() - began, 1),
    }
    save_json(record, out / "training.json")
    Console().print(record)


if __name__ == "__main__":
    typer.run(main)
