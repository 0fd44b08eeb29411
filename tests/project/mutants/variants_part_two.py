"""Right implementations of steps 13, 15, 16 and 18 to 20 in other styles.

Those of step 15 change what NumPy does, not the graph: to compile another takes MAX
minutes.
"""

from tests.project.mutants import known_part_two as known
from tests.project.mutants.mutant import Mutant, changed

SIZES_TABLE = """    "gpt2": GPT2Config(),
    "gpt2-medium": GPT2Config(n_embd=1024, n_layer=24, n_head=16),
    "gpt2-large": GPT2Config(n_embd=1280, n_layer=36, n_head=20),
    "gpt2-xl": GPT2Config(n_embd=1600, n_layer=48, n_head=25),
"""
SIZES_IN_A_LOOP = """    name: GPT2Config(n_embd=64 * heads, n_layer=layers, n_head=heads)
    for name, layers, heads in [
        ("gpt2", 12, 12),
        ("gpt2-medium", 24, 16),
        ("gpt2-large", 36, 20),
        ("gpt2-xl", 48, 25),
    ]
"""
FIELD_BY_FIELD = """return GPT2Config(
        vocab_size=saved.get("vocab_size", 50257),
        n_positions=saved.get("n_positions", 1024),
        n_embd=saved.get("n_embd", 768),
        n_layer=saved.get("n_layer", 12),
        n_head=saved.get("n_head", 12),
        n_inner=saved.get("n_inner"),
        layer_norm_epsilon=saved.get("layer_norm_epsilon", 1e-5),
    )"""
FIELDS_IN_A_LOOP = """sizes = {}
    for name in fields:
        if name in saved:
            sizes[name] = saved[name]
    return GPT2Config(**sizes)"""
REPLACED = """config = GPT2Config()
    for name in set(fields) & set(saved):
        config = dataclasses.replace(config, **{name: saved[name]})
    return config"""
WHOLE_LOOP = f"""    weights = {{}}
    for name, tensor in tensors.items():
{known.IF_MASK}{known.IF_OTHER}{known.AS_FLOAT32}        {known.IF_CONV1D}
            {known.TURNED}
{known.PREFIX}        weights[name] = tensor
"""
COMPREHENSION = """    def ours(name):
        if name.startswith("lm_head."):
            return name
        return "transformer." + name.removeprefix("transformer.")

    def turned(name, tensor):
        tensor = tensor.astype(np.float32)
        return tensor.T.copy() if name.endswith(CONV1D_WEIGHTS) else tensor

    weights = {
        ours(name): turned(name, tensor)
        for name, tensor in tensors.items()
        if not name.endswith(STORED_MASKS) and name.startswith(PARTS)
    }
"""
SAFE_OPEN = """    from safetensors import safe_open

    with safe_open(str(folder / "model.safetensors"), "numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    model.load_state_dict(convert_weights(tensors))
"""
CONTIGUOUS_WHEN_LOADED = """    weights = convert_weights(load_file(folder / "model.safetensors"))
    model.load_state_dict({k: np.ascontiguousarray(w) for k, w in weights.items()})
"""
WITH = "    with default_device(device), default_dtype(DType.float32), F.lazy():\n"
BUILT = "        model = MaxGPT2LMHeadModel(read_config(folder)).to(device)\n"

MASK = """context = np.arange(columns[-1] + 1)
    later = context > columns[:, None]
    is_padding = context < padding[:, None, None]
    return np.where(later | is_padding, HIDDEN, np.float32(0))[:, None]"""
MASK_IN_LOOPS = """end = columns[-1] + 1
    mask = np.zeros((len(padding), 1, len(columns), end), np.float32)
    for text, count in enumerate(padding):
        for row, column in enumerate(columns):
            for other in range(end):
                if other > column or other < count:
                    mask[text, 0, row, other] = HIDDEN
    return mask"""
MASK_OF_A_TRIANGLE = """end = columns[-1] + 1
    visible = np.tri(len(columns), end, k=int(columns[0]), dtype=bool)
    mask = np.full((len(padding), 1, len(columns), end), HIDDEN)
    for text, count in enumerate(padding):
        mask[text, 0][visible] = 0
        mask[text, :, :, :count] = HIDDEN
    return mask"""
PADDED = f"""{known.COUNTED}
    rows = [
        {known.ROWS}
        for count, prompt in zip(padding, prompts, strict=True)
    ]
    return np.array(rows, dtype=np.int64), padding"""
FILLED_IN_PLACE = """ids = np.zeros((len(prompts), lengths.max()), dtype=np.int64)
    for row, prompt in zip(ids, prompts, strict=True):
        row[-len(prompt) :] = prompt
    return ids, lengths.max() - lengths"""
GROWN_BY_ONE_FUNCTION = """def both(old, new):
            return F.concat((old, new), axis=-2)

        self.keys, self.values = both(self.keys, key), both(self.values, value)
        return self.keys, self.values"""
ATTENTION = """        self.attention = GPT2MultiHeadAttention(config)
        # Its parameters are named as if they were this module's own.
        self.attention.name_transparent = True
"""
WRITTEN_OUT_ATTENTION = """        self.n_embd = config.n_embd
        self.n_head = config.n_head
        self.head_dim = config.n_embd // config.n_head
        self.c_attn = Linear(config.n_embd, 3 * config.n_embd)
        self.c_proj = Linear(config.n_embd, config.n_embd)

    def split_heads(self, x):
        batch, seq_length, _ = x.shape
        x = x.reshape([batch, seq_length, self.n_head, self.head_dim])
        return x.transpose(1, 2)

    def merge_heads(self, x):
        batch, _, seq_length, _ = x.shape
        return x.transpose(1, 2).reshape([batch, seq_length, self.n_embd])
"""
PAST_MASK_BY_NUMPY = """mask = Tensor.from_dlpack(
        np.triu(np.full((new, past + new), HIDDEN), k=past + 1)
    ).to(device)"""
RAISED = """            raise ValueError(
                f"{end} tokens do not fit into a cache for {self.capacity}."
            )
"""
CHECKED_IN_READ = f"        {known.FULL}\n{RAISED}"
CHECKED_IN_PREFILL = f"""        if max(map(len, prompts)) > self.capacity:
            raise ValueError("A prompt is too long.")
{known.RESET}"""
CHECKED_IN_DECODE = f"""if self.length == self.capacity:
            raise ValueError("The cache is full.")
        {known.DECODED}"""
CACHES_IN_A_LOOP = """caches = []
    for _ in range(config.n_layer):
        caches.append(kind(*(zeros() for _ in "kv")))
    return caches"""
TWO_CHECKS = """if capacity < 1:
            raise ValueError("A capacity of less than one token.")
        if capacity > config.n_positions:"""
WRITTEN_OUT = """if not prompts:
            raise ValueError("No prompt.")
        if any(len(prompt) == 0 for prompt in prompts):"""

PENALIZED = f"""seen = np.unique(token_ids)
    {known.COPIED}
    {known.PENALTY}
    return penalized"""
BY_MASK = """seen = np.isin(np.arange(logits.size), token_ids)
    penalized = np.where(logits < 0, logits * penalty, logits / penalty)
    return np.where(seen, penalized, logits)"""
BY_FACTORS = """factors = np.ones_like(logits)
    for token_id in token_ids:
        factors[token_id] = penalty if logits[token_id] < 0 else 1 / penalty
    return logits * factors"""
K_LARGEST = """best = np.argsort(-logits)[:top_k]
    kept = np.full_like(logits, -np.inf)
    kept[best] = logits[best]
    return kept"""
K_TIMES = """kept = np.full_like(logits, -np.inf)
    left = logits.copy()
    for _ in range(top_k):
        best = left.argmax()
        kept[best], left[best] = left[best], -np.inf
    return kept"""
NUCLEUS_IN_A_LOOP = """probabilities, kept, total = softmax(logits), np.full_like(logits, -np.inf), 0.0
    for best in np.argsort(-logits):
        kept[best] = logits[best]
        total += float(probabilities[best])
        if total >= top_p:
            break
    return kept"""
NUCLEUS_BY_SEARCH = """order = np.argsort(-logits)
    cumulative = softmax(logits)[order].cumsum(dtype=np.float64)
    keep = order[: np.searchsorted(cumulative, top_p) + 1]
    kept = np.full_like(logits, -np.inf)
    kept[keep] = logits[keep]
    return kept"""
MIN_P_OF_LOGITS = """if min_p == 0:
        return logits
    return np.where(logits < logits.max() + np.log(min_p), -np.inf, logits)"""
MIN_P = f"""probabilities = softmax(logits)
    {known.KEPT_M}"""
INVERSE = """cumulative = probabilities.cumsum(dtype=np.float64)
    return int(np.searchsorted(cumulative, rng.random() * cumulative[-1], "right"))"""
INVERSE_IN_A_LOOP = """left = rng.random() * sum(probabilities.tolist())
    for token_id, share in enumerate(probabilities.tolist()):
        left -= share
        if left < 0:
            break
    return token_id"""
GUMBEL = """with np.errstate(divide="ignore"):
        noisy = np.log(probabilities) + rng.gumbel(size=probabilities.size)
    return int(noisy.argmax())"""
EXACT = """exact = probabilities.astype(np.float64)
    exact /= exact.sum()
    """
READ_WHILE = """logits = decoder.prefill(prompts)
    for left in reversed(range(max_new_tokens)):
        for"""
YIELD_AND_READ = f"""{known.YIELD}
        if left:
            {known.READ}"""
DECODED_WHOLE = """self._ids.append(token_id)
        text = self.tokenizer.decode(self._ids)
        if not text.endswith("\\ufffd"):
            self._held += text[self._shown :]
            self._shown = len(text)"""
OVERLAP = """lengths = range(min(len(stop) - 1, len(self._held)), 0, -1)
        return next((n for n in lengths if self._held.endswith(stop[:n])), 0)"""
OVERLAP_IN_A_LOOP = """longest = 0
        for n in range(1, len(stop)):
            if self._held.endswith(stop[:n]):
                longest = n
        return longest"""
FOUND = """found = [at for stop in self.stop if (at := self._held.find(stop)) >= 0]
        if found:
            self.stopped = True
            self._held = self._held[: min(found)]
            return self.finish()"""
FOUND_BY_CHARACTER = """for at in range(len(self._held)):
            if any(self._held.startswith(stop, at) for stop in self.stop):
                self.stopped = True
                certain, self._held = self._held[:at], ""
                return certain"""

# By step: what is different, then pairs of old and new text.
CHANGES = {
    13: [
        ("sizes in a loop", (SIZES_TABLE, SIZES_IN_A_LOOP)),
        ("fields in a loop", (known.PICKED, FIELDS_IN_A_LOOP)),
        ("field by field", (known.PICKED, FIELD_BY_FIELD)),
        ("replaced one by one", (known.PICKED, REPLACED)),
        ("a comprehension", (WHOLE_LOOP, COMPREHENSION)),
        (
            "transposed by np.transpose",
            (known.TURNED, "tensor = np.transpose(tensor).copy()"),
        ),
        ("by axes", (known.IF_CONV1D, 'if tensor.ndim == 2 and "h." in name:')),
        (
            "by another part of the name",
            (known.IF_CONV1D, 'if ".c_" in name and name.endswith(".weight"):'),
        ),
        (
            "masks by another part of the name",
            (
                "if name.endswith(STORED_MASKS):",
                'if ".attn." in name and ".c_" not in name:',
            ),
        ),
        (
            "in sorted order",
            (known.RETURNED, "    return dict(sorted(weights.items()))\n"),
        ),
        (
            "tensors made contiguous as they are loaded",
            (known.TURNED, "tensor = tensor.T"),
            (known.LOADED, CONTIGUOUS_WHEN_LOADED),
        ),
        ("n_inner written out", (known.SMALL, "GPT2Config(n_inner=4 * 768),")),
        (
            "tied by if",
            (known.TIED, f'if "lm_head.weight" not in weights:\n        {known.TIED}'),
        ),
        ("safe_open", (known.LOADED, SAFE_OPEN)),
        (
            "with inside with",
            (
                WITH,
                "    with default_device(device), default_dtype(DType.float32):\n      with F.lazy():\n",
            ),
        ),
    ],
    15: [
        ("grown by a function", (known.GROWN, GROWN_BY_ONE_FUNCTION)),
        (
            "step 07 written out",
            (ATTENTION, WRITTEN_OUT_ATTENTION),
            ("attn = self.attention", "attn = self"),
        ),
        ("past mask by NumPy", (known.PAST_MASK, PAST_MASK_BY_NUMPY)),
        (
            "positions added",
            (known.IDS, "position_ids = past + np.arange(new)"),
        ),
        ("mask in loops", (MASK, MASK_IN_LOOPS)),
        ("mask of a triangle", (MASK, MASK_OF_A_TRIANGLE)),
        (
            "hidden by -1e9",
            (known.LOWEST, "HIDDEN = np.float32(-1e9)"),
        ),
        ("filled in place", (PADDED, FILLED_IN_PLACE)),
        ("padded with another token", ("[0] * count", "[1] * count")),
        (
            "positions in loops",
            (
                known.PLACES,
                "return np.array([[max(int(c - p), 0) for c in columns] for p in padding])",
            ),
        ),
        (
            "positions by np.clip",
            (known.PLACES, "return (columns - padding[:, None]).clip(min=0)"),
        ),
        (
            "checked where it is called",
            (CHECKED_IN_READ, ""),
            (known.RESET, CHECKED_IN_PREFILL),
            (known.DECODED, CHECKED_IN_DECODE),
        ),
        ("two checks", (known.CAPACITY, TWO_CHECKS), (known.EMPTY, WRITTEN_OUT)),
        ("caches in a loop", (known.MADE, CACHES_IN_A_LOOP)),
        (
            "positions of padding by their distance",
            (known.PLACES, "return np.abs(columns - padding[:, None])"),
        ),
        ("refused by its length", (known.ONLY_AFTER_PREFILL, "if self.length < 1:")),
        (
            "counted before it is read",
            (known.ADVANCED, ""),
            ("        columns = np", f"{known.ADVANCED}        columns = np"),
        ),
    ],
    16: [
        (
            "penalty in a loop",
            (known.PENALTY, known.FOR_EACH.replace("token_ids", "set(token_ids)")),
        ),
        ("penalty by a mask", (PENALIZED, BY_MASK)),
        ("penalty by factors", (PENALIZED, BY_FACTORS)),
        ("np.sort", (known.BORDER_K, "border = np.sort(logits)[-top_k]")),
        ("k largest by index", (known.BORDER_K, K_LARGEST), (known.KEPT_K, "")),
        ("k times the largest", (known.BORDER_K, K_TIMES), (known.KEPT_K, "")),
        (
            "the nucleus from above",
            (
                known.NUCLEUS,
                known.nucleus("-logits", "cumulative - softmax(logits)[order] < top_p"),
            ),
        ),
        ("the nucleus in a loop", (known.NUCLEUS, NUCLEUS_IN_A_LOOP)),
        ("the nucleus by search", (known.NUCLEUS, NUCLEUS_BY_SEARCH)),
        ("min-p of logits", (MIN_P, MIN_P_OF_LOGITS)),
        (
            "softmax in float64",
            (
                known.EXPONENTIALS,
                known.EXPONENTIALS.replace(
                    "logits - logits.max()", "logits.astype(np.float64) - logits.max()"
                ),
            ),
        ),
        ("inverse of the cumulative sum", (known.DRAWN, INVERSE)),
        ("inverse in a loop", (known.DRAWN, INVERSE_IN_A_LOOP)),
        ("Gumbel noise", (known.DRAWN, GUMBEL)),
        (
            "multinomial",
            (
                known.DRAWN,
                EXACT + "return int(rng.multinomial(1, exact).argmax())",
            ),
        ),
        (
            "drawn in float64",
            (known.DRAWN, EXACT + "return int(rng.choice(exact.size, p=exact))"),
        ),
        (
            "drawn as in step 12",
            (known.DRAWN, "return int(rng.choice(len(logits), p=probabilities))"),
        ),
        (
            "greedy by max",
            (known.GREEDY, "return max(range(logits.size), key=lambda i: logits[i])"),
        ),
        (
            "prefill before the loop",
            (known.LOOP, READ_WHILE),
            (known.YIELD, YIELD_AND_READ),
        ),
        (
            "texts as arrays",
            (known.TEXTS, "texts = [np.array(prompt) for prompt in prompts]"),
            (known.CHOSEN, "pass"),
            (
                known.YIELD,
                "new = [choose_token(r, t, sampling, rng) for r, t in zip(logits, texts)]\n        texts = [np.append(text, i) for text, i in zip(texts, new)]\n        yield new",
            ),
        ),
        (
            "the whole text decoded",
            (known.ADDED, DECODED_WHOLE),
            (
                'self._held = ""\n\n',
                'self._held = ""\n        self._ids = list(prompt)\n'
                "        self._shown = len(tokenizer.decode(self._ids))\n\n",
            ),
        ),
        ("overlap in a loop", (OVERLAP, OVERLAP_IN_A_LOOP)),
        ("found by character", (FOUND, FOUND_BY_CHARACTER)),
    ],
    18: [
        (
            "pages as a sorted list",
            (
                "from collections import deque\n",
                "import bisect\nimport math\nfrom collections import deque\n",
            ),
            ("self.free = deque(range(count))", "self.free = list(range(count))"),
            (known.NEEDED, "needed = math.ceil(len(text) / self.page_size)"),
            (known.TABLE, "        table = list(self.tables.get(text, []))\n"),
            (
                known.GIVEN,
                "            table.append(self.free.pop())\n"
                "        self.tables[text] = table\n",
            ),
            (
                known.FREED,
                "for page in self.tables.pop(text, []):\n"
                "            bisect.insort(self.free, page)",
            ),
            (
                f"{known.ENTRY}\n        {known.PLACE}",
                "table = self.tables[text]\n"
                "        return table[position // self.page_size], position % self.page_size",
            ),
        ),
        (
            "laid out token by token",
            (
                known.TOKENS,
                "tokens = np.array([i for text in texts for i in text.new], np.int64)",
            ),
            (
                known.POSITIONS,
                "np.array(\n        [text.cached + i for text in texts"
                " for i in range(len(text.new))], np.int64\n    )",
            ),
            (
                known.OFFSETS,
                "np.array([sum(lengths[:i]) for i in range(len(lengths) + 1)], 'uint32')",
            ),
        ),
        (
            "refused by grow",
            (
                known.STOP + known.BEGUN,
                "            try:\n"
                "                self.pages.grow(self.waiting[0])\n"
                "            except NoFreePage:\n"
                "                break\n"
                "            self.running += [self.waiting.popleft()]\n",
            ),
        ),
        (
            "pages given one by one, and taken back",
            (
                known.REFUSED + known.TABLE,
                "        table = self.tables.setdefault(text, [])\n"
                "        before = len(table)\n",
            ),
            (
                known.GIVEN,
                "            if not self.free:\n"
                "                while len(table) > before:\n"
                "                    self.free.appendleft(table.pop())\n"
                "                raise NoFreePage\n" + known.GIVEN,
            ),
        ),
        (
            "those that run, and those that begin",
            (known.BATCH, "return [*self.running]"),
            (
                known.LEFT,
                "        self.running = [one for one in self.running if one is not text]\n",
            ),
        ),
        (
            "copied by NumPy",
            (known.DTYPE, f"import numpy as np\n{known.DTYPE}"),
            (
                known.TENSOR,
                "np.array(np.from_dlpack(weights.data().astype(DType.float32)))",
            ),
        ),
        (
            "other classes",
            (
                "gpt2_architecture =",
                "class Mine(BatchedGPT2): ...\n\n\ngpt2_architecture =",
            ),
            ("pipeline_model=BatchedGPT2", "pipeline_model=Mine"),
            (known.OFFERED, "ARCHITECTURES = list((gpt2_architecture,))"),
        ),
    ],
    19: [
        (
            "found by zip",
            (
                known.STARTS,
                "starts = [at for at in range(len(tokens) - size) if list(tokens[at : at + size]) == list(ngram)]",
            ),
        ),
        (
            "positions by a slice",
            (
                known.GATHERED,
                "kept = F.gather(body.ln_f(hidden_states), logits_to_keep, axis=1)",
            ),
            ("body.ln_f(kept)", "kept"),
        ),
        (
            "counted first",
            (known.LOOKUP_ROWS, "for at, row in enumerate(logits):"),
            (
                known.AGREED_NOT,
                "        if chosen[-1] in end_of_text:\n            return chosen\n        if at == len(proposal) or chosen[at] != proposal[at]:\n            return chosen\n",
            ),
        ),
        (
            "rolled back before",
            (known.GROWN_TEXT, ""),
            (
                known.ROLLED,
                "decoder.roll_back(len(tokens) + len(chosen) - 1)\n        tokens.extend(chosen)",
            ),
        ),
        (
            "proposals in an array",
            (known.FOLLOWS, "return [*tokens[end:]][:num_proposals]"),
        ),
        (
            "pauses by powers",
            (
                known.PAUSE,
                "self.length = 0 if accepted else min(self.longest, (self.length + 1) * 2 - 1)",
            ),
        ),
    ],
    20: [
        (
            "beginnings as keys",
            (known.KEYED, "key = hash(prompt[:end])"),
        ),
        (
            "counted by takewhile",
            (
                "        for count, key in enumerate(keys):\n" + known.UNKNOWN,
                "        from itertools import takewhile\n\n        return len([*takewhile(self.pages.__contains__, keys)])",
            ),
        ),
        (
            "an index made anew",
            (
                known.REMEMBERED,
                "        for key in keys[::-1]:\n            self.pages.pop(key, None)\n            self.pages[key] = None\n",
            ),
            (
                known.FORGOTTEN,
                "        for key in [*self.pages][: max(len(self.pages) - self.room, 0)]:\n            del self.pages[key]\n",
            ),
        ),
        (
            "pauses by an if",
            (
                known.NEXT_PAUSE,
                "pause = min(2 * self.pause or self.first_pause, self.longest_pause)",
            ),
            (known.TRIAL, "if self.pause:\n            self.until = now + self.pause"),
        ),
        (
            "the best of a sorted list",
            (
                f"return min(near, {known.RANKED})",
                "near.sort(key=lambda worker: worker.load)\n        return max(near, key=lambda worker: worker.index.count(keys))",
            ),
        ),
        (
            "a set of those tried",
            ("tried: list[Worker] = []", "tried: set[Worker] = set()"),
            ("tried.append(worker)", "tried.add(worker)"),
        ),
        (
            "raised otherwise",
            (
                known.GIVEN_UP,
                "                can_retry = not has_begun and len(tried) < self.max_tries\n                if can_retry:\n                    continue\n                raise\n",
            ),
        ),
    ],
}

VARIANTS_PART_TWO = [
    Mutant(step, None, changed(step, *changes), f"{step:02d}-{index}-{what}")
    for step, variants in CHANGES.items()
    for index, (what, *changes) in enumerate(variants)
]
