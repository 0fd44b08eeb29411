"""The model that is measured: the sizes of GPT-2 small, with random weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from course.bench.contenders import CTranslate2, CTranslate2Int8, converted
from course.model.config import GPT2Config

VOCABULARY = GPT2Config().vocab_size


def make_gpt2(folder: Path) -> None:
    """Write a GPT-2 small with random weights, and a tokenizer of words t0, t1, ...

    Args:
        folder: Where to; it need not exist.
    """
    import torch
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(0)
    gpt2 = transformers.GPT2LMHeadModel(transformers.GPT2Config())
    gpt2.save_pretrained(folder)
    words = {f"t{token_id}": token_id for token_id in range(VOCABULARY)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="t0"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    last = f"t{VOCABULARY - 1}"
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=last, eos_token=last, unk_token="t0"
    ).save_pretrained(folder)


def convert_for_ctranslate2(folder: Path) -> bool:
    """Write the model once more in CTranslate2's form.

    Args:
        folder: The model.

    Returns:
        Whether CTranslate2 is installed: `pip install ctranslate2`.
    """
    if importlib.util.find_spec("ctranslate2") is None:
        return False
    from ctranslate2.converters import TransformersConverter

    for contender in (CTranslate2, CTranslate2Int8):
        compute_type = contender.compute_type
        TransformersConverter(str(folder)).convert(
            str(converted(folder, compute_type)), quantization=compute_type
        )
    return True
