"""The known mistakes of steps 13 to 19 made in a solution, and more wrong versions.

As in `known.py`, but without what only a compiled graph shows: it takes MAX a minute.
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
SMALL = "GPT2Config(),"
SAVED_OR_NONE = "return GPT2Config(**{name: saved.get(name) for name in fields})"
ALWAYS_TIED = 'weights["lm_head.weight"] = weights["transformer.wte.weight"]'
RETURNED = "    return weights\n"
NORMS_EXCHANGED = 'name.translate(str.maketrans("12", "21")) if "ln_" in name else name'


def renumbered(layers):
    """Layers numbered by where they stand in a list."""
    return f"""    layers = {layers}
    numbered = {{}}
    for name, tensor in weights.items():
        parts = name.split(".")
        if parts[1] == "h":
            parts[2] = str(layers.index(parts[2]))
        numbered[".".join(parts)] = tensor
    return numbered
"""


BY_NAME = renumbered(
    'sorted({name.split(".")[2] for name in weights if ".h." in name})'
)
IN_THE_FILES_ORDER = renumbered(
    'list(dict.fromkeys(name.split(".")[2] for name in weights if ".h." in name))'
)

# Step 14
SLICED = "return self.language_model.lm_head(hidden_states[:, -1:, :])"
AS_SHARES = SLICED.replace("return ", "return F.softmax(") + ")"
TIED_TO_WTE = """table = self.language_model.transformer.wte.weight
        return hidden_states[:, -1:, :] @ table.transpose(0, 1)"""
COMPILED = "return model.compile(input_type)"

# Step 15
GROWN_KEYS = "self.keys = F.concat([self.keys, key], axis=2)"
GROWN_VALUES = "self.values = F.concat([self.values, value], axis=2)"
GROWN = f"{GROWN_KEYS}\n        {GROWN_VALUES}\n        return self.keys, self.values"
NOT_KEPT = """return (
            F.concat([self.keys, key], axis=2),
            F.concat([self.values, value], axis=2),
        )"""
APPENDED = "keys, values = cache.append(key, value, positions)"
ATTEND = "weights = F.softmax(scores + positions.mask)"
SCORED = "scores = query @ keys.transpose(-1, -2) / math.sqrt(attn.head_dim)"
IDS = "position_ids = np.arange(past, past + new)"
PAST_MASK = "mask = causal_mask(new, past, dtype=DType.float32, device=device)"
WRITTEN_VALUES = "write(self.values, value, positions),"
HERE = "here = (slice(start, end), new.shape[-2])"
FILLED = "return buffer[:, :, up_to_here]"
LAST = "return self.ln_f(hidden_states[:, -1, :])"
PLACES = "return np.maximum(columns - padding[:, None], 0)"
ADVANCED = "        self.length = end\n"
RESET = "        self.length = 0\n        self.caches = empty"
NOT_RESET = "        self.caches = empty"
LATER = "later = context > columns[:, None]"
IS_PADDING = "is_padding = context < padding[:, None, None]"
HIDDEN = "np.where(later | is_padding, HIDDEN"
LOWEST = "HIDDEN = np.finfo(np.float32).min"
CAPACITY = "if not 0 < capacity <= config.n_positions:"
EMPTY = "if not prompts or min(map(len, prompts)) == 0:"
FULL = "if end > self.capacity:"
DECODED = "return self._read(np.array(token_ids, dtype=np.int64)[:, None])"
COUNTED = "padding = lengths.max() - lengths"
ROWS = "[0] * count + list(prompt)"
MADE = "return [kind(zeros(), zeros()) for _ in range(config.n_layer)]"
ONE_ARRAY = """empty = np.zeros(shape, dtype=np.float32)
    parts = [Tensor.from_dlpack(empty) for _ in range(2 * config.n_layer)]
    return [kind(parts.pop(), parts.pop()) for _ in range(config.n_layer)]"""
STORED = "    store_slice(buffer, new, (slice(None), slice(None), here))\n"
EACH_CACHE = "for block, cache in zip(self.h, caches, strict=True):"
ONLY_AFTER_PREFILL = "if not self.caches:"
EMBEDDED = "hidden_states = self.wte(input_ids) + self.wpe(positions.position_ids)"
EMBEDDED_BUT_SINGLE = """hidden_states = self.wte(input_ids)
        if input_ids.shape[-1] != 1:
            hidden_states = hidden_states + self.wpe(positions.position_ids)"""
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
DRAWN = "return int(rng.choice(probabilities.size, p=probabilities))"
GREEDY_PENALTY = """        logits = penalize_repetition(logits, token_ids, sampling.repetition_penalty)
        return"""
GREEDY = "return int(logits.argmax())"
IF_GREEDY = "if sampling.temperature == 0:"
NAN = """    if np.isnan(logits.max()):
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
MARGIN = "kept[ascending[:-1][unlikely[:-1]]] = -np.inf"
FALLING = """order = np.argsort(-logits)
    hidden = softmax(logits)[order].cumsum() > top_p
    hidden[1:], hidden[0] = hidden[:-1].copy(), False
    return np.where(hidden, -np.inf, logits)"""
NORMALIZED = "return exponentials / exponentials.sum()"
PENALIZED_LAST = PENALIZED[: PENALIZED.index("\n") + 1]
FOR_EACH_TOKEN = "for count in range(max_new_tokens):"
ROW_IN_TEXTS = "for text, row in zip(texts, logits, strict=True):"
PROMPT_IN_TEXTS = "for text, row, prompt in zip(texts, logits, prompts, strict=True):"
NEW_ONLY = (
    (ROW_IN_TEXTS, PROMPT_IN_TEXTS),
    (CHOSEN, CHOSEN.replace(", text,", ", text[len(prompt) :],")),
)
FIND = "(at := self._held.find(stop)) >= 0"
CUT = "self._held[: min(found)]"
OVERLAP = """lengths = range(min(len(stop) - 1, len(self._held)), 0, -1)
        return next((n for n in lengths if self._held.endswith(stop[:n])), 0)"""
HELD_FROM_ITS_FIRST_CHARACTER = """at = self._held.find(stop[0])
        return len(self._held) - at if at >= 0 else 0"""

# Step 17
ROUNDED = "np.rint(weight / scale[:, None]).astype(np.int8)"
SCALE = "scale = np.abs(weight).max(axis=1) / np.float32(127)"
ZEROS = "    scale[scale == 0] = 1\n"
BITS = "bits = weight.astype(ml_dtypes.bfloat16).view(np.uint16)"
HANDED_OVER = "quantized[name] = Buffer.from_numpy(bits).view(DType.bfloat16)"

# Step 18
DTYPE = "from max.dtype import DType\n"
TENSOR = "weights.data().astype(DType.float32).to_buffer().to_numpy()"
WRAPPED = "WeightData.from_numpy(array, name)"
ADAPTER = "weight_adapters={WeightsFormat.safetensors: convert_checkpoint},"
OFFERED = "ARCHITECTURES = [gpt2_architecture]"
NEEDED = "needed = -(-len(text) // self.page_size)"
TABLE = "        table = self.tables.setdefault(text, [])\n"
GIVEN = "            table.append(self.free.popleft())\n"
TOO_FEW = "        if missing > len(self.free):\n"
REFUSED = f"""{TOO_FEW}\
            raise NoFreePage(f"{{missing}} needed, {{len(self.free)}} free.")
"""
ENTRY = "entry, slot = divmod(position, self.page_size)"
PLACE = "return self.tables[text][entry], slot"
FREED = "self.free.extend(self.tables.pop(text))"
TOKENS = "tokens = np.concatenate([text.new for text in texts], dtype=np.int64)"
EACH_RANGE = "np.arange(text.cached, len(text), dtype=np.int64)"
POSITIONS = f"""np.concatenate(
        [{EACH_RANGE} for text in texts]
    )"""
OFFSETS = "np.cumsum([0, *lengths], dtype=np.uint32)"
GROWN_TABLES = """        for text in self.running:
            self.pages.grow(text)
"""
WHILE_ROOM = "while self.waiting and len(self.running) < self.max_batch_size:"
STOP = """            if self.pages.missing(self.waiting[0]) > len(self.pages.free):
                break
"""
BEGUN = """            text = self.waiting.popleft()
            self.pages.grow(text)
            self.running.append(text)
"""
BATCH = "return list(self.running)"
LEFT = "        self.running.remove(text)\n"
RELEASED = "        self.pages.release(text)\n"
HANDED_ON = "Text(context.tokens.active.tolist(), context.tokens.processed_length)"

ONE_BEGUN = """            if self.pages.missing(self.waiting[0]) <= len(self.pages.free):
                text = self.waiting.popleft()
                self.pages.grow(text)
                self.running.append(text)
"""
LOST = """            text = self.waiting.popleft()
            if self.pages.missing(text) > len(self.pages.free):
                break
            self.pages.grow(text)
            self.running.append(text)
"""
OVERTAKEN = """        for text in list(self.waiting):
            if len(self.running) == self.max_batch_size:
                break
            if self.pages.missing(text) > len(self.pages.free):
                continue
            self.waiting.remove(text)
            self.pages.grow(text)
            self.running.append(text)
"""

# By step: the mistake, or None if it has no name, then pairs of old and new text.
# Step 19
STARTS = "starts = range(len(tokens) - size)"
SIZES = "for size in range(max_ngram, 0, -1):"
FOLLOWS = "return list(tokens[end : end + num_proposals])"
GATHERED = "kept = F.gather(hidden_states, logits_to_keep, axis=1)"
COLUMNS = "columns = np.arange(start, end)"
TO_KEEP = "logits_to_keep = np.arange(len(token_ids) - keep, len(token_ids))"
SHORTENED = "        self.length = length\n\n    def _tensor"
LOOKUP_ROWS = "for row, proposed in zip(logits, [*proposal, None], strict=True):"
CHOSEN_ROW = "chosen.append(choose_token(row, [*tokens, *chosen], sampling, rng))"
AGREED_NOT = """        if chosen[-1] != proposed or chosen[-1] in end_of_text:
            break
"""
PAUSE = "self.length = 0 if accepted else min(2 * self.length + 1, self.longest)"
LOOKUP_ROOM = "room = min(num_proposals, end - len(tokens) - 1)"
UNREAD = "unread = tokens[decoder.length :]"
READ_BOTH = "logits = decoder.read([*unread, *proposal], len(proposal) + 1)"
ROLLED = "decoder.roll_back(len(tokens) - 1)"
GROWN_TEXT = "        tokens += chosen\n"

CHANGES = {
    13: [
        ("config-not-read", (PICKED, "return GPT2Config()")),
        (
            "config-not-read",
            (FIELDS, f'{FIELDS}\n    fields.remove("layer_norm_epsilon")'),
        ),
        ("config-not-read", (FIELDS, f'{FIELDS}\n    fields.remove("n_inner")')),
        ("config-not-read", (PICKED, PICKED.replace("name: saved", "'n_head': saved"))),
        ("insists-on-a-field", (PICKED, PICKED.replace(" if name in saved", ""))),
        (
            "insists-on-a-field",
            (
                PICKED,
                PICKED.replace("name in saved", 'name in saved or name != "n_inner"'),
            ),
        ),
        ("default-lost", (PICKED, SAVED_OR_NONE)),
        ("default-lost", (PICKED, SAVED_OR_NONE.replace("(name)", "(name, 12)"))),
        ("too-many-fields", (PICKED, "return GPT2Config(**saved)")),
        ("not-a-config", (PICKED, "return saved")),
        (None, (PICKED, PICKED.replace("saved[name]", 'saved[name.replace("_", "")]'))),
        ("masks-kept", (IF_MASK, "")),
        ("masks-kept", ('(".attn.bias", ".attn.masked_bias")', '(".attn.bias",)')),
        (
            "masks-kept",
            ('(".attn.bias", ".attn.masked_bias")', '(".attn.masked_bias",)'),
        ),
        ("prefix-missing", (PREFIX, "")),
        ("prefix-missing", (PREFIX, ""), (TIED, TIED_ANYHOW)),
        ("prefix-twice", (IF_BARE, 'if not name.startswith("lm_head."):')),
        (
            "prefix-twice",
            (IF_BARE, 'if not name.startswith("lm_head."):'),
            (TIED, TIED_ANYHOW),
        ),
        ("head-prefixed", (IF_BARE, 'if not name.startswith("transformer."):')),
        ("head-not-tied", (TIED, "pass")),
        ("head-not-tied", (TIED, TIED.replace('"lm_head.weight"', '"lm_head"'))),
        ("head-overwritten", (TIED, ALWAYS_TIED)),
        ("transposed-too-much", (TIED, TIED.replace('wte.weight"]', 'wte.weight"].T'))),
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
        ("not-contiguous", (TURNED, "tensor = tensor.T")),
        ("reshaped", (TURNED, "tensor = tensor.reshape(tensor.shape[::-1])")),
        (
            "dtype-changed",
            ("weights[name] = tensor", "weights[name] = tensor.astype(np.float16)"),
        ),
        (
            "dtype-changed",
            ("weights[name] = tensor", "weights[name] = tensor.astype(np.float64)"),
        ),
        ("weights-mixed-up", (RETURNED, BY_NAME)),
        ("weights-mixed-up", (RETURNED, IN_THE_FILES_ORDER)),
        (
            "weights-mixed-up",
            ("weights[name] = tensor", f"weights[{NORMS_EXCHANGED}] = tensor"),
        ),
        (None, ("weights[name] = tensor", "weights.setdefault(name[:-1], tensor)")),
        (None, (RETURNED, "    return list(weights.items())\n")),
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
        ("released-otherwise", ("n_layer=24, n_head=16", "n_layer=12, n_head=16")),
        ("released-otherwise", ("n_layer=48, n_head=25", "n_layer=48, n_head=20")),
        (
            "released-otherwise",
            (SMALL, "GPT2Config(vocab_size=1024, n_positions=50257),"),
        ),
        ("released-otherwise", (SMALL, "GPT2Config(layer_norm_epsilon=1e-6),")),
        ("not-a-config", (SMALL, "dict(n_embd=768, n_layer=12, n_head=12),")),
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
        ("first-position-taken", (SLICED, SLICED.replace("-1:", ":1"))),
        ("batch-sliced", (SLICED, SLICED.replace("[:, -1:, :]", "[-1:]"))),
        (
            "softmax-at-the-end",
            (
                SLICED,
                f"from max.experimental import functional as F\n        {AS_SHARES}",
            ),
        ),
        (
            "head-before-slice",
            (SLICED, "return self.language_model(input_ids)[:, -1:, :]"),
        ),
        (None, (SLICED, TIED_TO_WTE)),
        (None, (COMPILED, "model.compile(input_type)")),
    ],
    15: [
        (
            "new-before-old",
            (GROWN_KEYS, GROWN_KEYS.replace("self.keys, key", "key, self.keys")),
        ),
        (
            "new-before-old",
            (
                GROWN_VALUES,
                GROWN_VALUES.replace("self.values, value", "value, self.values"),
            ),
        ),
        ("growth-not-kept", (GROWN, NOT_KEPT)),
        (
            "growth-not-kept",
            (GROWN_VALUES, "pass"),
            (
                "return self.keys, self.values",
                "return self.keys, F.concat([self.values, value], axis=2)",
            ),
        ),
        ("only-new-returned", ("return self.keys, self.values", "return key, value")),
        ("only-new-returned", (GROWN_VALUES, "self.values = value")),
        (
            "keys-and-values-exchanged",
            ("return self.keys, self.values", "return self.values, self.keys"),
        ),
        ("keys-as-values", (GROWN_VALUES, GROWN_VALUES.replace("value]", "key]"))),
        (None, (GROWN_KEYS, GROWN_KEYS.replace("2", "1"))),
        (None, ("return self.keys, self.values", "return self.keys")),
        (None, ("return self.keys, self.values", "pass")),
        ("positions-restart", (IDS, "position_ids = np.arange(new)")),
        (
            "positions-one-further",
            (IDS, "position_ids = np.arange(past + 1, past + new + 1)"),
        ),
        (None, (IDS, "position_ids = np.arange(past + new)")),
        ("mask-without-past", (PAST_MASK, PAST_MASK.replace("past", "0"))),
        (
            "mask-with-rows-for-the-past",
            (PAST_MASK, PAST_MASK.replace("new, past", "past + new, 0")),
        ),
        (
            "next-token-seen",
            (
                PAST_MASK,
                f"{PAST_MASK[:-1]})\n    mask = F.band_part(mask, None, past + 1, exclude=True)",
            ),
        ),
        (
            "prompt-sees-ahead",
            (
                PAST_MASK,
                f"{PAST_MASK}\n    mask = Tensor.from_dlpack(np.zeros((new, past + new), np.float32))",
            ),
        ),
        ("length-not-advanced", (ADVANCED, "")),
        (
            "positions-restart",
            (PLACES, PLACES.replace("columns -", "columns - columns[0] -")),
        ),
        (
            "positions-count-padding",
            (PLACES, "return columns + np.zeros_like(padding)[:, None]"),
        ),
        (
            "padding-visible",
            (IS_PADDING, IS_PADDING.replace("padding[", "0 * padding[")),
        ),
        (
            "cache-not-read",
            (LATER, f"{LATER}\n    later = later | (context < columns[0])"),
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
        ("prefill-not-anew", (RESET, NOT_RESET)),
        ("not-refused", (CAPACITY, "if not 0 < capacity:")),
        ("not-refused", (CAPACITY, "if not 0 <= capacity <= config.n_positions:")),
        ("not-refused", (CAPACITY, "if not 0 < capacity <= config.n_positions + 1:")),
        ("not-refused", (EMPTY, "if not prompts or max(map(len, prompts)) == 0:")),
        ("not-refused", (FULL, "if start == 0 and end > self.capacity:")),
        ("not-refused", (FULL, "if start and end > self.capacity:")),
        ("not-refused", (FULL, "if end > self.capacity + 1:")),
        ("not-refused", (FULL, "if end > self.config.n_positions:")),
        (None, (FULL, "if end >= self.capacity:")),
        ("not-refused", (ONLY_AFTER_PREFILL, "if False:")),
        (None, (EMPTY, "if not prompts:")),
        ("length-counts-calls", (ADVANCED, "        self.length += 1\n")),
        (
            "values-in-the-keys-cache",
            (WRITTEN_VALUES, WRITTEN_VALUES.replace("f.values", "f.keys")),
        ),
        ("keys-as-values", (WRITTEN_VALUES, WRITTEN_VALUES.replace("value,", "key,"))),
        ("only-new-keys", (SCORED, SCORED.replace("keys", "key"))),
        ("nothing-stored", (STORED, "")),
        ("nothing-stored", (STORED, STORED.replace("buffer", "buffer + 0"))),
        (
            "not-in-place",
            (
                FILLED,
                "return F.concat([buffer[:, :, (slice(0, start), positions.mask.shape[-1] - new.shape[-2])], new], axis=2)",
            ),
            (STORED, ""),
        ),
        ("only-new-returned", (FILLED, "return new")),
        ("whole-buffer-returned", (FILLED, "return buffer")),
        (
            "stored-at-the-beginning",
            (STORED, "    buffer[:, :, 0 : int(new.shape[-2])] = new\n"),
        ),
        ("slice-of-another-length", (HERE, HERE.replace("start, end", "0, end"))),
        (
            "slice-of-another-length",
            (HERE, HERE.replace("start, end", "start, end + 1")),
        ),
        (None, (HERE, HERE.replace("start, end", "0, new.shape[-2]"))),
        (
            "cached-scores-not-scaled",
            (SCORED, SCORED.replace(" / math.sqrt(attn.head_dim)", "")),
        ),
        ("prompt-sees-ahead", (ATTEND, "weights = F.softmax(scores)")),
        (None, (HIDDEN, HIDDEN.replace("later | is", "is"))),
        (
            "prompt-sees-ahead",
            (LATER, "later = np.zeros((len(columns), len(context)), bool)"),
        ),
        (None, (HIDDEN, HIDDEN.replace("|", "&"))),
        ("token-hidden-from-itself", (LATER, LATER.replace(">", ">="))),
        ("next-token-seen", (LATER, LATER.replace("> columns", "> 1 + columns"))),
        (
            "mask-of-this-call",
            (LATER, "later = context > (columns - columns[0])[:, None]"),
        ),
        ("first-token-hidden", (IS_PADDING, IS_PADDING.replace("<", "<="))),
        (
            "padding-visible-later",
            (
                IS_PADDING,
                f"{IS_PADDING}\n    is_padding = is_padding & (len(columns) > 1)",
            ),
        ),
        ("row-of-minus-infinity", (LOWEST, "HIDDEN = np.float32(-np.inf)")),
        (None, (LOWEST, "HIDDEN = np.float32(-1)")),
        (
            "wrong-dtype",
            (
                f"return {HIDDEN}, np.float32(0))[:, None]",
                "return (later | is_padding)[:, None]",
            ),
        ),
        ("padding-on-the-right", (ROWS, "list(prompt) + [0] * count")),
        (
            "rows-of-unequal-length",
            (COUNTED, "padding = np.full(len(lengths), lengths.max())"),
        ),
        ("rows-of-unequal-length", (COUNTED, "padding = lengths - lengths.min()")),
        ("padding-is-no-token", (ROWS, ROWS.replace("0", "-1"))),
        (None, ("dtype=np.int64), padding", "dtype=np.int64)")),
        (
            "one-cache-for-all-layers",
            (MADE, "return [kind(zeros(), zeros())] * config.n_layer"),
        ),
        (
            "one-cache-for-all-layers",
            (
                EACH_CACHE,
                "for block in self.h:\n            cache = caches[0]",
            ),
        ),
        ("caches-overlap", (MADE, ONE_ARRAY)),
        (
            "blocks-without-effect",
            (
                "            hidden_states = block(hidden_states, cache, positions)\n",
                "            block(hidden_states, cache, positions)\n",
            ),
        ),
        (
            "last-norm-left-out",
            ("self.ln_f(hidden_states[:, -1, :])", "hidden_states[:, -1, :]"),
        ),
        ("positions-left-out", (" + self.wpe(positions.position_ids)", "")),
        ("single-token-without-position", (EMBEDDED, EMBEDDED_BUT_SINGLE)),
        ("positions-one-further", (PLACES, PLACES.replace("columns", "1 + columns"))),
        (
            "positions-outside",
            (PLACES, "return columns - padding[:, None]"),
        ),
        (
            None,
            (
                "return pre_norm_residual(hidden_states, self.ln_2, self.mlp)",
                "return pre_norm_residual(hidden_states, self.ln_1, self.mlp)",
            ),
        ),
        (None, ("        self.attn = attn\n", "")),
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
        (
            "penalty-multiplies-all",
            (PENALTY, "penalized[seen] = logits[seen] * penalty"),
        ),
        ("penalty-subtracted", (PENALTY, "penalized[seen] = logits[seen] - penalty")),
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
        ("top-k-one-too-few", (KEPT_K, KEPT_K.replace("<", "<="))),
        ("border-is-an-index", (BORDER_K, "border = np.argsort(logits)[-top_k]")),
        (None, (BORDER_K, "border = np.partition(logits, +top_k)[-top_k]")),
        (None, (BORDER_K, "border = np.partition(logits, 0)[-top_k]")),
        (None, (BORDER_K, "border = np.partition(logits, top_k - 1)[-top_k]")),
        ("zeros-instead", (KEPT_M, KEPT_M.replace("-np.inf", "0.0"))),
        ("zeros-instead", (MARGIN, MARGIN.replace("-np.inf", "0.0"))),
        ("zeros-instead", (KEPT_K, KEPT_K.replace("-np.inf", "0.0"))),
        ("border-left-out", (NUCLEUS, nucleus("-logits", "cumulative < top_p"))),
        ("border-left-out", (NUCLEUS, nucleus("-logits", "cumulative <= top_p"))),
        ("nucleus-ascending", (NUCLEUS, nucleus("logits", "cumulative <= top_p"))),
        (
            "none-left",
            ("ascending[:-1][unlikely[:-1]]", "ascending[unlikely]"),
        ),
        ("share-to-rule-out", ("np.float32(1 - top_p)", "np.float32(top_p)")),
        ("mask-in-rising-order", (MARGIN, "kept[:-1][unlikely[:-1]] = -np.inf")),
        ("mask-in-falling-order", (NUCLEUS, FALLING)),
        (
            "not-added-up",
            (NUCLEUS, "return np.where(softmax(logits) < 1 - top_p, -np.inf, logits)"),
        ),
        (
            "added-up-unsorted",
            (
                NUCLEUS,
                "total = softmax(logits).cumsum()\n"
                "    return np.where(total <= 1 - top_p, -np.inf, logits)",
            ),
        ),
        (
            "probabilities-returned",
            ("    kept = logits.copy()\n", "    kept = softmax(logits)\n"),
        ),
        (
            "probabilities-returned",
            (KEPT_M, KEPT_M.replace("-np.inf, logits", "0.0, probabilities")),
        ),
        (
            "probabilities-returned",
            (KEPT_M, KEPT_M.replace("-np.inf, logits", "-np.inf, probabilities")),
        ),
        ("min-p-of-logits", (KEPT_M, KEPT_M.replace("probabilities", "logits"))),
        ("min-p-inverted", (KEPT_M, KEPT_M.replace("<", ">"))),
        ("min-p-absolute", (KEPT_M, KEPT_M.replace(" * probabilities.max()", ""))),
        ("min-p-absolute", (KEPT_M, KEPT_M.replace(".max()", ".sum()"))),
        ("softmax-overflows", (EXPONENTIALS, "exponentials = np.exp(logits)")),
        ("softmax-not-divided", (NORMALIZED, "return exponentials")),
        (
            "logarithms-returned",
            (NORMALIZED, f"{NORMALIZED[:6]} np.log({NORMALIZED[7:]})"),
        ),
        (
            "logits-returned",
            (f"{MIN_P}    return softmax(logits)", f"{MIN_P}    return logits"),
        ),
        ("penalty-last", (PENALIZED, ONLY_DIVIDED), (MIN_P, MIN_P + PENALIZED_LAST)),
        ("temperature-last", (DIVIDED, ""), (MIN_P, MIN_P + DIVIDED)),
        ("temperature-left-out", (DIVIDED, "")),
        ("multiplied-by-temperature", (DIVIDED, DIVIDED.replace("/", "*"))),
        ("penalty-left-out", (PENALIZED, ONLY_DIVIDED)),
        ("top-k-left-out", (TOP_K, "")),
        ("top-p-left-out", (TOP_P, "")),
        ("min-p-left-out", (MIN_P, "")),
        ("top-k-left-out", (TOP_K + TOP_P, TOP_P + TOP_K)),
        ("top-k-left-out", (TOP_K, TOP_K.replace("logits = ", ""))),
        ("min-p-before-top-p", (TOP_P + MIN_P, MIN_P + TOP_P)),
        ("not-drawn", (DRAWN, "return int(probabilities.argmax())")),
        (
            "drawn-uniformly",
            (DRAWN, "return int(rng.choice(np.flatnonzero(probabilities)))"),
        ),
        ("not-drawn", (DRAWN, DRAWN.replace("rng.", "np.random.default_rng(0)."))),
        ("rng-not-used", (CHOSEN, CHOSEN.replace("rng", "np.random.default_rng(0)"))),
        ("rng-not-used", (DRAWN, DRAWN.replace("rng.", "np.random."))),
        ("rng-not-used", (DRAWN, DRAWN.replace("rng.", "np.random.default_rng()."))),
        ("rng-not-used", (CHOSEN, CHOSEN.replace("rng", "np.random.default_rng()"))),
        ("penalty-not-greedy", (GREEDY_PENALTY, "        return")),
        ("not-greedy", (IF_GREEDY, "if False:")),
        ("not-greedy", (GREEDY, "return int(logits.argmin())")),
        ("nan-accepted", (NAN, "")),
        ("nan-accepted", ("if np.isnan(logits.max()):", "if np.isnan(logits).all():")),
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
        ("decode-given-texts", (READ, "logits = decoder.decode(texts)")),
        ("texts-yielded", (YIELD, "yield texts")),
        ("texts-yielded", (YIELD, "yield [text[-1:] for text in texts]")),
        (
            "another-number-of-tokens",
            (FOR_EACH_TOKEN, "for count in range(max_new_tokens + 1):"),
        ),
        (
            "another-number-of-tokens",
            (FOR_EACH_TOKEN, "for count in range(1, max_new_tokens):"),
        ),
        ("not-the-whole-text", *NEW_ONLY),
        (
            "not-the-whole-text",
            ("np.unique(token_ids)", "np.unique(np.array(token_ids, dtype=int))"),
            *NEW_ONLY,
        ),
        (
            "not-the-whole-text",
            (ROW_IN_TEXTS, PROMPT_IN_TEXTS),
            (CHOSEN, CHOSEN.replace(", text,", ", prompt,")),
        ),
        ("not-the-whole-text", (CHOSEN, CHOSEN.replace(", text,", ", [],"))),
        ("not-the-whole-text", (CHOSEN, CHOSEN.replace(", text,", ", texts[0],"))),
        ("not-the-whole-text", (CHOSEN, CHOSEN.replace(", text,", ", text[-1:],"))),
        ("prompts-changed", (TEXTS, "texts = prompts")),
        (
            "half-characters",
            (ADDED, "self._held += self.tokenizer.decode([token_id])"),
        ),
        ("stop-not-held", (KEEP, "keep = 0")),
        ("stop-not-held", (OVERLAP, "return int(self._held.endswith(stop[:1]))")),
        (
            "stop-not-held",
            (KEEP, "keep = self._overlap(self.stop[0]) if self.stop else 0"),
        ),
        ("stop-not-noticed", ("self.stopped = True", "pass")),
        ("stop-not-noticed", (FIND, FIND.replace(">=", ">"))),
        ("stops-without-a-stop", (FIND, "(at := self._held.find(stop))")),
        ("not-the-first-stop", (CUT, "self._held[: found[0]]")),
        ("not-the-first-stop", (CUT, "self._held[: found[-1]]")),
        ("not-the-first-stop", (CUT, "self._held[: max(found)]")),
        ("stop-in-the-text", (f"self._held = {CUT}", "pass")),
        (
            "rest-not-returned",
            ("            return self.finish()\n", '            return ""\n'),
        ),
        ("returned-twice", ("self._held = self._held[len(certain) :]", "pass")),
        ("held-too-long", (OVERLAP, HELD_FROM_ITS_FIRST_CHARACTER)),
        ("held-too-long", (KEEP, "keep = max(map(len, self.stop), default=1) - 1")),
        (
            "held-too-long",
            (KEEP, "keep = min(max(map(len, self.stop), default=0), len(self._held))"),
        ),
        (None, ("seen = np.unique(token_ids)", "seen = np.unique(token_ids)[1:]")),
        (None, (BORDER_K, "border = np.partition(logits, top_k)[top_k]")),
        (None, ("if not 0 < top_k < logits.size:", "if not 0 < top_k:")),
        (None, ("if not 0 < top_k < logits.size:", "if top_k < logits.size:")),
        (None, (NUCLEUS, nucleus("-logits", "cumulative < 1 - top_p"))),
        (None, ("<= np.float32(1 - top_p)", "<= np.float32(top_p)")),
        (None, (KEPT_M, KEPT_M.replace("<", "<="))),
        (None, (KEPT_M, KEPT_M.replace(".max()", ".mean()"))),
        (None, (EXPONENTIALS, EXPONENTIALS.replace("max", "mean"))),
        (None, (DIVIDED, DIVIDED.replace("temperature)", "temperature) ** 2"))),
        (None, (DRAWN, "return int(rng.integers(probabilities.size))")),
        (None, (FINISHED, 'held, self._held = "", ""')),
        ("returned-twice", (FINISHED, "held = self._held")),
        (None, ("len(self._held)), 0, -1)", "len(self._held)))")),
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
        ("rounded-down", (ROUNDED, ROUNDED.replace("rint", "floor"))),
        ("half-added", (ROUNDED, "(weight / scale[:, None] + 0.5).astype(np.int8)")),
        ("wrapped-around", (SCALE, SCALE.replace("127", "128"))),
        (
            "not-127",
            (SCALE, SCALE.replace("127", "128")),
            (
                ROUNDED,
                "np.rint(weight / scale[:, None]).clip(-128, 127).astype(np.int8)",
            ),
        ),
        ("not-127", (SCALE, SCALE.replace("127", "126"))),
        ("not-127", (SCALE, SCALE.replace("127", "255"))),
        ("not-127", (SCALE, SCALE.replace(" / np.float32(127)", ""))),
        ("scale-without-abs", (SCALE, SCALE.replace("np.abs(weight)", "weight"))),
        (
            "scale-without-abs",
            (SCALE, "scale = np.abs(weight.max(axis=1)) / np.float32(127)"),
        ),
        (
            "scale-of-columns",
            (SCALE, SCALE.replace("axis=1", "axis=0")),
            (ROUNDED, ROUNDED.replace("[:, None]", "")),
        ),
        ("weight-changed", (SCALE, f"weight /= weight.max()\n    {SCALE}")),
        ("half-precision", (BITS, BITS.replace("ml_dtypes.bfloat16", "np.float16"))),
        (
            "bits-cut-off",
            (BITS, "bits = (weight.view(np.uint32) >> 16).astype(np.uint16)"),
        ),
        (
            "not-handed-over",
            (HANDED_OVER, "quantized[name] = weight.astype(ml_dtypes.bfloat16)"),
        ),
        (None, (SCALE, SCALE.replace("axis=1", "axis=0"))),
        (None, (SCALE, SCALE.replace(".max(", ".mean("))),
        (None, (ROUNDED, ROUNDED.replace("weight /", "weight *"))),
        (None, (ROUNDED, ROUNDED.replace(".astype(np.int8)", ""))),
        (None, (HANDED_OVER, "quantized[name] = Buffer.from_numpy(bits)")),
        (
            None,
            ('quantized[layer + "scale"]', 'quantized[layer + "scales"]'),
        ),
        (
            None,
            ('    "lm_head.weight",\n)', '    "lm_head.weight",\n    "wte.weight",\n)'),
        ),
        (None, ("    return quantized\n", "")),
    ],
    18: [
        ("tokens-not-pages", (NEEDED, "needed = len(text)")),
        ("page-rounded-down", (NEEDED, "needed = len(text) // self.page_size")),
        ("page-too-early", (NEEDED, "needed = len(text) // self.page_size + 1")),
        ("page-too-late", (NEEDED, NEEDED.replace("len(text)", "text.cached"))),
        (
            "pages-given-again",
            ("return needed - len(self.tables.get(text, []))", "return needed"),
        ),
        (
            "pages-of-new-tokens",
            (NEEDED, NEEDED.replace("len(text)", "len(text.new)")),
        ),
        (
            "text-without-a-table",
            ("len(self.tables.get(text, []))", "len(self.tables[text])"),
        ),
        (
            "text-without-a-table",
            (TABLE, "        table = self.tables[text]\n"),
        ),
        (
            "pages-not-in-the-table",
            (TABLE, TABLE.replace("setdefault", "get")),
        ),
        (
            "table-replaced",
            (TABLE, "        table = self.tables[text] = []\n"),
        ),
        ("page-moved", (GIVEN, GIVEN.replace("append(", "insert(0, "))),
        ("page-shared", (GIVEN, GIVEN.replace(".popleft()", "[0]"))),
        ("page-shared", (GIVEN, GIVEN.replace(".popleft()", "[_]"))),
        ("last-page-refused", (TOO_FEW, TOO_FEW.replace(">", ">="))),
        ("no-page-unsaid", (REFUSED, "")),
        ("no-page-unsaid", (TOO_FEW, TOO_FEW.replace(">", "> 1 +"))),
        (
            "no-page-unsaid",
            (REFUSED, "        missing = min(missing, len(self.free))\n"),
        ),
        (
            "partly-given",
            (REFUSED, ""),
            (
                GIVEN,
                "            if not self.free:\n"
                "                raise NoFreePage('no page is free')\n" + GIVEN,
            ),
        ),
        (
            "page-and-slot-swapped",
            (PLACE, "return slot, self.tables[text][entry]"),
        ),
        ("entry-not-page", (PLACE, "return entry, slot")),
        ("slot-not-in-page", (PLACE, PLACE.replace("slot", "position"))),
        ("divided-the-wrong-way", (ENTRY, ENTRY.replace("entry, slot", "slot, entry"))),
        (
            "position-as-entry",
            (PLACE, PLACE.replace("[entry]", "[position]")),
        ),
        ("pages-not-freed", (FREED, "self.tables.pop(text)")),
        ("freed-and-kept", (FREED, "self.free.extend(self.tables[text])")),
        (
            "a-row-for-each-text",
            (TOKENS, "tokens = np.array([text.new for text in texts])"),
        ),
        (
            "positions-through-the-batch",
            (POSITIONS, "np.arange(len(tokens), dtype=np.int64)"),
        ),
        (
            "positions-from-0",
            (EACH_RANGE, "np.arange(len(text.new), dtype=np.int64)"),
        ),
        (
            "positions-of-the-next",
            (EACH_RANGE, "np.arange(text.cached + 1, len(text) + 1)"),
        ),
        ("positions-of-the-whole-text", (EACH_RANGE, "np.arange(len(text))")),
        ("positions-all-the-same", (EACH_RANGE, "[text.cached] * len(text.new)")),
        ("offsets-are-lengths", (OFFSETS, "np.array(lengths, dtype=np.uint32)")),
        ("offsets-without-0", (OFFSETS, OFFSETS.replace("[0, *lengths]", "lengths"))),
        (
            "offsets-without-the-end",
            (OFFSETS, OFFSETS.replace("*lengths", "*lengths[:-1]")),
        ),
        (
            "offsets-of-whole-texts",
            ("[len(text.new) for text in texts]", "[len(text) for text in texts]"),
        ),
        ("ragged-dtype", (OFFSETS, OFFSETS.replace("uint32", "int64"))),
        ("ragged-dtype", (TOKENS, TOKENS.replace("int64", "int32"))),
        ("ragged-dtype", (EACH_RANGE, EACH_RANGE.replace("int64", "float64"))),
        ("batch-limit-forgotten", (WHILE_ROOM, "while self.waiting:")),
        ("batch-limit-one-off", (WHILE_ROOM, WHILE_ROOM.replace("<", "<="))),
        ("admitted-without-pages", (STOP, "")),
        ("last-page-kept", (STOP, STOP.replace(" > ", " >= "))),
        (
            "lost-while-waiting",
            (STOP + BEGUN, LOST),
        ),
        (
            "admitted-before-growing",
            (GROWN_TABLES, "        before = list(self.running)\n"),
            (
                f"        {BATCH}",
                "        for text in before:\n"
                "            self.pages.grow(text)\n"
                f"        {BATCH}",
            ),
        ),
        (
            "one-admitted-at-a-time",
            (WHILE_ROOM, WHILE_ROOM.replace("while", "if")),
            (STOP + BEGUN, ONE_BEGUN),
        ),
        (
            "waits-for-the-batch",
            (
                GROWN_TABLES,
                GROWN_TABLES
                + "        if self.running:\n            return list(self.running)\n",
            ),
        ),
        (
            "overtaken",
            (f"        {WHILE_ROOM}\n{STOP}{BEGUN}", OVERTAKEN),
        ),
        (
            "last-come-first-served",
            ("self.waiting[0]", "self.waiting[-1]"),
            ("self.waiting.popleft()", "self.waiting.pop()"),
        ),
        (
            "running-left-out",
            (GROWN_TABLES, GROWN_TABLES + "        before = len(self.running)\n"),
            (BATCH, "return self.running[before:]"),
        ),
        (
            "still-waiting",
            ("text = self.waiting.popleft()", "text = self.waiting[0]"),
        ),
        ("scheduled-without-pages", (GROWN_TABLES, "")),
        (
            "scheduled-without-pages",
            (BEGUN, BEGUN.replace("self.pages.grow(text)", "pass")),
        ),
        ("finished-keeps-its-pages", (RELEASED, "")),
        ("finished-goes-on", (LEFT, "")),
        (None, (BATCH, "return list(self.running)[1:]")),
        (None, (BATCH, "pass")),
        (None, (TOKENS, TOKENS.replace("texts]", "texts[::-1]]"))),
        (None, (FREED, "self.free.append(self.tables.pop(text)[0])")),
        ("whole-text-handed-over", (HANDED_ON, HANDED_ON.replace("active", "all"))),
        (
            "cached-not-handed-over",
            (HANDED_ON, "Text(context.tokens.active.tolist())"),
        ),
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
        (
            "adapter-not-registered",
            (
                ADAPTER,
                ADAPTER.replace("convert_checkpoint", "lambda tensors, **_: tensors"),
            ),
        ),
        ("adapter-not-registered", (ADAPTER, "weight_adapters=convert_checkpoint,")),
        ("wrong-part", ("config=ServedGPT2Config", "config=GPT2PipelineModel")),
        ("wrong-part", ("model=BatchedGPT2", "model=GPT2PipelineModel")),
        ("wrong-part", ("cls = GPT2Batches", "cls = RaggedBatches")),
        ("wrong-part", ("memory_planner=PagedMemoryPlanner", "memory_planner=None")),
        (None, (OFFERED, "ARCHITECTURE = [gpt2_architecture]")),
        (None, (TENSOR, f"2 * {TENSOR}")),
        (None, (WRAPPED, "WeightData.from_numpy(array[:1], name)")),
        (None, ("    return {\n        name: Weight", "    {\n        name: Weight")),
        (None, (ADAPTER, ADAPTER.replace("convert_checkpoint", "convert_weights"))),
    ],
    19: [
        (
            "last-match",
            (
                STARTS,
                STARTS.replace(
                    "range(len(tokens) - size)", "reversed(range(len(tokens) - size))"
                ),
            ),
        ),
        (
            "match-itself",
            (FOLLOWS, "return list(tokens[start : start + num_proposals])"),
        ),
        ("fewer-never-tried", (STARTS, STARTS.replace("- size", "- size + 1"))),
        ("shortest-first", (SIZES, "for size in range(1, max_ngram + 1):")),
        ("fewer-never-tried", (SIZES, "for size in (max_ngram,):")),
        ("single-tokens-left-out", (SIZES, SIZES.replace("0, -1", "1, -1"))),
        (
            "one-proposed-too-many",
            (FOLLOWS, FOLLOWS.replace("num_proposals", "num_proposals + 1")),
        ),
        (
            "proposal-one-late",
            (FOLLOWS, "return list(tokens[end + 1 : end + 1 + num_proposals])"),
        ),
        (
            "proposal-one-early",
            (FOLLOWS, "return list(tokens[end - 1 : end - 1 + num_proposals])"),
        ),
        ("all-that-follows", (FOLLOWS, "return list(tokens[end:])")),
        ("kept-last-position", (GATHERED, "kept = hidden_states[:, -1:, :]")),
        (
            "first-positions",
            (GATHERED, "kept = hidden_states[:, 0 : logits_to_keep.shape[0], :]"),
        ),
        ("norm-forgotten", ("body.ln_f(kept)", "kept")),
        ("read-positions-from-0", (COLUMNS, "columns = np.arange(end - start)")),
        ("positions-one-off", (COLUMNS, "columns = np.arange(start + 1, end + 1)")),
        ("first-kept", (TO_KEEP, "logits_to_keep = np.arange(keep)")),
        ("kept-in-the-text", (TO_KEEP, "logits_to_keep = np.arange(end - keep, end)")),
        ("kept-one-off", (TO_KEEP, TO_KEEP + " - 1")),
        ("length-not-set", (SHORTENED, "        pass\n\n    def _tensor")),
        ("past-the-end", (" or chosen[-1] in end_of_text:", ":")),
        (
            "bonus-dropped",
            (AGREED_NOT, AGREED_NOT.replace("break", "return chosen[:-1]")),
        ),
        (
            "bonus-dropped-at-the-end",
            (LOOKUP_ROWS, "for row, proposed in zip(logits, proposal):"),
        ),
        (
            "one-too-many",
            ("chosen: list[int] = []", "chosen: list[int] = []\n    wrong = False"),
            (
                AGREED_NOT,
                "        if wrong or chosen[-1] in end_of_text:\n            break\n        wrong = chosen[-1] != proposed\n",
            ),
        ),
        ("one-too-few", ("    return chosen\n", "    return chosen[:-1] or chosen\n")),
        (
            "nothing-checked",
            (
                "    return chosen\n",
                "    return [*proposal, int(logits[-1].argmax())]\n",
            ),
        ),
        (
            "wrong-one-kept",
            (
                AGREED_NOT,
                "        if chosen[-1] != proposed:\n            chosen[-1] = chosen[-1] if proposed is None else proposed\n            break\n        if chosen[-1] in end_of_text:\n            break\n",
            ),
        ),
        ("all-rows", (AGREED_NOT, "")),
        ("only-the-first", (AGREED_NOT, "        break\n")),
        (
            "chosen-without-the-text",
            (CHOSEN_ROW, CHOSEN_ROW.replace("[*tokens, *chosen]", "tokens")),
        ),
        (
            "drawn-too-often",
            (
                f"    {LOOKUP_ROWS}\n        {CHOSEN_ROW}\n",
                "    drawn: list[int] = []\n    for row in logits:\n        drawn.append(choose_token(row, [*tokens, *drawn], sampling, rng))\n    for token_id, proposed in zip(drawn, [*proposal, None], strict=True):\n        chosen.append(token_id)\n",
            ),
        ),
        ("pauses-never-end", (PAUSE, PAUSE.replace("0 if accepted else ", ""))),
        ("pauses-do-not-grow", (PAUSE, PAUSE.replace("2 * self.length + 1", "1"))),
        (
            "pauses-without-bound",
            (PAUSE, "self.length = 0 if accepted else 2 * self.length + 1"),
        ),
        (
            "pauses-the-wrong-way",
            (PAUSE, PAUSE.replace("if accepted", "if not accepted")),
        ),
        ("never-pauses", ("self.left = self.length", "self.left = 0")),
        ("room-forgotten", (LOOKUP_ROOM, "room = num_proposals")),
        ("room-forgotten", (LOOKUP_ROOM, LOOKUP_ROOM.replace(" - 1", ""))),
        ("room-too-small", (LOOKUP_ROOM, LOOKUP_ROOM.replace("- 1", "- 2"))),
        (
            "too-few-logits",
            (
                READ_BOTH,
                READ_BOTH.replace("len(proposal) + 1", "max(len(proposal), 1)"),
            ),
        ),
        (
            "proposal-not-read",
            (READ_BOTH, READ_BOTH.replace("[*unread, *proposal]", "unread")),
        ),
        ("read-again", (ROLLED, ROLLED.replace("- 1", "- 2"))),
        ("not-rolled-back", (ROLLED, "pass")),
        ("last-not-read", (ROLLED, ROLLED.replace(" - 1", ""))),
        ("chosen-not-added", (GROWN_TEXT, "")),
        ("never-speculates", (LOOKUP_ROOM, "room = 0")),
        ("prompt-changed", ("tokens, end = list(prompt),", "tokens, end = prompt,")),
        (
            None,
            (
                READ_BOTH,
                READ_BOTH.replace("[*unread, *proposal]", "[*proposal, *unread]"),
            ),
        ),
        (None, (LOOKUP_ROOM, LOOKUP_ROOM.replace("num_proposals", "1"))),
        (None, (GROWN_TEXT, "        tokens += chosen[:1]\n")),
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
