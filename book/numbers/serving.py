"""The worked example of step 18."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from max.dtype import DType
from max.engine import InferenceSession
from max.graph import DeviceRef
from max.nn.kv_cache import KVCacheParams, MHAKVCacheParams
from max.pipelines.context import TextContext, TokenBuffer
from max.pipelines.kv_cache import PagedKVCacheManager
from max.pipelines.modeling.types import RequestID

from book.gpt2 import GPT2
from book.numbers.example import DEVICE, SIZES, WORDS, columns, page, text, token_ids
from book.numbers.example import table as markdown_table
from course.check.loading import load_solution
from course.model.config import GPT2Config, head_dim

PAGE_SIZE = 4
PAGES = 6
PROMPTS = {
    "A": ["the", "cat", "sat", "down"],
    "B": ["the", "dog"],
    "C": ["then", "up", "."],
    "D": ["the", "cat", "ran", "up", "."],
}


class Texts:
    """A few texts under MAX's own cache manager, with pages of four tokens."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self.running: dict[str, TextContext] = {}
        self.manager = PagedKVCacheManager(
            params=params(GPT2Config(**SIZES), PAGE_SIZE),
            session=InferenceSession(devices=[DEVICE]),
            total_num_pages=PAGES,
            max_batch_size=len(PROMPTS),
        )

    def come(self, name: str) -> None:
        """Let a text begin."""
        ids = np.array([WORDS.index(word) for word in PROMPTS[name]], np.int64)
        self.running[name] = TextContext(
            request_id=RequestID(),
            max_length=SIZES["n_positions"],
            tokens=TokenBuffer(ids),
        )
        self.manager.claim(self.running[name])

    def leave(self, name: str) -> None:
        """Let a text end; its pages are free then."""
        self.manager.release(self.running.pop(name))

    def step(self, names: str) -> str:
        """Read the new tokens of some texts in one batch: what the model is given."""
        from serving.batch_processor import RaggedBatches

        batch = [self.running[name] for name in names]
        for running in batch:
            self.manager.alloc(running)
        processor: Any = SimpleNamespace(runtime=SimpleNamespace(devices=[DEVICE]))
        inputs = RaggedBatches.prepare_initial_token_inputs(processor, [batch])
        given = [
            array.to_numpy().tolist()
            for array in (inputs.tokens, inputs.positions, inputs.input_row_offsets)
        ]
        for running in batch:
            words = [WORDS[token_id] for token_id in running.tokens.all]
            logits = self.model(token_ids(words)).to_numpy()
            running.update(int(logits[0, -1].argmax()))
            self.manager.step(running)
        return shown(*given)

    def pages(self, name: str) -> list[int]:
        """The pages of a text, in their order."""
        if name not in self.running:
            return []
        [pages] = self.manager.get_req_blocks_per_leaf(self.running[name]).values()
        return [int(number) for number in pages]


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
    load_solution(18)
    texts = Texts(model)
    tables: list[list[str]] = []

    def note() -> None:
        tables.append([" ".join(map(str, texts.pages(name))) for name in PROMPTS])

    texts.come("A")
    texts.come("B")
    prompts = texts.step("AB")
    note()
    texts.come("C")
    late = texts.step("C")
    note()
    together = texts.step("ABC")
    note()
    texts.step("ABC")
    note()
    position = texts.running["A"].tokens.processed_length - 1
    entry, place = divmod(position, PAGE_SIZE)
    where = (
        f"{position} // {PAGE_SIZE} = {entry}   entry {entry} of its table: "
        f"page {texts.pages('A')[entry]}\n"
        f"{position} %  {PAGE_SIZE} = {place}   place {place} in that page"
    )
    texts.leave("B")
    texts.come("D")
    texts.step("D")
    note()
    rows = [
        [name, *(column[index] or "-" for column in tables)]
        for index, name in enumerate(PROMPTS)
    ]
    steps = [f"step {number}" for number in range(1, len(tables) + 1)]
    return page(
        prompts=text(prompts),
        late=text(late),
        together=text(together),
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
