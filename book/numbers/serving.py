"""The worked example of step 18."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from max.dtype import DType
from max.graph import DeviceRef
from max.nn.kv_cache import KVCacheParams, MHAKVCacheParams

from book.gpt2 import GPT2
from book.numbers.example import WORDS, columns, page, text, token_ids
from book.numbers.example import table as markdown_table
from course.check.loading import load_solution
from course.check.max_server import MaxServer
from course.model.config import GPT2Config, head_dim

PAGE_SIZE, PAGES, MAX_BATCH_SIZE = 4, 6, 3
PROMPTS = {
    "A": ["the", "cat", "sat", "down"],
    "B": ["the", "dog"],
    "C": ["then", "up", "."],
    "D": ["the", "cat", "ran", "up", "."],
}


class Server:
    """The solution's scheduler with the tiny model, and MAX's beside it."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.step_18 = load_solution(18)
        self.pages = self.step_18.Pages(PAGES, PAGE_SIZE)
        self.scheduler = self.step_18.Scheduler(self.pages, MAX_BATCH_SIZE)
        self.max_server = MaxServer(PAGE_SIZE, PAGES, MAX_BATCH_SIZE)
        self.texts: dict[str, Any] = {}
        self.words = {name: list(prompt) for name, prompt in PROMPTS.items()}
        self.tables: list[list[str]] = []

    def come(self, name: str) -> None:
        """Let a text come."""
        ids = [WORDS.index(word) for word in self.words[name]]
        self.texts[name] = self.step_18.Text(ids)
        self.scheduler.add(self.texts[name])
        self.max_server.come(name, ids)

    def leave(self, name: str) -> None:
        """Let a text go that is done."""
        self.scheduler.finish(self.texts.pop(name))
        self.max_server.leave(name)

    def step(self) -> str:
        """Go one step: what the model is given."""
        batch = self.scheduler.next_batch()
        names = [name for name, one in self.texts.items() if one in batch]
        given = [array.tolist() for array in self.step_18.lay_end_to_end(batch)]
        assert names == self.max_server.next_batch()
        pages = {name: len(table) for name, table in self.max_server.tables().items()}
        assert {name: len(self.table(name)) for name in names} == pages
        self.tables.append([" ".join(map(str, self.table(name))) for name in PROMPTS])
        chosen = {name: self.choose(name) for name in names}
        self.max_server.go_on(chosen)
        for name, token_id in chosen.items():
            self.texts[name].go_on(token_id)
            self.words[name].append(WORDS[token_id])
        return shown(*given)

    def choose(self, name: str) -> int:
        """The token with which the model goes on."""
        logits = self.model(token_ids(self.words[name])).to_numpy()
        return int(logits[0, -1].argmax())

    def table(self, name: str) -> list[int]:
        """The pages of a text, in their order."""
        table: list[int] = self.pages.tables.get(self.texts.get(name), [])
        return table


def params(config: GPT2Config, page_size: int) -> KVCacheParams:
    """The shape of a paged cache."""
    return MHAKVCacheParams(
        dtype=DType.float32,
        n_kv_heads=config.n_head,
        head_dim=head_dim(config),
        num_layers=config.n_layer,
        page_size=page_size,
        devices=[DeviceRef.CPU()],
    )


def shown(tokens: Sequence[int], positions: Sequence[int], offsets: list[int]) -> str:
    """The inputs of one step, a column for each token."""
    rows = [
        ["tokens", *(WORDS[token_id] for token_id in tokens)],
        ["positions", *map(str, positions)],
    ]
    lines = columns([""] * len(rows[0]), rows, [9, *[5] * len(tokens)])
    return f"{lines}\noffsets   {offsets}"


def step_18(model: Any) -> str:
    """Four texts in batches and in pages, and what pages save."""
    server = Server(model)
    server.come("A")
    server.come("B")
    prompts = server.step()
    server.come("C")
    together = server.step()
    server.come("D")
    full = server.step()
    server.leave("B")
    server.step()
    position = PAGE_SIZE
    entry, slot = divmod(position, PAGE_SIZE)
    where = (
        f"{position} // {PAGE_SIZE} = {entry}   entry {entry} of its table: "
        f"page {server.table('D')[entry]}\n"
        f"{position} %  {PAGE_SIZE} = {slot}   slot {slot} in that page"
    )
    rows = [
        [name, *(column[index] or "-" for column in server.tables)]
        for index, name in enumerate(PROMPTS)
    ]
    steps = [f"step {number}" for number in range(1, len(server.tables) + 1)]
    return page(
        prompts=text(prompts),
        together=text(together),
        full=text(full),
        pages=text(columns(["text", *steps], rows, [4, *[7] * len(steps)])),
        where=text(where),
        memory=memory(),
    )


def memory() -> str:
    """What three texts take of a cache, with a full row for each and in pages."""
    size = 128
    a_page = sum(leaf.bytes_per_page for leaf in params(GPT2, size).leaves().values())
    full = GPT2.n_positions // size
    rows = []
    sums = [0, 0]
    for length in (40, 300, 700):
        used = -(-length // size)
        sums = [sums[0] + full, sums[1] + used]
        rows.append([f"{length} tokens", megabytes(full * a_page), str(used)])
        rows[-1].append(megabytes(used * a_page))
    total = [megabytes(count * a_page) for count in sums]
    rows.append(["**all**", f"**{total[0]}**", f"**{sums[1]}**", f"**{total[1]}**"])
    return markdown_table(["text", "room for 1,024", "pages", "in pages"], rows)


def megabytes(count: int) -> str:
    """Bytes in words."""
    return f"{count / 1e6:.1f} MB"
