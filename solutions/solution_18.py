"""Solution for Step 18: Serving."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from max.dtype import DType
from max.graph.weights import WeightData, Weights, WeightsFormat
from max.pipelines.context import TextContext
from max.pipelines.kv_cache.memory_planner import PagedMemoryPlanner
from max.pipelines.lib import SupportedArchitecture
from max.pipelines.modeling.types import PipelineTask
from solution_13 import convert_weights

from serving.batch_processor import RaggedArrays, RaggedBatches
from serving.model import GPT2PipelineModel
from serving.model_config import ServedGPT2Config
from serving.tokenizer import CheckedTokenizer


@dataclass(eq=False)  # Two texts are two, even if they say the same.
class Text:
    """A text that is being written, as far as one step has to know it.

    Attributes:
        new: The tokens that the next step reads: the prompt first, then the token
            that was chosen last.
        cached: How many tokens before these have their keys and values in the cache.
    """

    new: list[int]
    cached: int = 0

    def __len__(self) -> int:
        """How many tokens of it are in the cache after the next step."""
        return self.cached + len(self.new)

    def go_on(self, token_id: int) -> None:
        """After a step: what was new is in the cache, and a token has been chosen."""
        self.cached = len(self)
        self.new = [token_id]


class NoFreePage(Exception):
    """A text needs more pages than are free."""


class Pages:
    """The pages of the cache, and which text has which of them.

    Args:
        count: How many pages there are. Their numbers begin at 0.
        page_size: How many tokens a page has room for.

    Attributes:
        free: The numbers of the pages that no text has.
        tables: The page table of each text: the numbers of its pages, in the order of
            its tokens.
    """

    def __init__(self, count: int, page_size: int) -> None:
        self.page_size = page_size
        self.free = deque(range(count))
        self.tables: dict[Text, list[int]] = {}

    def missing(self, text: Text) -> int:
        """Count the pages that a text needs for its tokens and does not have."""
        needed = -(-len(text) // self.page_size)
        return needed - len(self.tables.get(text, []))

    def grow(self, text: Text) -> None:
        """Give a text the pages that it is missing.

        Raises:
            NoFreePage: There are not as many. Then it gets none of them.
        """
        missing = self.missing(text)
        if missing > len(self.free):
            raise NoFreePage(f"{missing} needed, {len(self.free)} free.")
        table = self.tables.setdefault(text, [])
        for _ in range(missing):
            table.append(self.free.popleft())

    def where(self, text: Text, position: int) -> tuple[int, int]:
        """Find the place of a token in the cache.

        Args:
            text: A text that has a page for it.
            position: Which of its tokens, counted from 0.

        Returns:
            The number of the page, and the slot in this page, counted from 0.
        """
        entry, slot = divmod(position, self.page_size)
        return self.tables[text][entry], slot

    def release(self, text: Text) -> None:
        """Take the pages back from a text that is done."""
        self.free.extend(self.tables.pop(text))


def lay_end_to_end(texts: Sequence[Text]) -> RaggedArrays:
    """Make a ragged batch: the new tokens of all texts, one text after the other.

    Returns:
        The tokens, int64, shape [tokens].
        The position of each in its text, int64, shape [tokens].
        The offsets: where each text begins, and where the last one ends, uint32, shape
        [texts + 1].
    """
    tokens = np.concatenate([text.new for text in texts], dtype=np.int64)
    positions = np.concatenate(
        [np.arange(text.cached, len(text), dtype=np.int64) for text in texts]
    )
    lengths = [len(text.new) for text in texts]
    offsets = np.cumsum([0, *lengths], dtype=np.uint32)
    return tokens, positions, offsets


class Scheduler:
    """Decides which texts are in the next step: continuous batching.

    Args:
        pages: The pages of the cache.
        max_batch_size: How many texts a step has room for.

    Attributes:
        waiting: Texts that have not begun, in the order in which they came.
        running: Texts that have begun and are not done.
    """

    def __init__(self, pages: Pages, max_batch_size: int) -> None:
        self.pages = pages
        self.max_batch_size = max_batch_size
        self.waiting: deque[Text] = deque()
        self.running: list[Text] = []

    def add(self, text: Text) -> None:
        """Let a text wait for its turn."""
        self.waiting.append(text)

    def next_batch(self) -> list[Text]:
        """Choose the texts of the next step, each with pages for all of its tokens.

        All that are running go on. Those that wait begin, in the order in which they
        came, as long as there is room in the batch, and pages for their prompts.

        Raises:
            NoFreePage: A running text needs a page, and none is free.
        """
        for text in self.running:
            self.pages.grow(text)
        while self.waiting and len(self.running) < self.max_batch_size:
            if self.pages.missing(self.waiting[0]) > len(self.pages.free):
                break
            text = self.waiting.popleft()
            self.pages.grow(text)
            self.running.append(text)
        return list(self.running)

    def finish(self, text: Text) -> None:
        """Let a running text leave that is done, and free its pages."""
        self.running.remove(text)
        self.pages.release(text)


def convert_checkpoint(
    state_dict: Mapping[str, Weights], **_: object
) -> dict[str, WeightData]:
    """Convert as in step 13: transpose Conv1D, drop masks, tie the head.

    Args:
        state_dict: The tensors of a `model.safetensors` by name.

    Returns:
        The parameters of `ServedGPT2` by name, float32.
    """
    tensors = {
        # By way of a buffer: MAX takes no array that is read-only, as those of
        # `np.from_dlpack` are.
        name: weights.data().astype(DType.float32).to_buffer().to_numpy()
        for name, weights in state_dict.items()
    }
    return {
        name: WeightData.from_numpy(array, name)
        for name, array in convert_weights(tensors).items()
    }


class GPT2Batches(RaggedBatches):
    """The batches of MAX's server, laid end to end by this file."""

    @staticmethod
    def arrays(contexts: Sequence[TextContext]) -> RaggedArrays:
        """Lay the texts end to end that MAX's scheduler has chosen.

        Args:
            contexts: MAX's texts. Of each, `tokens.active` are those to be read now,
                and `tokens.processed_length` says how many were read before.

        Returns:
            What `lay_end_to_end` returns.
        """
        texts = [
            Text(context.tokens.active.tolist(), context.tokens.processed_length)
            for context in contexts
        ]
        return lay_end_to_end(texts)


class BatchedGPT2(GPT2PipelineModel):
    """The model of step 11 in MAX's server, on the batches of this file."""

    batch_processor_cls = GPT2Batches


gpt2_architecture = SupportedArchitecture(
    # What `architectures` in a model's config.json says.
    name="GPT2LMHeadModel",
    example_repo_ids=["openai-community/gpt2"],
    task=PipelineTask.TEXT_GENERATION,
    tokenizer=CheckedTokenizer,
    context_type=TextContext,
    config=ServedGPT2Config,
    pipeline_model=BatchedGPT2,
    memory_planner=PagedMemoryPlanner,
    default_weights_format=WeightsFormat.safetensors,
    weight_adapters={WeightsFormat.safetensors: convert_checkpoint},
    default_encoding=ServedGPT2Config.DEFAULT_ENCODING,
    supported_encodings=ServedGPT2Config.SUPPORTED_ENCODINGS,
)

# What `--custom-architectures` looks for.
ARCHITECTURES = [gpt2_architecture]
