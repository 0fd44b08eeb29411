"""The parameters that a GPT-2 of given sizes has."""

from __future__ import annotations

from typing import Any

Shapes = dict[str, tuple[int, ...]]

# Hugging Face keeps these as `Conv1D`: [in, out] instead of [out, in].
CONV1D = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


def stored_shapes(sizes: dict[str, Any]) -> Shapes:
    """The shape of every tensor that Hugging Face's files hold, by its full name."""
    n_embd = sizes["n_embd"]
    n_inner = sizes["n_inner"] or 4 * n_embd
    vector = {"weight": (n_embd,), "bias": (n_embd,)}
    layers = {
        "ln_1": vector,
        "attn.c_attn": {"weight": (n_embd, 3 * n_embd), "bias": (3 * n_embd,)},
        "attn.c_proj": {"weight": (n_embd, n_embd), "bias": (n_embd,)},
        "ln_2": vector,
        "mlp.c_fc": {"weight": (n_embd, n_inner), "bias": (n_inner,)},
        "mlp.c_proj": {"weight": (n_inner, n_embd), "bias": (n_embd,)},
    }
    shapes: Shapes = {
        "transformer.wte.weight": (sizes["vocab_size"], n_embd),
        "transformer.wpe.weight": (sizes["n_positions"], n_embd),
    }
    for index in range(sizes["n_layer"]):
        for layer, parameters in layers.items():
            for parameter, shape in parameters.items():
                shapes[f"transformer.h.{index}.{layer}.{parameter}"] = shape
    for parameter, shape in vector.items():
        shapes[f"transformer.ln_f.{parameter}"] = shape
    shapes["lm_head.weight"] = (sizes["vocab_size"], n_embd)
    return shapes


def expected_shapes(sizes: dict[str, Any]) -> Shapes:
    """The shape of every parameter of `MaxGPT2LMHeadModel`, by name."""
    return {
        name: shape[::-1] if name.endswith(CONV1D) else shape
        for name, shape in stored_shapes(sizes).items()
    }
