"""A GPT-2 as llama.cpp reads it, with weights in one of its dtypes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from course.model.checkpoint import Checkpoint

KINDS = {"float32": "F32", "bfloat16": "BF16", "int8": "Q8_0", "int4": "Q4_0"}
"""What llama.cpp calls the dtypes of `course generate`."""

FILE_TYPES = {
    "float32": "ALL_F32",
    "bfloat16": "MOSTLY_BF16",
    "int8": "MOSTLY_Q8_0",
    "int4": "MOSTLY_Q4_0",
}

# Our names within a block, and llama.cpp's.
OF_A_BLOCK = {
    "ln_1": "attn_norm",
    "attn.c_attn": "attn_qkv",
    "attn.c_proj": "attn_output",
    "ln_2": "ffn_norm",
    "mlp.c_fc": "ffn_up",
    "mlp.c_proj": "ffn_down",
}


def write_gguf(model: Checkpoint, path: Path, dtype: str) -> None:
    """Write a model for llama.cpp.

    Its tokens are written as "t0", "t1", …: it is to be asked with token IDs.

    Args:
        model: The model.
        path: The file to write.
        dtype: How its matrices are kept, as `course generate` calls it. In int4 the
            head and the table of tokens have 8 bits, as our head has.
    """
    import gguf

    config, weights = model.config, model.weights
    kind, ends = (
        gguf.GGMLQuantizationType[KINDS[name]]
        for name in (dtype, "int8" if dtype == "int4" else dtype)
    )
    writer = gguf.GGUFWriter(path, "gpt2")
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_inner or 4 * config.n_embd)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)
    writer.add_file_type(gguf.LlamaFileType[FILE_TYPES[dtype]])
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([f"t{token}" for token in range(config.vocab_size)])
    writer.add_token_types([gguf.TokenType.NORMAL] * config.vocab_size)
    writer.add_token_merges(["t 0"])
    writer.add_bos_token_id(config.vocab_size - 1)
    writer.add_eos_token_id(config.vocab_size - 1)

    def add(name: str, ours: str, kind: gguf.GGMLQuantizationType = kind) -> None:
        array: NDArray[Any] = np.ascontiguousarray(weights[ours], dtype=np.float32)
        if array.ndim == 1 or ours.endswith("wpe.weight"):
            writer.add_tensor(name, array)
        else:
            writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)

    add("token_embd.weight", "transformer.wte.weight", ends)
    add("position_embd.weight", "transformer.wpe.weight")
    add("output.weight", "lm_head.weight", ends)
    for end in ("weight", "bias"):
        add(f"output_norm.{end}", f"transformer.ln_f.{end}")
        for layer in range(config.n_layer):
            for ours, theirs in OF_A_BLOCK.items():
                add(
                    f"blk.{layer}.{theirs}.{end}", f"transformer.h.{layer}.{ours}.{end}"
                )
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
