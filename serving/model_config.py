"""The configuration that MAX makes from its options and a model's config.json."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from max.dtype import DType
from max.graph import DeviceRef
from max.nn.kv_cache import KVCacheParams
from max.pipelines.kv_cache import cache_dtype_for_encoding
from max.pipelines.lib import KVCacheConfig, MAXModelConfig, PipelineConfig
from max.pipelines.lib.config.model_config import _select_quantization_encoding
from max.pipelines.lib.interfaces.arch_config import (
    ArchConfigWithKVCache,
    ArchConfigWithStoredKVParams,
)
from max.pipelines.modeling.config_enums import (
    SupportedEncoding,
    supported_encoding_dtype,
)
from step_01 import GPT2Config


@dataclass(kw_only=True)
class ServedGPT2Config(ArchConfigWithStoredKVParams, ArchConfigWithKVCache):
    """The numbers of step 01, and what serving adds to them.

    Attributes:
        gpt2: The configuration of step 01.
        quantization_encoding: How weights are kept, in MAX's words.
        devices: Where the model computes.
        max_seq_len: The longest text, prompt included, in tokens.
        kv_params: The shape of the paged KV cache.
    """

    DEFAULT_ENCODING: ClassVar[SupportedEncoding] = "float32"
    SUPPORTED_ENCODINGS: ClassVar[set[SupportedEncoding]] = {"float32", "bfloat16"}

    gpt2: GPT2Config
    quantization_encoding: SupportedEncoding
    devices: list[DeviceRef]
    max_seq_len: int
    kv_params: KVCacheParams

    @property
    def dtype(self) -> DType:
        """The dtype of weights and activations."""
        return supported_encoding_dtype(self.quantization_encoding)

    @classmethod
    def initialize(
        cls,
        pipeline_config: PipelineConfig,
        model_config: MAXModelConfig | None = None,
        *,
        max_seq_len: int,
    ) -> Self:
        """Make the configuration.

        Args:
            pipeline_config: The options of `max serve`.
            model_config: Those about the model, if not the ones in there.
            max_seq_len: The longest text that MAX found memory for.

        Returns:
            The configuration.
        """
        options = model_config or pipeline_config.model
        saved = options.huggingface_config
        encoding = _select_quantization_encoding(options, cls.DEFAULT_ENCODING)
        devices = [
            DeviceRef(spec.device_type, spec.id) for spec in options.device_specs
        ]
        return cls(
            gpt2=GPT2Config(
                **{
                    field.name: getattr(saved, field.name)
                    for field in dataclasses.fields(GPT2Config)
                }
            ),
            quantization_encoding=encoding,
            devices=devices,
            max_seq_len=max_seq_len,
            kv_params=cls.construct_kv_params(
                saved,
                pipeline_config,
                devices,
                options.kv_cache,
                cache_dtype_for_encoding(encoding, options.kv_cache.kv_cache_format),
            ),
        )

    @classmethod
    def construct_kv_params(
        cls,
        huggingface_config: Any,
        pipeline_config: PipelineConfig,
        devices: list[DeviceRef],
        kv_cache_config: KVCacheConfig,
        cache_dtype: DType,
        *,
        allow_kv_head_replication: bool = False,
    ) -> KVCacheParams:
        """Describe the paged KV cache.

        Every head has keys and values of its own: GPT-2 has no `num_key_value_heads`,
        which MAX's own version of this function asks for.

        Args:
            huggingface_config: What config.json says.
            pipeline_config: The options of `max serve`.
            devices: Where the cache is.
            kv_cache_config: The options about the cache, such as its page size.
            cache_dtype: Of keys and values.
            allow_kv_head_replication: For models with fewer heads than devices.

        Returns:
            What MAX's cache manager needs. A page holds, for `page_size` tokens, keys
            and values of all layers: shape [2, n_layer, page_size, n_head, head_dim].
        """
        return kv_cache_config.to_params(
            dtype=cache_dtype,
            n_kv_heads=huggingface_config.n_head,
            head_dim=huggingface_config.n_embd // huggingface_config.n_head,
            num_layers=huggingface_config.n_layer,
            devices=devices,
            data_parallel_degree=pipeline_config.model.data_parallel_degree,
            allow_kv_head_replication=allow_kv_head_replication,
        )
