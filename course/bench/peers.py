"""Others who run a GPT-2; all but Hugging Face are optional."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from course.bench.contender import Contender, Prompts

CORES = os.cpu_count() or 1


class HuggingFace(Contender):
    """`generate` of transformers."""

    use_cache = True

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load the model with torch."""
        from transformers import GPT2LMHeadModel

        self.model = GPT2LMHeadModel.from_pretrained(folder, dtype=dtype).train(False)

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        import torch

        ids = torch.tensor(prompts)
        output = self.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=new_tokens,
            do_sample=False,
            use_cache=self.use_cache,
            eos_token_id=None,
            pad_token_id=0,
        )
        new: list[list[int]] = output[:, ids.shape[1] :].tolist()
        return new


class HuggingFaceWithoutCache(HuggingFace):
    """The same, reading the whole text for each token."""

    use_cache = False


class CTranslate2(Contender):
    """`generate_batch` of CTranslate2."""

    packages = ("ctranslate2",)

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load the model."""
        import ctranslate2
        from ctranslate2.converters import TransformersConverter

        own = folder.parent / f"ctranslate2-{dtype}"
        if not own.is_dir():
            TransformersConverter(str(folder)).convert(str(own), quantization=dtype)
        self.generator = ctranslate2.Generator(
            str(own), compute_type=dtype, intra_threads=CORES
        )

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        results = self.generator.generate_batch(
            [[f"t{token_id}" for token_id in prompt] for prompt in prompts],
            max_length=new_tokens,
            min_length=new_tokens,
            include_prompt_in_result=False,
            sampling_topk=1,
        )
        return [list(result.sequences_ids[0]) for result in results]


class OpenVINO(Contender):
    """OpenVINO: in bfloat16 it computes so, in int8 the weights are rounded."""

    packages = ("openvino", "nncf")

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load the model."""
        import openvino

        from course.bench.openvino_model import write_openvino

        path = folder.parent / f"openvino-{dtype}.xml"
        if not path.is_file():
            write_openvino(folder, path, dtype)
        precision = "bf16" if dtype == "bfloat16" else "f32"
        options = {
            "INFERENCE_PRECISION_HINT": precision,
            # As it comes, the cache has 8 bits.
            "KV_CACHE_PRECISION": precision,
            "INFERENCE_NUM_THREADS": CORES,
            "PERFORMANCE_HINT": "LATENCY",
        }
        compiled = openvino.Core().compile_model(path, "CPU", options)
        self.request = compiled.create_infer_request()

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""
        self.request.reset_state()
        ids, past = np.array(prompts), 0
        columns: list[NDArray[np.int64]] = []
        batch = len(ids)
        while len(columns) < new_tokens:
            end = past + ids.shape[1]
            logits = self.request.infer(
                {
                    "input_ids": ids,
                    "attention_mask": np.ones((batch, end), np.float32),
                    "position_ids": np.tile(np.arange(past, end), (batch, 1)),
                    "beam_idx": np.arange(batch, dtype=np.int32),
                }
            )[0]
            ids, past = logits.argmax(axis=-1)[:, None], end
            columns.append(ids)
        new: list[list[int]] = np.concatenate(columns, axis=1).tolist()
        return new


class LlamaCpp(Contender):
    """llama.cpp, through xllamacpp: its server without a port."""

    packages = ("xllamacpp", "gguf")

    def __init__(self, folder: Path, dtype: str) -> None:
        """Load the model."""
        import xllamacpp

        from course.bench.gguf_model import write_gguf
        from course.model.checkpoint import open_checkpoint

        path = folder.parent / f"llama-{dtype}.gguf"
        checkpoint = open_checkpoint(str(folder))
        if not path.is_file():
            write_gguf(checkpoint, path, dtype)
        options = xllamacpp.CommonParams()
        options.model.path = str(path)
        options.n_parallel = 8
        options.n_ctx = options.n_parallel * checkpoint.config.n_positions
        for threads in (options.cpuparams, options.cpuparams_batch):
            threads.n_threads = CORES
        self.server = xllamacpp.Server(options)
        self.texts = ThreadPoolExecutor(options.n_parallel)

    def generate(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        """Return the new tokens of each text; the prompts have one length."""

        def ask(prompt: list[int]) -> list[int]:
            answer = self.server.handle_completions(
                {
                    "prompt": list(prompt),
                    "n_predict": new_tokens,
                    "temperature": 0,
                    "ignore_eos": True,
                    "cache_prompt": False,
                }
            )
            [choice] = answer["choices"]
            # It says no token IDs, but every token is its own: "t42t7".
            return [int(number) for number in choice["text"].split("t")[1:]]

        return list(self.texts.map(ask, prompts))
