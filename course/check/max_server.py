"""MAX's own scheduler and cache manager, without a server around them or a model."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from max.dtype import DType
from max.graph import DeviceRef
from max.nn.kv_cache import MHAKVCacheParams
from max.pipelines.context import TextContext, TokenBuffer
from max.pipelines.kv_cache import InsufficientBlocksError, JengaKVCacheManager
from max.pipelines.lib.interfaces.batch_processor import (
    build_single_replica_ragged_token_arrays,
)
from max.pipelines.modeling.types import RequestID
from max.serve.scheduler.batch_constructor import TextBatchConstructor
from max.serve.scheduler.config import TokenGenerationSchedulerConfig

LONGEST = 1000  # Tokens of a text: more than any here has.


class MaxServer:
    """What `max serve` does with texts between the request and the model.

    It is told to do the simplest: read a new prompt in one piece, beside the texts
    that are running, and share no page.

    Args:
        page_size: How many tokens a page has room for.
        pages: How many pages there are.
        max_batch_size: How many texts a step has room for.

    Attributes:
        texts: The texts that have come and not left, by name, in that order.
    """

    def __init__(self, page_size: int, pages: int, max_batch_size: int) -> None:
        self.texts: dict[str, TextContext] = {}
        params = MHAKVCacheParams(
            dtype=DType.float32,
            n_kv_heads=1,
            head_dim=8,
            num_layers=1,
            page_size=page_size,
            devices=[DeviceRef.CPU()],
        )
        # The manager that `max serve` takes. It keeps one page for itself.
        self._manager = JengaKVCacheManager.create(
            params=params,
            available_bytes=(pages + 1) * params.bytes_per_block,
            max_batch_size=max_batch_size,
            max_seq_len=pages * page_size,
        )
        no_model: Any = SimpleNamespace(release=lambda _: None)
        self._scheduler = TextBatchConstructor(
            TokenGenerationSchedulerConfig(
                max_batch_size=max_batch_size,
                target_tokens_per_batch_ce=pages * page_size + max_batch_size,
                enable_chunked_prefill=False,
                enable_in_flight_batching=True,
            ),
            no_model,
            self._manager,
        )
        # Or it would admit no text while more than 90 % of the pages are taken.
        self._scheduler.tg_priority_kv_percentage = 100

    def come(self, name: str, prompt: Sequence[int]) -> None:
        """Let a text wait for its turn."""
        text = TextContext(
            request_id=RequestID(name),
            max_length=LONGEST,
            tokens=TokenBuffer(np.array(prompt, np.int64)),
        )
        self.texts[name] = text
        self._scheduler.enqueue_new_request(text)

    def leave(self, name: str) -> None:
        """Let a text go that is done."""
        self._scheduler.release_request(self.texts.pop(name).request_id)

    def running(self) -> list[str]:
        """The texts that have begun."""
        return [n for n, text in self.texts.items() if text.tokens.generated_length]

    def waiting(self) -> list[str]:
        """Those that have not, in the order in which they came."""
        return [name for name in self.texts if name not in self.running()]

    def lacking(self) -> str:
        """Give the running texts the pages that they need: the first without, or ""."""
        for name in self.running():
            try:
                self._manager.alloc(self.texts[name])
            except InsufficientBlocksError:
                return name
        return ""

    def next_batch(self) -> list[str]:
        """Have the scheduler choose the texts of the next step, and give them pages."""
        self._inputs = self._scheduler.construct_batch()
        assert self._scheduler.total_preemption_count == 0
        [batch] = self._inputs.batches
        return [text.request_id.value for text in batch]

    def ragged(self, batch: Sequence[str]) -> tuple[list[int], list[int], list[int]]:
        """Lay texts end to end, before the step: tokens, positions and offsets."""
        if not batch:
            return [], [], [0]
        texts = [self.texts[name] for name in batch]
        tokens, offsets = build_single_replica_ragged_token_arrays(texts)
        # MAX hands no positions over: its attention works them out from this length.
        positions = [
            text.tokens.processed_length + index
            for text in texts
            for index in range(text.tokens.active_length)
        ]
        return tokens.tolist(), positions, offsets.tolist()

    def go_on(self, chosen: dict[str, int]) -> None:
        """After the step: go on with the token that was chosen for each text."""
        for name, token_id in chosen.items():
            self.texts[name].update(token_id)
            self._manager.step(self.texts[name])
        self._scheduler.advance_requests(self._inputs)

    def tables(self) -> dict[str, list[int]]:
        """The page table of each text that has pages."""
        found = {}
        for name, text in self.texts.items():
            if self._manager.contains(text):
                [pages] = self._manager.get_req_blocks_per_leaf(text).values()
                found[name] = [int(number) for number in pages]
        return found

    def free(self) -> int:
        """How many pages are free."""
        return self._manager.block_count().free
