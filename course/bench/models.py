"""The model that is measured: the sizes of GPT-2 small, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from course.model.config import GPT2Config

VOCABULARY = GPT2Config().vocab_size


def make_gpt2(folder: Path, **sizes: Any) -> None:
    """Write a GPT-2 small with random weights, and a tokenizer of words t0, t1, ...

    Args:
        folder: Where to; it need not exist.
        sizes: What is smaller in its configuration than in GPT-2 small's.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    gpt2 = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes))
    gpt2.save_pretrained(folder)
    words = {f"t{token_id}": token_id for token_id in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    last = f"t{VOCABULARY - 1}"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=last, eos_token=last, unk_token="t0"
    ).save_pretrained(folder)
