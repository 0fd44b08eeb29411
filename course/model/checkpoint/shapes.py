"""The tensors that Hugging Face's files hold of a GPT-2.

Written down and not asked of the model: that would import MAX, which `course serve`
does without, and take a quarter of a second. A test compares the two.
"""

from __future__ import annotations

from course.model.config import GPT2Config, inner_dim

Shapes = dict[str, tuple[int, ...]]


def stored_shapes(config: GPT2Config) -> Shapes:
    """The shape of every tensor, by its full name; linear layers are [in, out]."""
    n_embd, inner = config.n_embd, inner_dim(config)
    norm: Shapes = {"weight": (n_embd,), "bias": (n_embd,)}
    layers: dict[str, Shapes] = {
        "ln_1": norm,
        "attn.c_attn": {"weight": (n_embd, 3 * n_embd), "bias": (3 * n_embd,)},
        "attn.c_proj": {"weight": (n_embd, n_embd), "bias": (n_embd,)},
        "ln_2": norm,
        "mlp.c_fc": {"weight": (n_embd, inner), "bias": (inner,)},
        "mlp.c_proj": {"weight": (inner, n_embd), "bias": (n_embd,)},
    }
    shapes: Shapes = {
        "transformer.wte.weight": (config.vocab_size, n_embd),
        "transformer.wpe.weight": (config.n_positions, n_embd),
    }
    for index in range(config.n_layer):
        for layer, parameters in layers.items():
            for parameter, shape in parameters.items():
                shapes[f"transformer.h.{index}.{layer}.{parameter}"] = shape
    for parameter, shape in norm.items():
        shapes[f"transformer.ln_f.{parameter}"] = shape
    shapes["lm_head.weight"] = (config.vocab_size, n_embd)
    return shapes
