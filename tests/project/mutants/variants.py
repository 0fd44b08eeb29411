"""Right implementations in other styles: each is a solution with some changes."""

from tests.project.mutants import known
from tests.project.mutants.mutant import Mutant, changed

SPLIT_QKV = """query, key, value = F.split(
            self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1
        )"""
ATTEND = """attended = self.attention(
            self.split_heads(query), self.split_heads(key), self.split_heads(value)
        )"""
BAND_OF_SCORES = """future = F.band_part(
            F.broadcast_to(
                Tensor(-1e9, dtype=scores.dtype, device=scores.device),
                [seq_length, seq_length],
            ),
            None,
            0,
            exclude=True,
        )
        scores = scores + future"""
HIDDEN_BY_WHERE = """total = Dim(sequence_length) + num_tokens
    rows = Tensor.arange(
        Dim(sequence_length), dtype=DType.int64, device=device
    ).reshape([sequence_length, 1])
    columns = Tensor.arange(
        total, dtype=DType.int64, device=device
    ).reshape([1, total])
    hidden = F.greater(columns, rows + num_tokens)
    shape = [sequence_length, total]
    low = F.broadcast_to(Tensor(float("-inf"), dtype=dtype, device=device), shape)
    zero = F.broadcast_to(Tensor(0.0, dtype=dtype, device=device), shape)
    return F.where(F.broadcast_to(hidden, shape), low, zero)"""
SHAPES = """total_length = Dim(sequence_length) + num_tokens
    minus_infinity = Tensor(float("-inf"), dtype=dtype, device=device)
    mask = F.broadcast_to(minus_infinity, [sequence_length, total_length])
    return F.band_part(mask, num_lower=None, num_upper=num_tokens, exclude=True)"""
ONES = """ones = F.ones(
        [sequence_length, num_tokens + Dim(sequence_length)],
        dtype=dtype,
        device=device,
    )
    hidden = F.band_part(ones, None, num_tokens, exclude=True)
    return hidden * -10000.0"""
TANH_GELU = known.GELU_BY_HAND
TANH_BY_EXP = """x = hidden_states
        inner = 0.7978845608028654 * (x + 0.044715 * x * x * x)
        hidden_states = x / (F.exp(-2 * inner) + 1)"""
LOOP_OVER_HEADS = """d = self.head_dim
        found = []
        for head in range(self.n_head):
            q, k, v = (
                part[:, :, head * d : (head + 1) * d] for part in (query, key, value)
            )
            scores = q @ k.transpose(1, 2) / math.sqrt(d)
            length = scores.shape[-1]
            scores = scores + causal_mask(
                length, 0, dtype=scores.dtype, device=scores.device
            )
            found.append(F.softmax(scores) @ v)
        return self.c_proj(F.concat(found, axis=-1))"""
SLICED_QKV = """projected = self.c_attn(hidden_states)
        n = self.n_embd
        query = projected[:, :, :n]
        key = projected[:, :, n : 2 * n]
        value = projected[:, :, 2 * n :]"""
FIVE_AXES = """batch, seq_length, _ = hidden_states.shape
        qkv = self.c_attn(hidden_states).reshape(
            [batch, seq_length, 3, self.n_head, self.head_dim]
        )
        qkv = F.permute(qkv, [2, 0, 3, 1, 4])
        attended = self.attention(qkv[0], qkv[1], qkv[2])"""
FUSED_LINEAR = """weight = self.c_attn.weight
        bias = self.c_attn.bias
        n = self.n_embd
        query, key, value = (
            hidden_states @ weight[i * n : (i + 1) * n].transpose(0, 1)
            + bias[i * n : (i + 1) * n]
            for i in range(3)
        )"""
SOFTMAX_BY_HAND = """powers = F.exp(scores - F.max(scores, axis=-1))
        weights = powers / F.sum(powers, axis=-1)"""
NORM_BY_HAND = known.BY_HAND
NORM_OVER_SUMS = """n = int(x.shape[-1])
        centered = x - F.sum(x, axis=-1) / n
        deviation = F.sqrt(F.sum(centered * centered, axis=-1) / n + self.eps)
        return centered / deviation * self.weight + self.bias"""
EXPLICIT_BLOCK = """residual = hidden_states
        hidden_states = self.ln_1(hidden_states)
        hidden_states = self.attn(hidden_states)
        hidden_states = residual + hidden_states
        residual = hidden_states
        hidden_states = self.ln_2(hidden_states)
        hidden_states = self.mlp(hidden_states)"""
CUMULATIVE = """thresholds = np.cumsum(probabilities, axis=-1)
    points = rng.random((len(probabilities), 1)) * thresholds[:, -1:]
    draws = (points > thresholds).sum(axis=-1, keepdims=True)"""
GUMBEL = """scores = (logits / temperature).to_numpy()
    draws = (scores + rng.gumbel(size=scores.shape)).argmax(axis=-1, keepdims=True)"""
MULTINOMIAL = """draws = [
        [int(rng.multinomial(1, row.astype(np.float64) / row.sum()).argmax())]
        for row in probabilities
    ]"""
NUMPY_SOFTMAX = """scores = logits.to_numpy() / temperature
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    probabilities = powers / powers.sum(axis=-1, keepdims=True)"""
WHILE = "generated = 0\n    while generated < max_new_tokens:\n        generated += 1"
EARLY = """for step in range(max_new_tokens):
        if step:
            input_ids = F.concat([input_ids, next_token], axis=1)"""
HISTORY = """tokens = [input_ids]
    for _ in range(max_new_tokens):
        input_ids = F.concat(tokens, axis=1) if len(tokens) > 1 else input_ids"""


def _dataclass(arguments):
    return ("@dataclass\n", f"@dataclass({arguments})\n")


# By step: what is different, then pairs of old and new text.
CHANGES = {
    1: [
        ("frozen", _dataclass("frozen=True")),
        ("slots", _dataclass("slots=True")),
        ("kw_only", _dataclass("kw_only=True")),
        ("all three", _dataclass("frozen=True, slots=True, kw_only=True")),
        (
            "typing",
            ("int | None", "Optional[int]"),
            ("from data", "from typing import Optional\nfrom data"),
        ),
        (
            "import dataclasses",
            ("from dataclasses import dataclass", "import dataclasses"),
            ("@dataclass\n", "@dataclasses.dataclass\n"),
        ),
        (
            "field()",
            (
                "from dataclasses import dataclass",
                "from dataclasses import dataclass, field",
            ),
            ("int = 50257", "int = field(default=50257)"),
        ),
        (
            "more fields and methods",
            (
                "epsilon: float = 1e-5",
                "epsilon: float = 0.00001\n    dropout: float = 0.1\n\n    @property\n    def head_dim(self):\n        return self.n_embd // self.n_head",
            ),
        ),
        (
            "another order",
            ("    vocab_size: int = 50257\n", ""),
            (
                "epsilon: float = 1e-5",
                "epsilon: float = 1e-5\n    vocab_size: int = 50_257",
            ),
        ),
        (
            "inherited",
            (
                "class GPT2Config:",
                "class Base:\n    n_ctx: int = 1024\n\n\n@dataclass\nclass GPT2Config(Base):",
            ),
        ),
    ],
    2: [
        ("-1e9 for minus infinity", (known.MINUS, "-1e9")),
        ("F.where", (SHAPES, HIDDEN_BY_WHERE)),
        ("ones times a large number", (SHAPES, ONES)),
        (
            "F.full",
            ('minus_infinity = Tensor(float("-inf"), dtype=dtype, device=device)', ""),
            (
                "F.broadcast_to(minus_infinity, [sequence_length, total_length])",
                "F.full([sequence_length, total_length], -float('inf'), dtype=dtype, device=device)",
            ),
        ),
        (
            "positional arguments",
            (known.BAND, "return F.band_part(mask, -1, num_tokens, True)"),
        ),
        (
            "another way to import",
            (
                "from max.experimental import functional as F",
                "import max.experimental.functional as F",
            ),
        ),
        (
            "a helper function",
            (
                known.BAND,
                "return _hide(mask, num_tokens)\n\n\ndef _hide(mask, past):\n    return F.band_part(mask, None, past, exclude=True)",
            ),
        ),
        ("num_lower left out", ("num_lower=None, ", "")),
        ("a Dim as bound", ("num_upper=num_tokens", "num_upper=Dim(num_tokens)")),
        ("shifted by a constant", (known.BAND, known.BAND + " + 3.0")),
    ],
    3: [
        ("by hand", (known.RETURN_NORM, NORM_BY_HAND)),
        ("a method", known.NORM, ("F.mean(x, axis=-1)", "x.mean()")),
        ("without super", ("super().__init__()", "pass")),
        ("__call__", ("def forward(self, x", "def __call__(self, x")),
        ("sums", (known.RETURN_NORM, NORM_OVER_SUMS)),
        (
            "positional arguments",
            (
                "gamma=self.weight, beta=self.bias, epsilon=self.eps",
                "self.weight, self.bias, self.eps",
            ),
        ),
        (
            "another name for eps",
            ("self.eps = eps", "self.variance_epsilon = eps"),
            ("self.eps)", "self.variance_epsilon)"),
        ),
        (
            "F.ones",
            ("Tensor.ones([dim])", "F.ones([dim])"),
            ("Tensor.zeros([dim])", "F.zeros([dim])"),
        ),
        (
            "printing",
            (
                known.RETURN_NORM,
                f"print('shape', x.shape)\n        {known.RETURN_NORM}",
            ),
        ),
        (
            "printing numbers",
            (
                known.RETURN_NORM,
                f"print(x.to_numpy()[0, 0, :2])\n        {known.RETURN_NORM}",
            ),
        ),
    ],
    4: [
        ("tanh-GELU by hand", (known.GELU, TANH_GELU)),
        ("tanh-GELU by one power", (known.GELU, TANH_BY_EXP)),
        (
            "one line",
            (known.C_FC, ""),
            (known.GELU, ""),
            (
                known.C_PROJ,
                'return self.c_proj(F.gelu(self.c_fc(hidden_states), approximate="tanh"))',
            ),
        ),
        (
            "keyword arguments",
            (
                known.MAKE_FC,
                "self.c_fc = Linear(in_dim=config.n_embd, out_dim=intermediate_size, bias=True)",
            ),
        ),
        (
            "an activation as attribute",
            (
                known.MAKE_PROJ,
                known.MAKE_PROJ
                + '\n        self.act = lambda x: F.gelu(x, approximate="tanh")',
            ),
            (known.GELU, "hidden_states = self.act(hidden_states)"),
        ),
        (
            "matrices by hand",
            (
                known.C_PROJ,
                "return hidden_states @ self.c_proj.weight.transpose(0, 1) + self.c_proj.bias",
            ),
        ),
        ("untyped Module", ("Module[[Tensor], Tensor]", "Module")),
        (
            "another order in __init__",
            (known.MAKE_FC, "pass"),
            (known.MAKE_PROJ, f"{known.MAKE_PROJ}\n        {known.MAKE_FC}"),
        ),
    ],
    5: [
        (
            "F.gather",
            (
                "return self.wte(input_ids)",
                "return F.gather(self.wte.weight, input_ids, axis=0)",
            ),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
        (
            "keyword arguments",
            ("config.vocab_size, dim", "vocab_size=config.vocab_size, dim"),
        ),
        (
            "a subclass of its own",
            (
                "class GPT2Embeddings",
                "class Table(Embedding):\n    pass\n\n\nclass GPT2Embeddings",
            ),
            ("= Embedding(", "= Table("),
        ),
    ],
    6: [
        (
            "rows of the table",
            ("return self.wpe(positions)", "return self.wpe.weight[:seq_length]"),
        ),
        (
            "shape by index",
            ("_, seq_length = input_ids.shape", "seq_length = input_ids.shape[1]"),
        ),
        (
            "arange with a start",
            ("            seq_length, dtype", "            0, seq_length, 1, dtype"),
        ),
        (
            "NumPy positions",
            (
                known.POSITIONS,
                "import numpy as np\n\n        positions = Tensor(np.arange(int(seq_length))).to(input_ids.device)",
            ),
        ),
    ],
    7: [
        ("a loop over heads", (ATTEND, ""), (known.PROJECT, LOOP_OVER_HEADS)),
        ("keys turned by .T", ("key.transpose(-1, -2)", "key.T")),
        (
            "permute as a method",
            ("return x.transpose(1, 2)\n\n", "return x.permute([0, 2, 1, 3])\n\n"),
        ),
        ("the size of each piece", ("[self.n_embd] * 3, axis", "self.n_embd, axis")),
        ("slices", (SPLIT_QKV, SLICED_QKV)),
        (
            "chunks",
            (
                SPLIT_QKV,
                "query, key, value = F.chunk(self.c_attn(hidden_states), 3, axis=-1)",
            ),
        ),
        ("five axes", (SPLIT_QKV, ""), (ATTEND, FIVE_AXES)),
        ("three projections of one weight", (SPLIT_QKV, FUSED_LINEAR)),
        ("-1e9 for minus infinity", (known.MASKED, BAND_OF_SCORES)),
        ("softmax by hand", (known.WEIGHTS, SOFTMAX_BY_HAND)),
        ("scale as a power", ("/ math.sqrt(self.head_dim)", "* self.head_dim**-0.5")),
        (
            "scaled query",
            (
                known.SCORES,
                "query = query / math.sqrt(self.head_dim)\n        scores = query @ key.transpose(-1, -2)",
            ),
        ),
        (
            "scaled after the mask",
            (" / math.sqrt(self.head_dim)", ""),
            (known.WEIGHTS, "weights = F.softmax(scores / math.sqrt(self.head_dim))"),
        ),
        (
            "permute",
            (
                known.SPLIT,
                known.SPLIT.replace("x.transpose(1, 2)", "F.permute(x, [0, 2, 1, 3])"),
            ),
            (
                known.MERGE,
                known.MERGE.replace("x.transpose(1, 2)", "F.permute(x, [0, 2, 1, 3])"),
            ),
        ),
        ("F.matmul", ("return weights @ value", "return F.matmul(weights, value)")),
        (
            "reshape with -1",
            (
                "[batch, seq_length, self.n_head, self.head_dim]",
                "[batch, seq_length, self.n_head, -1]",
            ),
            ("[batch, seq_length, self.n_embd])", "[batch, seq_length, -1])"),
        ),
        ("softmax of an axis", (known.WEIGHTS, "weights = F.softmax(scores, axis=-1)")),
        (
            "keys transposed when split",
            ("key.transpose(-1, -2)", "key"),
            ("self.split_heads(key)", "self.split_heads(key).transpose(2, 3)"),
        ),
        (
            "a class for one head's work",
            (
                "class GPT2MultiHeadAttention",
                "class Scaled:\n    def __init__(self, n):\n        self.scale = 1 / math.sqrt(n)\n\n    def __call__(self, x):\n        return x * self.scale\n\n\nclass GPT2MultiHeadAttention",
            ),
            (
                known.SCORES,
                "scores = Scaled(self.head_dim)(query @ key.transpose(-1, -2))",
            ),
        ),
        (
            "everything in forward",
            (ATTEND, ATTEND.replace("self.attention", "self.mix")),
            ("def attention(", "def mix("),
        ),
        (
            "printing",
            (
                known.WEIGHTS,
                known.WEIGHTS + "\n        print(weights.to_numpy()[0, 0, 0])",
            ),
        ),
    ],
    8: [
        (
            "two lines",
            (known.RESIDUAL, "y = sublayer(layer_norm(x))\n    return y + x"),
        ),
        (
            "added in place",
            (
                known.RESIDUAL,
                "residual = x\n    x = layer_norm(x)\n    x = sublayer(x)\n    x += residual\n    return x",
            ),
        ),
        (
            "F.add",
            (
                "from max.experimental.tensor",
                "from max.experimental import functional as F\nfrom max.experimental.tensor",
            ),
            (known.RESIDUAL, "return F.add(x, sublayer(layer_norm(x)))"),
        ),
    ],
    9: [
        (
            "written out",
            (known.HALF_1, EXPLICIT_BLOCK),
            (known.HALF_2, "return residual + hidden_states"),
        ),
        (
            "or",
            (
                "config.n_inner if config.n_inner is not None else 4 * config.n_embd",
                "config.n_inner or 4 * config.n_embd",
            ),
        ),
        (
            "a loop over halves",
            (
                known.HALF_1,
                "x = hidden_states\n        for norm, part in ((self.ln_1, self.attn), (self.ln_2, self.mlp)):\n            x = pre_norm_residual(x, norm, part)",
            ),
            (known.HALF_2, "return x"),
        ),
    ],
    10: [
        (
            "a loop over blocks",
            (known.STACK, "for block in self.h:\n            x = block(x)"),
        ),
        (
            "positions with a batch axis",
            ("self.wpe(positions)", "self.wpe(positions.reshape([1, seq_length]))"),
        ),
        (
            "a list of blocks",
            (
                known.LAYERS,
                "Sequential(*[GPT2Block(config) for _ in range(config.n_layer)])",
            ),
        ),
        (
            "a ModuleList",
            (
                "import Embedding, Module, Sequential",
                "import Embedding, Module, ModuleList",
            ),
            (
                known.LAYERS,
                "ModuleList([GPT2Block(config) for _ in range(config.n_layer)])",
            ),
            (known.STACK, "for block in self.h:\n            x = block(x)"),
        ),
        (
            "the parts of steps 05 and 06",
            (known.EMBED, "x = self.embed(input_ids, positions)"),
            (
                "    def forward",
                "    def embed(self, ids, positions):\n        return self.wpe(positions) + self.wte(ids)\n\n    def forward",
            ),
        ),
        (
            "a subclass",
            (
                "class MaxGPT2Model(Module[[Tensor], Tensor])",
                "class Base(Module[[Tensor], Tensor]):\n    pass\n\n\nclass MaxGPT2Model(Base)",
            ),
        ),
    ],
    11: [
        (
            "one line",
            ("        hidden_states = self.transformer(input_ids)\n", ""),
            (known.HEAD, "return self.lm_head(self.transformer(input_ids))"),
        ),
        (
            "a matrix product",
            (known.HEAD, "return hidden_states @ self.lm_head.weight.transpose(0, 1)"),
        ),
    ],
    12: [
        (
            "NumPy IDs",
            (
                known.ENCODED,
                "return Tensor(np.array([token_ids], dtype=np.int64)).to(device)",
            ),
        ),
        (
            "a NumPy array and a dtype",
            (
                known.ENCODED,
                "return Tensor(np.array([token_ids]), dtype=DType.int64, device=device)",
            ),
        ),
        (
            "IDs from a list",
            (
                "[ids] = token_ids.to_numpy().tolist()",
                "ids = [int(i) for i in token_ids.to_numpy().ravel()]",
            ),
        ),
        (
            "argmax in NumPy",
            (
                known.GREEDY,
                "best = logits.to_numpy().argmax(axis=-1)[:, None]\n        return Tensor(best.astype(np.int64)).to(input_ids.device)",
            ),
        ),
        ("cumulative sums", (known.DRAWS, CUMULATIVE)),
        ("Gumbel noise", (known.SHARES, ""), (known.DRAWS, GUMBEL)),
        ("multinomial", (known.DRAWS, MULTINOMIAL)),
        ("softmax in NumPy", (known.SHARES, NUMPY_SOFTMAX)),
        (
            "if rng is None",
            (known.FRESH, "if rng is None:\n        rng = np.random.default_rng()"),
        ),
        ("while", (known.RANGE, WHILE)),
        ("appended at the start", (known.APPEND, ""), (known.RANGE, EARLY)),
        (
            "a list of tokens",
            (known.RANGE, HISTORY),
            (known.APPEND, "tokens.append(next_token)"),
        ),
        (
            "not for nothing at the end",
            (known.RANGE, "for left in reversed(range(max_new_tokens)):"),
            (known.APPEND, "if left:\n            " + known.APPEND),
        ),
        (
            "a generator expression",
            (
                known.RANGE,
                "yield from (token for token in _tokens(model, input_ids, max_new_tokens, temperature, rng))\n\n\ndef _tokens(model, input_ids, max_new_tokens, temperature, rng):\n    "
                + known.RANGE,
            ),
        ),
        (
            "last row by slicing",
            (
                known.LAST,
                "logits = model(input_ids)\n    logits = logits[:, int(logits.shape[1]) - 1, :]",
            ),
        ),
    ],
}

VARIANTS = [
    Mutant(step, None, changed(step, *changes), f"{step:02d}-{index}-{what}")
    for step, variants in CHANGES.items()
    for index, (what, *changes) in enumerate(variants)
]
