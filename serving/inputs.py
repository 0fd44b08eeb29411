"""The arguments of the model, as the batch processor hands them over."""

from dataclasses import dataclass

from max import tree
from max.driver import Buffer
from max.pipelines.lib import ModelInputs


@dataclass(kw_only=True)
class GPT2Inputs(ModelInputs):
    """The arguments of `ServedGPT2.forward`.

    Attributes:
        tokens: The new tokens of all texts, int64, shape [tokens].
        positions: Where each stands in its text, int64, shape [tokens].
        input_row_offsets: Where each text begins, uint32, shape [batch + 1].
    """

    tokens: Buffer
    positions: Buffer
    input_row_offsets: Buffer

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All arguments in their order."""
        return (
            self.tokens,
            self.positions,
            self.input_row_offsets,
            *tree.leaves(self.kv_cache_inputs),
        )
