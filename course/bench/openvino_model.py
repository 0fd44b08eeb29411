"""A GPT-2 as OpenVINO runs it: traced by torch, with a cache that it keeps itself."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def write_openvino(folder: Path, path: Path, dtype: str) -> None:
    """Write a model for OpenVINO.

    It reads input_ids, attention_mask, position_ids and beam_idx, and gives logits of
    the last position.

    Args:
        folder: The model as transformers writes it.
        path: The .xml file to write.
        dtype: "int8" for weights of 8 bits; all else is written in float32.
    """
    import openvino
    import torch
    from transformers import GPT2LMHeadModel

    gpt2 = GPT2LMHeadModel.from_pretrained(folder).train(False)
    config = gpt2.config
    heads, size = config.n_head, config.n_embd // config.n_head
    past = [torch.zeros(1, heads, 5, size) for _ in range(2 * config.n_layer)]
    ids, positions = torch.tensor([[1, 2, 3]]), torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        traced = openvino.convert_model(
            _with_flat_cache(gpt2),
            example_input=(ids, torch.ones(1, 8), positions, *past),
        )
    _keep_cache(traced, heads, size)
    if dtype == "int8":
        import nncf

        traced = nncf.compress_weights(traced, mode=nncf.CompressWeightsMode.INT8_ASYM)
    openvino.save_model(traced, path, compress_to_fp16=False)


def _with_flat_cache(gpt2: Any) -> Any:
    import torch
    from transformers.cache_utils import DynamicCache, DynamicLayer

    class FlatCache(torch.nn.Module):
        """The model between lists of tensors, which is what can be traced."""

        def __init__(self) -> None:
            super().__init__()
            self.gpt2 = gpt2

        def forward(self, input_ids: Any, mask: Any, positions: Any, *past: Any) -> Any:
            """Read new tokens behind a cache; return the cache with them."""
            cache, layers = DynamicCache(), []
            for keys, values in zip(past[::2], past[1::2], strict=True):
                layer = DynamicLayer()
                layer.keys, layer.values, layer.is_initialized = keys, values, True
                layer.dtype, layer.device = keys.dtype, keys.device
                layers.append(layer)
            cache.layers = [*layers]
            output = self.gpt2(
                input_ids=input_ids,
                attention_mask=mask.long(),
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            kept = [t for layer in layers for t in (layer.keys, layer.values)]
            return (output.logits[:, -1], *kept)

    return FlatCache().train(False)


def _keep_cache(model: Any, heads: int, size: int) -> None:
    """Have the model keep its cache in states, as its fast attention wants them."""
    import openvino
    from openvino import opset13 as ops
    from openvino._offline_transformations import (
        apply_make_stateful_transformation as make_stateful,
    )

    for tensor, name in zip(
        model.inputs, ("input_ids", "attention_mask", "position_ids"), strict=False
    ):
        tensor.tensor.set_names({name})
    beams = ops.parameter([-1], openvino.Type.i32)
    beams.output(0).tensor.set_names({"beam_idx"})
    states = list(zip(model.inputs[3:], model.outputs[1:], strict=True))
    model.add_parameters([beams])
    for number, (past, present) in enumerate(states):
        past.tensor.set_names({f"past {number}"})
        present.tensor.set_names({f"present {number}"})
        node = past.get_node()
        node.set_partial_shape(openvino.PartialShape([-1, heads, -1, size]))
        readers = node.output(0).get_target_inputs()
        of_beams = ops.gather(node, beams, ops.constant(0))
        for reader in readers:
            reader.replace_source_output(of_beams.output(0))
    model.validate_nodes_and_infer_types()
    make_stateful(model, {f"past {n}": f"present {n}" for n in range(len(states))})
    # At first: as many texts as there are, of no tokens.
    ids = model.input("input_ids")
    batch = ops.gather(ops.shape_of(ids), ops.constant(np.array([0])), ops.constant(0))
    shape = ops.concat([batch, ops.constant(np.array([heads, 0, size]))], axis=0)
    for node in model.get_ops():
        if node.get_type_name() == "ReadValue":
            node.set_arguments([ops.broadcast(ops.constant(np.float32(0)), shape)])
    model.validate_nodes_and_infer_types()
