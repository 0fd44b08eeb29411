"""The demo model, for looking inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from transformers import GPT2LMHeadModel

from course.check.loading import load_solution
from course.steps import DEMO_MODEL

Array = NDArray[Any]
Data = dict[str, Any]


class Demo:
    """The demo model, for looking inside."""

    def __init__(self) -> None:
        path = DEMO_MODEL / "tokenizer.json"
        self.tokenizer = Tokenizer.from_file(str(path))
        self.bytes = load_solution("bpe").read_tokenizer(path).tokens
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
        return "".join(f"<{byte:02X}>" for byte in self.bytes[token_id])

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


def softmax(logits: Array) -> Array:
    """The probabilities of logits."""
    weights = np.exp(logits - logits.max())
    shares: Array = weights / weights.sum()
    return shares
