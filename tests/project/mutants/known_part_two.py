"""The known mistakes of steps 13 to 18 made in a solution, and more wrong versions.

As in `known.py`, but for what only a compiled graph shows: that takes MAX a minute.
"""

from tests.project.mutants.mutant import Mutant, changed

# Step 13
PICKED = "return GPT2Config(**{name: saved[name] for name in fields if name in saved})"
FIELDS = "fields = [field.name for field in dataclasses.fields(GPT2Config)]"
IF_MASK = """        if name.endswith(STORED_MASKS):
            continue
"""
IF_OTHER = """        if not name.startswith(PARTS):
            continue
"""
AS_FLOAT32 = "        tensor = np.asarray(tensor, dtype=np.float32)\n"
IF_CONV1D = "if name.endswith(CONV1D_WEIGHTS):"
TURNED = "tensor = np.ascontiguousarray(tensor.T)"
IF_BARE = 'if not name.startswith(("transformer.", "lm_head.")):'
PREFIX = f"""        {IF_BARE}
            name = f"transformer.{{name}}"
"""
TIED = 'weights.setdefault("lm_head.weight", weights["transformer.wte.weight"])'
TIED_ANYHOW = """table = [w for name, w in weights.items() if name.endswith("wte.weight")]
    weights.setdefault("lm_head.weight", table[0])"""
LOADED = """    model.load_state_dict(convert_weights(load_file(folder / "model.safetensors")))
"""

# Step 14
SLICED = "return self.language_model.lm_head(hidden_states[:, -1:, :])"
COMPILED = "return model.compile(input_type)"

# Step 15
ATTEND = "weights = F.softmax(scores + positions.mask)"
SCORED = "scores = query @ keys.transpose(-1, -2) / math.sqrt(self.head_dim)"
VALUES = "values = append(cache.values, value, positions)"
FILLED = "return cache[:, :, up_to_here]"
LAST = "return self.lm_head(body.ln_f(hidden_states[:, -1, :]))"
PLACES = "position_ids = np.maximum(columns - self.padding[:, None], 0)"
ADVANCED = "        self.length = end\n"
RESET = "        self.length = 0\n"
LATER = "later = context > columns[:, None]"
PADDING = "padding = context < self.padding[:, None, None]"
HIDDEN = "hidden = later | padding"
CAPACITY = "if not 0 < capacity <= config.n_positions:"
EMPTY = "if not lengths or min(lengths) == 0:"
FULL = "if end > self.capacity:"
DECODED = "return self._read(np.array(token_ids, dtype=np.int64)[:, None])"
ROWS = "[0] * padding + list(prompt)"
CACHES = """return [
            LayerCache(
                self._tensor(np.zeros(shape, dtype=np.float32)),
                self._tensor(np.zeros(shape, dtype=np.float32)),
            )
            for _ in range(self.config.n_layer)
        ]"""
AGAIN = """self.texts = [
            [*text, token_id]
            for text, token_id in zip(self.texts, token_ids, strict=True)
        ]
        return self.prefill(self.texts)"""

# Step 16
COPIED = "penalized = logits.copy()"
PENALTY = """penalized[seen] = np.where(
        logits[seen] < 0, logits[seen] * penalty, logits[seen] / penalty
    )"""
FOR_EACH = """for token_id in token_ids:
        score = penalized[token_id]
        penalized[token_id] = score * penalty if score < 0 else score / penalty"""
KEPT_K = "return np.where(logits < border, -np.inf, logits)"
BORDER_K = "border = np.partition(logits, -top_k)[-top_k]"
NUCLEUS = """ascending = np.argsort(logits, kind="stable")
    cumulative = softmax(logits)[ascending].cumsum(dtype=np.float64)
    unlikely = cumulative.astype(np.float32) <= np.float32(1 - top_p)
    kept = logits.copy()
    # The last one is the most likely token: it always stays.
    kept[ascending[:-1][unlikely[:-1]]] = -np.inf
    return kept"""


def nucleus(order, keep):
    """The nucleus with another order or another border."""
    return f"""order = np.argsort({order})
    cumulative = softmax(logits)[order].cumsum()
    kept = np.full_like(logits, -np.inf)
    keep = order[{keep}]
    kept[keep] = logits[keep]
    return kept"""


KEPT_M = (
    """return np.where(probabilities < min_p * probabilities.max(), -np.inf, logits)"""
)
EXPONENTIALS = "exponentials = np.exp(logits - logits.max())"
DIVIDED = "    logits = logits / np.float32(sampling.temperature)\n"
PENALIZED = """    logits = penalize_repetition(logits, token_ids, sampling.repetition_penalty)
    logits = logits / np"""
ONLY_DIVIDED = "    logits = logits / np"
TOP_K = "    logits = keep_top_k(logits, sampling.top_k)\n"
TOP_P = "    logits = keep_top_p(logits, sampling.top_p)\n"
MIN_P = "    logits = keep_min_p(logits, sampling.min_p)\n"
DRAWN = "return int(rng.choice(exact.size, p=exact / exact.sum()))"
GREEDY_PENALTY = """        logits = penalize_repetition(logits, token_ids, sampling.repetition_penalty)
        return"""
GREEDY = "return int(logits.argmax())"
IF_GREEDY = "if sampling.temperature == 0:"
NAN = """    if np.isnan(logits).any():
        raise ValueError("The model's logits are NaN: its weights are broken.")
"""
CHOSEN = "text.append(choose_token(row, text, sampling, rng))"
TEXTS = "texts = [list(prompt) for prompt in prompts]"
LOOP = """for count in range(max_new_tokens):
        if count == 0:
            logits = decoder.prefill(prompts)
        else:
            logits = decoder.decode([text[-1] for text in texts])
        for"""
LOOP_PREFILLED = """logits = decoder.prefill(prompts)
    for _ in range(max_new_tokens):
        for"""
READ = "logits = decoder.decode([text[-1] for text in texts])"
YIELD = "yield [text[-1] for text in texts]"
ADDED = 'self._held += self._stream.step(self.tokenizer, token_id) or ""'
KEEP = "keep = max((self._overlap(stop) for stop in self.stop), default=0)"
FINISHED = 'held, self._held = self._held, ""'

# Step 17
ROUNDED = "np.rint(weight / scale[:, None]).astype(np.int8)"
SCALE = "scale = np.abs(weight).max(axis=1) / np.float32(127)"
ZEROS = "    scale[scale == 0] = 1\n"

# Step 18
DTYPE = "from max.dtype import DType\n"
TENSOR = "weights.data().astype(DType.float32).to_buffer().to_numpy()"
WRAPPED = "WeightData.from_numpy(array, name)"
ADAPTER = "weight_adapters={WeightsFormat.safetensors: convert_checkpoint},"
OFFERED = "ARCHITECTURES = [gpt2_architecture]"

# By step: the mistake, or None if it has no name, then pairs of old and new text.
CHANGES = {
    13: [
        ("config-not-read", (PICKED, "return GPT2Config()")),
        (
            "config-not-read",
            (FIELDS, f'{FIELDS}\n    fields.remove("layer_norm_epsilon")'),
        ),
        ("config-not-read", (FIELDS, f'{FIELDS}\n    fields.remove("n_inner")')),
        ("config-not-read", (PICKED, PICKED.replace("name: saved", "'n_head': saved"))),
        (None, (PICKED, "return GPT2Config(**saved)")),
        (None, (PICKED, "return saved")),
        (None, (PICKED, PICKED.replace("saved[name]", 'saved[name.replace("_", "")]'))),
        ("masks-kept", (IF_MASK, "")),
        ("masks-kept", ('(".attn.bias", ".attn.masked_bias")', '(".attn.bias",)')),
        (
            "masks-kept",
            ('(".attn.bias", ".attn.masked_bias")', '(".attn.masked_bias",)'),
        ),
        ("prefix-missing", (PREFIX, "")),
        ("prefix-missing", (PREFIX, ""), (TIED, TIED_ANYHOW)),
        ("prefix-twice", (IF_BARE, "if True:")),
        ("prefix-twice", (IF_BARE, 'if not name.startswith("lm_head."):')),
        ("prefix-twice", (IF_BARE, "if name:"), (TIED, TIED_ANYHOW)),
        (None, (IF_BARE, 'if not name.startswith("transformer."):')),
        ("head-not-tied", (TIED, "pass")),
        ("head-not-tied", (TIED, TIED.replace('"lm_head.weight"', '"lm_head"'))),
        ("not-transposed", (TURNED, "pass")),
        (
            "not-transposed",
            ('("c_attn.weight", "c_proj.weight", "c_fc.weight")', '("c_fc.weight",)'),
        ),
        (
            "not-transposed",
            (
                '("c_attn.weight", "c_proj.weight",',
                '("c_attn.weight", "mlp.c_proj.weight",',
            ),
        ),
        ("transposed-too-much", (IF_CONV1D, "if tensor.ndim == 2:")),
        (
            "transposed-too-much",
            (IF_CONV1D, 'if name.endswith((*CONV1D_WEIGHTS, "wpe.weight")):'),
        ),
        (None, (TURNED, "tensor = tensor.T")),
        (None, (TURNED, "tensor = tensor.reshape(tensor.shape[::-1])")),
        (None, ("weights[name] = tensor", "weights[name] = tensor.astype(np.float16)")),
        (None, ("weights[name] = tensor", "weights.setdefault(name[:-1], tensor)")),
        (None, ("    return weights\n", "    return list(weights.items())\n")),
        ("weights-not-loaded", (LOADED, "")),
        (
            "weights-not-loaded",
            (
                LOADED,
                LOADED.replace(
                    "model.load", "MaxGPT2LMHeadModel(read_config(folder)).load"
                ),
            ),
        ),
        (None, (LOADED, LOADED.replace("convert_weights(load_file", "(load_file"))),
        (
            None,
            (
                "MaxGPT2LMHeadModel(read_config(folder))",
                "MaxGPT2LMHeadModel(GPT2Config(n_layer=1))",
            ),
        ),
        (None, ("    return model\n", "")),
        (None, ("n_layer=24, n_head=16", "n_layer=12, n_head=16")),
        (None, ("n_layer=48, n_head=25", "n_layer=48, n_head=20")),
        (
            None,
            ('    "gpt2-large": GPT2Config(n_embd=1280, n_layer=36, n_head=20),\n', ""),
        ),
    ],
    14: [
        ("all-positions", (SLICED, SLICED.replace("[:, -1:, :]", ""))),
        ("axis-dropped", (SLICED, SLICED.replace("-1:", "-1"))),
        (
            "head-before-slice",
            (SLICED, "return self.language_model.lm_head(hidden_states)[:, -1:, :]"),
        ),
        ("not-compiled", (COMPILED, "return model")),
        (None, (SLICED, SLICED.replace("-1:", ":1"))),
        (None, (COMPILED, "model.compile(input_type)")),
    ],
    15: [
        ("length-not-advanced", (ADVANCED, "")),
        (
            "positions-restart",
            (PLACES, PLACES.replace("columns -", "columns - start -")),
        ),
        (
            "positions-count-padding",
            (PLACES, "position_ids = columns + np.zeros_like(self.padding)[:, None]"),
        ),
        (
            "padding-visible",
            (PADDING, PADDING.replace("self.padding", "0 * self.padding")),
        ),
        (
            "cache-not-read",
            (LATER, f"{LATER}\n        later = later | (context < columns[0])"),
        ),
        ("first-position-scored", (LAST, LAST.replace("-1", "0"))),
        (
            "whole-text-again",
            (DECODED, AGAIN),
            (
                RESET,
                f"        self.texts = [list(prompt) for prompt in prompts]\n{RESET}",
            ),
        ),
        (
            "prefill-not-anew",
            (RESET, ""),
            ("        self.model = model\n", f"        self.model = model\n{RESET}"),
        ),
        ("not-refused", (CAPACITY, "if not 0 < capacity:")),
        ("not-refused", (CAPACITY, "if not 0 <= capacity <= config.n_positions:")),
        ("not-refused", (CAPACITY, "if not 0 < capacity <= config.n_positions + 1:")),
        ("not-refused", (EMPTY, "if not lengths or max(lengths) == 0:")),
        ("not-refused", (FULL, "if start == 0 and end > self.capacity:")),
        ("not-refused", (FULL, "if start and end > self.capacity:")),
        ("not-refused", (FULL, "if end > self.capacity + 1:")),
        ("not-refused", (FULL, "if end > self.config.n_positions:")),
        (None, (FULL, "if end >= self.capacity:")),
        (None, (EMPTY, "if not lengths:")),
        (None, (ADVANCED, "        self.length += 1\n")),
        (None, (VALUES, VALUES.replace("cache.values", "cache.keys"))),
        (None, (VALUES, VALUES.replace("value,", "key,"))),
        (None, (FILLED, "return new")),
        (None, ("slice(start, end), new", "slice(0, new.shape[-2]), new")),
        (None, (SCORED, SCORED.replace(" / math.sqrt(self.head_dim)", ""))),
        (None, (ATTEND, "weights = F.softmax(scores)")),
        (None, (HIDDEN, "hidden = padding & (later | True)")),
        (None, (LATER, LATER.replace(">", ">="))),
        (None, (LATER, LATER.replace("> columns", "> 1 + columns"))),
        (None, (PADDING, PADDING.replace("<", "<="))),
        (None, ("HIDDEN = np.finfo(np.float32).min", "HIDDEN = np.float32(-np.inf)")),
        (None, ("HIDDEN = np.finfo(np.float32).min", "HIDDEN = np.float32(-1)")),
        (None, (ROWS, "list(prompt) + [0] * padding")),
        (
            None,
            (
                CACHES,
                CACHES.replace("return [", "return [").replace(
                    "for _ in range(self.config.n_layer)\n        ]",
                    "for _ in range(1)\n        ] * self.config.n_layer",
                ),
            ),
        ),
        (
            None,
            (
                "hidden_states = self.run_blocks(hidden_states, positions, caches)\n",
                "self.run_blocks(hidden_states, positions, caches)\n",
            ),
        ),
        (None, ("body.ln_f(hidden_states[:, -1, :])", "hidden_states[:, -1, :]")),
        (None, (" + body.wpe(positions.position_ids)", "")),
        (
            None,
            (
                "return pre_norm_residual(hidden_states, self.ln_2, self.mlp)",
                "return pre_norm_residual(hidden_states, self.ln_1, self.mlp)",
            ),
        ),
        (None, ("        self.attn = CachedAttention(config)\n", "")),
        (None, ("        return logits.to_numpy()\n", "        return logits\n")),
    ],
    16: [
        ("changed-in-place", (COPIED, "penalized = logits")),
        (
            "changed-in-place",
            (KEPT_K, "logits[logits < border] = -np.inf\n    return logits"),
        ),
        (
            "penalty-inverted",
            (
                PENALTY,
                PENALTY.replace("] * penalty", "] / penalty", 1).replace(
                    "logits[seen] / penalty\n", "logits[seen] * penalty\n"
                ),
            ),
        ),
        ("penalty-divides-all", (PENALTY, "penalized[seen] = logits[seen] / penalty")),
        ("penalty-per-occurrence", (PENALTY, FOR_EACH)),
        (
            "penalty-on-everything",
            (
                PENALTY,
                "penalized = np.where(logits < 0, logits * penalty, logits / penalty)",
            ),
        ),
        (
            "keeps-the-unlikely",
            (BORDER_K, "border = np.partition(logits, top_k - 1)[top_k - 1]"),
            (KEPT_K, KEPT_K.replace("<", ">")),
        ),
        (
            "top-k-one-off",
            (BORDER_K, "border = np.partition(logits, -top_k - 1)[-top_k - 1]"),
        ),
        ("zeros-instead", (KEPT_K, KEPT_K.replace("-np.inf", "0.0"))),
        ("border-left-out", (NUCLEUS, nucleus("-logits", "cumulative < top_p"))),
        ("border-left-out", (NUCLEUS, nucleus("-logits", "cumulative <= top_p"))),
        ("nucleus-ascending", (NUCLEUS, nucleus("logits", "cumulative <= top_p"))),
        (
            "none-left",
            ("ascending[:-1][unlikely[:-1]]", "ascending[unlikely]"),
        ),
        ("min-p-absolute", (KEPT_M, KEPT_M.replace(" * probabilities.max()", ""))),
        ("min-p-absolute", (KEPT_M, KEPT_M.replace(".max()", ".sum()"))),
        ("softmax-overflows", (EXPONENTIALS, "exponentials = np.exp(logits)")),
        ("temperature-last", (DIVIDED, ""), (MIN_P, MIN_P + DIVIDED)),
        ("temperature-left-out", (DIVIDED, "")),
        ("multiplied-by-temperature", (DIVIDED, DIVIDED.replace("/", "*"))),
        ("penalty-left-out", (PENALIZED, ONLY_DIVIDED)),
        ("top-k-left-out", (TOP_K, "")),
        ("top-p-left-out", (TOP_P, "")),
        ("min-p-left-out", (MIN_P, "")),
        (None, (TOP_K + TOP_P, TOP_P + TOP_K)),
        ("min-p-before-top-p", (TOP_P + MIN_P, MIN_P + TOP_P)),
        ("not-drawn", (DRAWN, "return int(exact.argmax())")),
        ("rng-not-used", (DRAWN, DRAWN.replace("rng.", "np.random."))),
        ("rng-not-used", (DRAWN, DRAWN.replace("rng.", "np.random.default_rng()."))),
        ("rng-not-used", (CHOSEN, CHOSEN.replace("rng", "np.random.default_rng()"))),
        ("penalty-not-greedy", (GREEDY_PENALTY, "        return")),
        ("not-greedy", (IF_GREEDY, "if False:")),
        ("not-greedy", (GREEDY, "return int(logits.argmin())")),
        ("nan-accepted", (NAN, "")),
        ("nan-accepted", ("if np.isnan(logits).any():", "if np.isnan(logits).all():")),
        (
            "not-lazy",
            (LOOP, LOOP_PREFILLED),
            (
                YIELD,
                "new = [text[-1] for text in texts]\n        logits = decoder.decode(new)\n        yield new",
            ),
        ),
        (
            "decodes-once-more",
            (LOOP, LOOP_PREFILLED),
            (
                YIELD,
                "new = [text[-1] for text in texts]\n        yield new\n        logits = decoder.decode(new)",
            ),
        ),
        ("prefill-again", (READ, "logits = decoder.prefill(texts)")),
        ("prompts-changed", (TEXTS, "texts = prompts")),
        (
            "half-characters",
            (ADDED, "self._held += self.tokenizer.decode([token_id])"),
        ),
        ("stop-not-held", (KEEP, "keep = 0")),
        (
            "held-too-long",
            (KEEP, "keep = min(max(map(len, self.stop), default=0), len(self._held))"),
        ),
        (None, ("seen = np.unique(token_ids)", "seen = np.unique(token_ids)[1:]")),
        (None, (BORDER_K, "border = np.partition(logits, 1 - top_k)[1 - top_k]")),
        (None, (BORDER_K, "border = np.partition(logits, top_k)[top_k]")),
        (None, ("if not 0 < top_k < logits.size:", "if not 0 < top_k:")),
        (None, ("if not 0 < top_k < logits.size:", "if top_k < logits.size:")),
        (None, (NUCLEUS, nucleus("-logits", "cumulative < 1 - top_p"))),
        (None, ("<= np.float32(1 - top_p)", "<= np.float32(top_p)")),
        (None, (KEPT_M, KEPT_M.replace("<", "<="))),
        (None, (KEPT_M, KEPT_M.replace(".max()", ".mean()"))),
        (None, (KEPT_M, KEPT_M.replace("probabilities", "logits"))),
        (None, (EXPONENTIALS, EXPONENTIALS.replace("max", "mean"))),
        (None, (DIVIDED, DIVIDED.replace("temperature)", "temperature) ** 2"))),
        (None, (DRAWN, "return int(rng.integers(exact.size))")),
        (None, (CHOSEN, CHOSEN.replace(", text,", ", [],"))),
        (None, (CHOSEN, CHOSEN.replace(", text,", ", texts[0],"))),
        (None, (CHOSEN, CHOSEN.replace(", text,", ", text[-1:],"))),
        (
            None,
            (
                "for count in range(max_new_tokens):",
                "for count in range(max_new_tokens + 1):",
            ),
        ),
        (None, (YIELD, "yield texts")),
        (None, (FINISHED, 'held, self._held = "", ""')),
        (None, (FINISHED, "held = self._held")),
        (None, ("self._held[: min(found)]", "self._held[: max(found)]")),
        (None, ("self.stopped = True", "pass")),
        (None, ("len(self._held)), 0, -1)", "len(self._held)))")),
        (None, ("self._held = self._held[len(certain) :]", "pass")),
        (None, ('"top_p": 0 < self', '"top_p": 0 <= self')),
        (None, ('"top_k": self.top_k >= 0', '"top_k": True')),
        (None, ("top_k: int = 0", "top_k: int = 5")),
        (
            None,
            ('f"{name} cannot be {getattr(self, name)}."', '"This makes no sense."'),
        ),
    ],
    17: [
        ("row-of-zeros", (ZEROS, "")),
        (
            "one-scale",
            (
                SCALE,
                "scale = np.full(len(weight), np.abs(weight).max() / np.float32(127))",
            ),
        ),
        ("cut-off", (ROUNDED, "(weight / scale[:, None]).astype(np.int8)")),
        ("wrapped-around", (SCALE, SCALE.replace("127", "128"))),
        (None, (SCALE, SCALE.replace("axis=1", "axis=0"))),
        (None, (ROUNDED, ROUNDED.replace(".astype(np.int8)", ""))),
        (None, (SCALE, SCALE.replace("np.abs(weight)", "weight"))),
    ],
    18: [
        ("not-converted", ("convert_weights(tensors).items()", "tensors.items()")),
        ("not-wrapped", (WRAPPED, "array")),
        ("weight-misnamed", (WRAPPED, WRAPPED.replace("name", '"weight"'))),
        (
            "read-only",
            (DTYPE, f"import numpy as np\n{DTYPE}"),
            (TENSOR, "np.from_dlpack(weights.data().astype(DType.float32))"),
        ),
        ("not-float32", (TENSOR, TENSOR.replace(".astype(DType.float32)", ""))),
        ("not-offered", (OFFERED, "ARCHITECTURES = []")),
        ("not-offered", (OFFERED, "ARCHITECTURES = gpt2_architecture")),
        ("not-offered", (OFFERED, 'ARCHITECTURES = ["gpt2_architecture"]')),
        ("architecture-name", ('name="GPT2LMHeadModel"', 'name="GPT2"')),
        ("architecture-name", ('name="GPT2LMHeadModel"', 'name="Gpt2LMHeadModel"')),
        ("wrong-task", ("TEXT_GENERATION", "EMBEDDINGS_GENERATION")),
        ("adapter-not-registered", (ADAPTER, "")),
        ("adapter-not-registered", (ADAPTER, ADAPTER.replace(".safetensors", ".gguf"))),
        ("wrong-part", ("config=ServedGPT2Config", "config=GPT2PipelineModel")),
        ("wrong-part", ("    batching=RaggedBatches,\n", "")),
        ("wrong-part", ("memory_planner=PagedMemoryPlanner", "memory_planner=None")),
        (None, (OFFERED, "ARCHITECTURE = [gpt2_architecture]")),
        (None, (TENSOR, f"2 * {TENSOR}")),
        (None, (WRAPPED, "WeightData.from_numpy(array[:1], name)")),
        (None, ("    return {\n        name: Weight", "    {\n        name: Weight")),
        (None, (ADAPTER, ADAPTER.replace("convert_checkpoint", "convert_weights"))),
    ],
}

# What only a graph that is compiled, for a minute or more, can show.
COMPILED_ONLY = {
    "activation-not-passed",
    "fixed-shape",
}

KNOWN_PART_TWO = [
    Mutant(step, mistake, changed(step, *changes), f"{step:02d}-{mistake}-{index}")
    for step, mutants in CHANGES.items()
    for index, (mistake, *changes) in enumerate(mutants)
]
