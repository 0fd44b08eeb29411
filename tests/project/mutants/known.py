"""Every known mistake that needs no operation of its own, made in a solution.

What needs operations that no solution uses, such as another activation function,
would have to be compiled for this alone; `test_mistakes.py` covers those.
"""

from tests.project.mutants.mutant import Mutant, changed

# Layer normalization written out, for the mistakes that can only be made so.
RETURN_NORM = (
    "return F.layer_norm(x, gamma=self.weight, beta=self.bias, epsilon=self.eps)"
)
BY_HAND = """centered = x - F.mean(x, axis=-1)
        variance = F.mean(centered * centered, axis=-1)
        normalized = centered / F.sqrt(variance + self.eps)
        return normalized * self.weight + self.bias"""
NORM = (RETURN_NORM, BY_HAND)
OF_SQUARES = """mean = F.mean(x, axis=-1)
        variance = F.mean(x * x, axis=-1) - mean * mean
        return self.bias + self.weight * ((x - mean) / F.sqrt(variance + self.eps))"""

SCORES = "scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_dim)"
MASKED = """scores = scores + causal_mask(
            seq_length, 0, dtype=scores.dtype, device=scores.device
        )"""
WEIGHTS = "weights = F.softmax(scores)"
EXPONENTIALS = """powers = F.exp(scores)
        weights = powers / F.sum(powers, axis=-1)"""
LOGARITHM = """total = F.log(F.sum(F.exp(scores), axis=-1))
        weights = F.exp(scores - total)"""
SPLIT = """x = x.reshape([batch, seq_length, self.n_head, self.head_dim])
        return x.transpose(1, 2)"""
MERGE = "return x.transpose(1, 2).reshape([batch, seq_length, self.n_embd])"
PROJECT = "return self.c_proj(self.merge_heads(attended))"
BAND = "return F.band_part(mask, num_lower=None, num_upper=num_tokens, exclude=True)"
MINUS = 'float("-inf")'
TOTAL = "total_length = Dim(sequence_length) + num_tokens"
COLUMNS = "Dim(sequence_length) + num_tokens"
NUMPY_MASK = """import numpy as np

    rows, total = int(sequence_length), int(sequence_length) + num_tokens
    later = np.triu(np.ones((rows, total), dtype=bool), k=num_tokens + 1)
    mask = np.where(later, -np.inf, 0.0).astype(np.float32)
    return F.cast(Tensor(mask).to(device), dtype)"""
RESIDUAL = "return x + sublayer(layer_norm(x))"
HALF_1 = "hidden_states = pre_norm_residual(hidden_states, self.ln_1, self.attn)"
HALF_2 = "return pre_norm_residual(hidden_states, self.ln_2, self.mlp)"
LN_1 = "self.ln_1 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)"
LN_2 = "self.ln_2 = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)"
LN_F = "self.ln_f = LayerNorm(config.n_embd, eps=config.layer_norm_epsilon)"
EMBED = "x = self.wte(input_ids) + self.wpe(positions)"
STACK = "x = self.h(x)"
LAYERS = "Sequential(*(GPT2Block(config) for _ in range(config.n_layer)))"
POSITIONS = """positions = Tensor.arange(
            seq_length, dtype=input_ids.dtype, device=input_ids.device
        )"""
HEAD = "return self.lm_head(hidden_states)"
LAST = "logits = model(input_ids)[:, -1, :]"
GREEDY = "return F.argmax(logits, axis=-1)"
SHARES = "probabilities = F.softmax(logits / temperature).to_numpy()"
DRAWS = "draws = [[rng.choice(len(row), p=row)] for row in probabilities]"
FRESH = "rng = rng or np.random.default_rng()"
HANDED = "model, input_ids, temperature=temperature, rng=rng"
YIELD = "yield next_token"
APPEND = "input_ids = F.concat([input_ids, next_token], axis=1)"
RANGE = "for _ in range(max_new_tokens):"
ENCODED = "return Tensor([token_ids], dtype=DType.int64, device=device)"
DECODED = "return tokenizer.decode(ids, skip_special_tokens=False)"
GELU = 'hidden_states = F.gelu(hidden_states, approximate="tanh")'
C_FC = "hidden_states = self.c_fc(hidden_states)"
C_PROJ = "return self.c_proj(hidden_states)"
MAKE_FC = "self.c_fc = Linear(config.n_embd, intermediate_size)"
INNER = "0.7978845608028654 * (x + 0.044715 * x * x * x)"
OUTER = "0.5 * x * (F.tanh(inner) + 1.0)"
GELU_BY_HAND = f"""x = hidden_states
        inner = {INNER}
        hidden_states = {OUTER}"""
TANH = (GELU, GELU_BY_HAND)
DENSE = """class Dense(Module[[Tensor], Tensor]):
    def __init__(self, in_dim, out_dim):
        super().__init__()
        self.weight = Tensor.zeros([in_dim, out_dim])
        self.bias = Tensor.zeros([out_dim])

    def forward(self, x):
        return x @ self.weight + self.bias


"""
MAKE_PROJ = "self.c_proj = Linear(intermediate_size, config.n_embd)"
ATTN = "self.c_attn = Linear(config.n_embd, 3 * config.n_embd)"
OUT = "self.c_proj = Linear(config.n_embd, config.n_embd)"


def _like(text):
    return f"{text}, dtype=input_ids.dtype, device=input_ids.device"


# By step: the mistake, then pairs of old and new text.
CHANGES = {
    1: [
        ("not-a-dataclass", ("@dataclass\n", "")),
        ("field-missing", ("    n_head: int = 12", "    n_head = 12")),
        ("field-missing", ("n_inner: int", "inner: int")),
        ("field-missing", ("    vocab_size: int = 50257\n", "")),
        ("default-vocab-size", ("50257", "50256")),
        ("default-vocab-size", ("50257", "50304")),
        ("default-n-positions", ("1024", "512")),
        ("default-n-positions", ("1024", "2048")),
        ("default-n-embd", ("768", "1024")),
        ("default-n-layer", ("n_layer: int = 12", "n_layer: int = 24")),
        ("default-n-head", ("n_head: int = 12", "n_head: int = 16")),
        ("default-n-inner", ("int | None = None", "int = 3072")),
        ("default-n-inner", ("int | None = None", "int = 0")),
        ("default-layer-norm-epsilon", ("1e-5", "1e-6")),
        ("default-layer-norm-epsilon", ("1e-5", "1e-12")),
        (
            "value-not-kept",
            (
                "epsilon: float = 1e-5",
                "epsilon: float = 1e-5\n\n"
                "    def __post_init__(self):\n        self.n_layer = 12",
            ),
        ),
    ],
    2: [
        ("past-not-counted", ("num_upper=num_tokens", "num_upper=0")),
        (
            "past-columns-missing",
            ("Dim(sequence_length) + num_tokens", "sequence_length"),
        ),
        ("diagonal-hidden", ("num_upper=num_tokens", "num_upper=num_tokens - 1")),
        ("next-token-visible", ("num_upper=num_tokens", "num_upper=num_tokens + 1")),
        (
            "triangle-upside-down",
            (BAND, "return F.band_part(mask, 0, None, exclude=True)"),
        ),
        ("mask-inverted", (", exclude=True", "")),
        ("mask-inverted", ("exclude=True", "exclude=False")),
        ("mask-of-ones", (MINUS, "1.0")),
        ("mask-of-ones", (MINUS, "1.0"), (", exclude=True", "")),
        ("hidden-too-weak", (MINUS, "-1.0")),
        ("hidden-too-weak", (MINUS, "-10.0")),
        ("hidden-too-weak", (MINUS, "-5.0")),
        ("hidden-too-weak", (MINUS, "-100.0")),
        ("size-needed-as-number", (COLUMNS, "sequence_length + num_tokens")),
        ("size-needed-as-number", (COLUMNS, "int(sequence_length) + num_tokens")),
        ("size-needed-as-number", (TOTAL, NUMPY_MASK)),
        ("plus-infinity", (MINUS, 'float("inf")')),
        ("nothing-hidden", (MINUS, "0.0")),
        ("everything-hidden", (BAND, "return mask")),
        ("mask-transposed", (BAND, BAND + ".transpose(0, 1)")),
        ("mask-has-more-axes", (BAND, BAND + ".reshape([1, 1, *mask.shape])")),
        ("zero-times-infinity", (MINUS, "1.0"), (BAND, f"{BAND} * {MINUS}")),
        ("dtype-ignored", ("dtype=dtype", "dtype=DType.float32")),
    ],
    3: [
        ("wrong-size", ("Tensor.ones([dim])", "Tensor.ones([])")),
        (None, ("epsilon=self.eps", "epsilon=0.0")),
        ("eps-missing", ("epsilon=self.eps", "epsilon=1e-12")),
        ("eps-ignored", ("epsilon=self.eps", "epsilon=1e-5")),
        ("eps-ignored", ("self.eps = eps", "self.eps = 1e-5")),
        (
            "scale-and-shift-exchanged",
            ("gamma=self.weight, beta=self.bias", "gamma=self.bias, beta=self.weight"),
        ),
        ("scale-missing", ("gamma=self.weight", "gamma=Tensor.ones_like(self.weight)")),
        ("shift-missing", ("beta=self.bias", "beta=Tensor.zeros_like(self.bias)")),
        (
            "eps-outside-root",
            NORM,
            ("F.sqrt(variance + self.eps)", "(F.sqrt(variance) + self.eps)"),
        ),
        ("eps-missing", NORM, ("(variance + self.eps)", "(variance)")),
        (
            "unbiased-variance",
            NORM,
            (
                "F.mean(centered * centered, axis=-1)",
                "F.mean(centered * centered, axis=-1) * (int(x.shape[-1]) / "
                "(int(x.shape[-1]) - 1))",
            ),
        ),
        ("variance-loses-digits", (RETURN_NORM, OF_SQUARES)),
        (
            "variance-loses-digits",
            NORM,
            (
                "F.mean(centered * centered, axis=-1)",
                "F.mean(x * x, axis=-1) - F.mean(x, axis=-1) ** 2",
            ),
        ),
        ("scale-missing", NORM, ("normalized * self.weight +", "normalized +")),
        ("shift-missing", NORM, ("self.weight + self.bias", "self.weight")),
        (
            "shift-before-scale",
            NORM,
            (
                "normalized * self.weight + self.bias",
                "(normalized + self.bias) * self.weight",
            ),
        ),
        (
            "scale-and-shift-exchanged",
            NORM,
            (
                "normalized * self.weight + self.bias",
                "normalized * self.bias + self.weight",
            ),
        ),
        (
            "mean-not-subtracted",
            NORM,
            ("centered = x - F.mean(x, axis=-1)", "centered = x"),
        ),
        ("mean-kept", NORM, ("centered / F.sqrt", "x / F.sqrt")),
        (
            "divided-by-variance",
            NORM,
            ("F.sqrt(variance + self.eps)", "(variance + self.eps)"),
        ),
        ("not-divided", NORM, (" / F.sqrt(variance + self.eps)", "")),
        (
            "wrong-axis",
            NORM,
            ("F.mean(x, axis=-1)", "F.mean(x, axis=1)"),
            ("(centered * centered, axis=-1)", "(centered * centered, axis=1)"),
        ),
        (
            "all-axes",
            NORM,
            ("F.mean(x, axis=-1)", "F.mean(F.mean(x, axis=-1), axis=1)"),
            (
                "(centered * centered, axis=-1)",
                "(F.mean(centered * centered, axis=-1), axis=1)",
            ),
        ),
        ("zero-centered-scale", NORM, ("* self.weight", "* (self.weight + 1)")),
        (
            "eps-outside-root+shift-missing",
            NORM,
            ("F.sqrt(variance + self.eps)", "(F.sqrt(variance) + self.eps)"),
            ("self.weight + self.bias", "self.weight"),
        ),
        ("initial-values", ("self.weight = Tensor.ones", "self.weight = Tensor.zeros")),
        ("initial-values", ("self.bias = Tensor.zeros", "self.bias = Tensor.ones")),
        (
            "misspelled-name",
            ("self.bias = Tensor", "self.beta = Tensor"),
            ("beta=self.bias", "beta=self.beta"),
        ),
        (
            "scalar-scale",
            ("Tensor.ones([dim])", "Tensor.ones([1])"),
            ("Tensor.zeros([dim])", "Tensor.zeros([1])"),
        ),
        ("square-weight", ("Tensor.ones([dim])", "Tensor.ones([dim, dim])")),
        ("no-shift-parameter", ("self.bias = Tensor.zeros([dim])", "self.bias = 0.0")),
        ("extra-parameter", ("self.eps = eps", "self.eps = Tensor.ones([1])")),
    ],
    4: [
        ("exact-gelu", (', approximate="tanh"', "")),
        ("not-a-module", ("(Module[[Tensor], Tensor])", "")),
        (
            "weight-transposed",
            ("class GPT2MLP", DENSE + "class GPT2MLP"),
            (MAKE_FC, MAKE_FC.replace("Linear", "Dense")),
        ),
        (
            "softmax-activation",
            ('F.gelu(hidden_states, approximate="tanh")', "F.softmax(hidden_states)"),
        ),
        *(
            ("gelu-constants", TANH, (INNER, f"{outer} * (x + {cubic} * x * x * x)"))
            for outer, cubic in (
                (0.044715, 0.7978845608028654),
                (0.7978845608028654, 0.44715),
                (0.7978845608028654, 0.0044715),
                (1.2533141373155003, 0.044715),
                (0.6366197723675814, 0.044715),
                (1.0, 0.044715),
            )
        ),
        ("gelu-without-cube", TANH, (" + 0.044715 * x * x * x", "")),
        ("gelu-another-power", TANH, ("x * x * x)", "x * x)")),
        ("gelu-another-power", TANH, ("x * x * x)", "x * 3)")),
        ("gelu-cube-misplaced", TANH, ("x + 0.04", "x - 0.04")),
        ("gelu-cube-misplaced", TANH, ("x + 0.04", "0.04")),
        ("gelu-without-half", TANH, ("0.5 * x", "x")),
        ("gelu-without-one", TANH, (" + 1.0", "")),
        ("gelu-without-one", TANH, ("0.5 * x *", "0.5 *")),
        ("gelu-without-one", TANH, ("(F.tanh(inner) + 1.0)", "1.0 + F.tanh(inner)")),
        ("gelu-another-bend", TANH, ("F.tanh(inner)", "(1 / (F.exp(-inner) + 1))")),
        (
            "tanh-overflows",
            TANH,
            (
                "F.tanh(inner)",
                "(F.exp(inner) - F.exp(-inner)) / (F.exp(inner) + F.exp(-inner))",
            ),
        ),
        (
            "tanh-overflows",
            TANH,
            ("F.tanh(inner)", "(F.exp(2 * inner) - 1) / (F.exp(2 * inner) + 1)"),
        ),
        ("tanh-activation", TANH, (OUTER, "F.tanh(x)")),
        ("sigmoid", TANH, (OUTER, "1 / (F.exp(-x) + 1)")),
        ("silu", TANH, (OUTER, "x / (F.exp(-x) + 1)")),
        ("quick-gelu", TANH, (OUTER, "x / (F.exp(-1.702 * x) + 1)")),
        ("no-activation", (GELU, "pass")),
        ("no-activation", (GELU, GELU.removeprefix("hidden_states = "))),
        ("activation-twice", (GELU, f"{GELU}\n        {GELU}")),
        (
            "activation-after-projection",
            (GELU, "hidden_states = self.c_proj(hidden_states)"),
            (C_PROJ, 'return F.gelu(hidden_states, approximate="tanh")'),
        ),
        (
            "activation-also-at-the-end",
            (C_PROJ, 'return F.gelu(self.c_proj(hidden_states), approximate="tanh")'),
        ),
        ("activation-first", (C_FC, ""), (GELU, f"{GELU}\n        {C_FC}")),
        (
            "residual-in-mlp",
            (C_FC, f"x = hidden_states\n        {C_FC}"),
            (C_PROJ, f"{C_PROJ} + x"),
        ),
        ("projection-missing", (C_PROJ, "return hidden_states")),
        ("projection-missing", (GELU, ""), (C_PROJ, "return hidden_states")),
        (
            "intermediate-size-ignored",
            (MAKE_FC, "self.c_fc = Linear(config.n_embd, 4 * config.n_embd)"),
            (MAKE_PROJ, "self.c_proj = Linear(4 * config.n_embd, config.n_embd)"),
        ),
        (
            "mlp-not-widened",
            (MAKE_FC, "self.c_fc = Linear(config.n_embd, config.n_embd)"),
            (MAKE_PROJ, "self.c_proj = Linear(config.n_embd, config.n_embd)"),
        ),
        (
            "mlp-sizes-exchanged",
            (MAKE_FC, "self.c_fc = Linear(intermediate_size, config.n_embd)"),
            (MAKE_PROJ, "self.c_proj = Linear(config.n_embd, intermediate_size)"),
        ),
        (
            "sizes-exchanged",
            (MAKE_FC, "self.c_fc = Linear(intermediate_size, config.n_embd)"),
        ),
        (
            "misspelled-name",
            (MAKE_FC, MAKE_FC.replace("c_fc", "fc")),
            (C_FC, C_FC.replace("c_fc", "fc")),
        ),
        ("bias-missing", (MAKE_FC, MAKE_FC[:-1] + ", bias=False)")),
        ("bias-missing", (MAKE_PROJ, MAKE_PROJ[:-1] + ", bias=False)")),
        (
            "extra-parameter",
            (MAKE_FC, MAKE_FC + "\n        self.scale = Tensor.ones([1])"),
        ),
        ("not-a-tensor", (C_PROJ, f"{C_PROJ}.to_numpy()")),
        ("not-a-tensor", (C_PROJ, f"return ({C_PROJ[7:]},)")),
        (
            "exact-gelu+residual-in-mlp",
            (', approximate="tanh"', ""),
            (C_FC, f"x = hidden_states\n        {C_FC}"),
            (C_PROJ, f"{C_PROJ} + x"),
        ),
    ],
    5: [
        (
            "wrong-dtype",
            (
                "return self.wte(input_ids)",
                "array = self.wte(input_ids).to_numpy()\n"
                "        return Tensor.from_dlpack(array.astype(float))",
            ),
        ),
        (
            "embedding-scaled",
            (
                "return self.wte(input_ids)",
                "return self.wte(input_ids) * int(self.wte.weight.shape[1]) ** 0.5",
            ),
        ),
        (
            "embedding-divided",
            (
                "return self.wte(input_ids)",
                "return self.wte(input_ids) / int(self.wte.weight.shape[1]) ** 0.5",
            ),
        ),
        (
            "positions-for-ids",
            (
                "return self.wte(input_ids)",
                f"return self.wte(F.broadcast_to(Tensor.arange({_like('input_ids.shape[1]')}), input_ids.shape))",
            ),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
        ("ids-off-by-one", ("self.wte(input_ids)", "self.wte(input_ids - 1)")),
        ("first-sequence-only", ("self.wte(input_ids)", "self.wte(input_ids)[:1]")),
        ("first-sequence-only", ("self.wte(input_ids)", "self.wte(input_ids)[0]")),
        (
            "batch-flattened",
            ("self.wte(input_ids)", "self.wte(input_ids.reshape([-1]))"),
        ),
        (
            "axes-exchanged",
            ("self.wte(input_ids)", "self.wte(input_ids).transpose(0, 1)"),
        ),
        (
            "axes-exchanged",
            ("self.wte(input_ids)", "self.wte(input_ids).transpose(1, 2)"),
        ),
        ("wte-rows-of-positions", ("config.vocab_size", "config.n_positions")),
        (
            "wte-sizes-exchanged",
            (
                "config.vocab_size, dim=config.n_embd",
                "config.n_embd, dim=config.vocab_size",
            ),
        ),
        ("wte-one-row-short", ("config.vocab_size", "config.vocab_size - 1")),
        (
            "misspelled-name",
            ("self.wte =", "self.embedding ="),
            ("self.wte(", "self.embedding("),
        ),
    ],
    6: [
        (
            "positions-without-dtype",
            (POSITIONS, "positions = Tensor.arange(seq_length)"),
        ),
        ("positions-from-one", ("self.wpe(positions)", "self.wpe(positions + 1)")),
        (
            "positions-reversed",
            ("self.wpe(positions)", "self.wpe(int(seq_length) - 1 - positions)"),
        ),
        (
            "positions-all-zero",
            ("self.wpe(positions)", "self.wpe(positions - positions)"),
        ),
        ("ids-for-positions", ("self.wpe(positions)", "self.wpe(input_ids)")),
        ("positions-up-to-batch", ("_, seq_length =", "seq_length, _ =")),
        ("whole-table", ("self.wpe(positions)", "self.wpe.weight")),
        ("last-position-only", ("self.wpe(positions)", "self.wpe(positions)[-1:]")),
        ("last-position-missing", ("self.wpe(positions)", "self.wpe(positions)[:-1]")),
        (
            "position-embedding-scaled",
            (
                "self.wpe(positions)",
                "self.wpe(positions) * int(self.wpe.weight.shape[1]) ** 0.5",
            ),
        ),
        (
            "positions-with-batch-axis",
            ("self.wpe(positions)", "self.wpe(positions.reshape([1, seq_length]))"),
        ),
        ("wpe-rows-of-tokens", ("config.n_positions", "config.vocab_size")),
        (
            "wpe-sizes-exchanged",
            (
                "config.n_positions, dim=config.n_embd",
                "config.n_embd, dim=config.n_positions",
            ),
        ),
    ],
    7: [
        (
            "heads-merged-without-transpose",
            (MERGE, "return x.reshape([batch, seq_length, self.n_embd])"),
            (PROJECT, "return None"),
        ),
        ("mask-instead-of-scores", ("scores + causal_mask(", "causal_mask(")),
        ("key-not-transposed", ("key.transpose(-1, -2)", "key")),
        ("key-not-transposed", ("key.transpose(-1, -2)", "key.transpose(1, 2)")),
        ("value-not-split", ("self.split_heads(value)", "value")),
        ("values-before-weights", ("weights @ value", "value @ weights")),
        (
            "heads-not-split",
            (
                "self.split_heads(query), self.split_heads(key), "
                "self.split_heads(value)",
                "query, key, value",
            ),
        ),
        ("weights-returned", ("return weights @ value", "return weights")),
        ("values-not-mixed", ("weights @ value", "value")),
        ("weights-times-values", ("weights @ value", "weights * value")),
        ("mask-of-head-dim", ("query.shape[-2]", "query.shape[-1]")),
        (
            "heads-counted-as-positions",
            ("batch, _, seq_length, _ = x.shape", "batch, seq_length, _, _ = x.shape"),
        ),
        ("head-axis-not-moved", (SPLIT, SPLIT.removesuffix(".transpose(1, 2)"))),
        ("heads-not-merged", (MERGE, "return x.transpose(1, 2)")),
        ("heads-not-merged", ("self.merge_heads(attended)", "attended")),
        ("no-mask", (MASKED, "pass")),
        ("no-mask", (MASKED, MASKED.removeprefix("scores = "))),
        (
            "mask-after-softmax",
            (MASKED, "pass"),
            (WEIGHTS, "weights = F.band_part(F.softmax(scores), None, 0)"),
        ),
        ("mask-multiplied", (MASKED, "scores = F.band_part(scores, None, 0)")),
        (
            "mask-of-ones-added",
            (
                MASKED,
                "scores = scores + F.band_part(Tensor.ones_like(scores), None, 0)",
            ),
        ),
        (
            "mask-anti-causal",
            (
                f"{MASKED}\n        {WEIGHTS}",
                MASKED.replace(
                    "scores = scores + causal_mask(\n            seq_length, 0, dtype=scores.dtype, device=scores.device\n        )",
                    "mask = causal_mask(\n            seq_length, 0, dtype=scores.dtype, device=scores.device\n        )\n        weights = F.softmax(scores + mask.transpose(0, 1))",
                ),
            ),
        ),
        (
            "mask-hides-itself",
            ("seq_length, 0, dtype", "seq_length, 0, dtype"),
            (
                "from solution_02 import causal_mask",
                "def causal_mask(n, past, *, dtype, device):\n    hidden = F.broadcast_to(Tensor(float('-inf'), dtype=dtype, device=device), [n, n])\n    return F.band_part(hidden, 0, None)",
            ),
        ),
        (
            "mask-one-too-late",
            ("seq_length, 0, dtype", "seq_length, 1, dtype"),
            (
                "from solution_02 import causal_mask",
                "def causal_mask(n, past, *, dtype, device):\n    hidden = F.broadcast_to(Tensor(float('-inf'), dtype=dtype, device=device), [n, n])\n    return F.band_part(hidden, None, past, exclude=True)",
            ),
        ),
        ("not-scaled", (" / math.sqrt(self.head_dim)", "")),
        ("scaled-by-head-dim", ("math.sqrt(self.head_dim)", "self.head_dim")),
        (
            "scaled-by-root-n-embd",
            ("math.sqrt(self.head_dim)", "math.sqrt(self.n_embd)"),
        ),
        ("scaled-by-n-embd", ("math.sqrt(self.head_dim)", "self.n_embd")),
        (
            "scaled-by-root-n-head",
            ("math.sqrt(self.head_dim)", "math.sqrt(self.n_head)"),
        ),
        ("scaled-by-n-head", ("math.sqrt(self.head_dim)", "self.n_head")),
        ("multiplied-by-root-head-dim", ("/ math.sqrt", "* math.sqrt")),
        (
            "multiplied-by-root-head-dim",
            ("/ math.sqrt(self.head_dim)", "* self.head_dim"),
        ),
        *(
            (name, ("math.sqrt(self.head_dim)", text))
            for name, text in (
                ("scaled-by-length", "math.sqrt(int(query.shape[-2]))"),
                ("scaled-by-length", "int(query.shape[2])"),
                ("scaled-by-batch", "math.sqrt(int(query.shape[0]))"),
                ("scaled-by-batch", "int(query.shape[0])"),
                ("scaled-by-another-power", "self.head_dim**0.25"),
                ("scaled-by-another-power", "math.isqrt(self.head_dim)"),
                ("scaled-by-another-power", "self.head_dim**2"),
                ("scaled-by-head-dim", "int(query.shape[-1])"),
                ("scaled-by-root-n-head", "math.sqrt(int(query.shape[1]))"),
            )
        ),
        ("softmax-without-maximum", (WEIGHTS, EXPONENTIALS)),
        ("softmax-without-maximum", (WEIGHTS, LOGARITHM)),
        (
            "softmax-without-maximum",
            (
                WEIGHTS,
                EXPONENTIALS.replace(
                    "F.exp(scores)",
                    "F.exp(scores - F.max(F.max(F.max(F.max(scores, axis=-1), axis=-2), "
                    "axis=1), axis=0))",
                ),
            ),
        ),
        ("softmax-over-queries", (WEIGHTS, "weights = F.softmax(scores, axis=-2)")),
        ("softmax-over-heads", (WEIGHTS, "weights = F.softmax(scores, axis=1)")),
        ("no-softmax", (WEIGHTS, "weights = scores")),
        ("no-softmax", (WEIGHTS, "weights = scores"), (MASKED, "pass")),
        (
            "weights-transposed",
            ("weights @ value", "weights.transpose(-1, -2) @ value"),
        ),
        (
            "heads-merged-without-transpose",
            (MERGE, MERGE.replace(".transpose(1, 2)", "")),
        ),
        (
            "heads-split-without-transpose",
            (
                SPLIT,
                "return x.reshape([batch, self.n_head, seq_length, self.head_dim])",
            ),
        ),
        (
            "heads-reshaped-both-ways",
            (
                SPLIT,
                "return x.reshape([batch, self.n_head, seq_length, self.head_dim])",
            ),
            (MERGE, MERGE.replace(".transpose(1, 2)", "")),
        ),
        (
            "head-axis-last",
            (
                SPLIT,
                "x = x.reshape([batch, seq_length, self.head_dim, self.n_head])\n        return x.transpose(2, 3).transpose(1, 2)",
            ),
        ),
        (
            "merged-width-first",
            (
                MERGE,
                MERGE.replace("transpose(1, 2)", "transpose(1, 2).transpose(2, 3)"),
            ),
        ),
        (
            "head-axis-not-moved",
            (SPLIT, SPLIT.replace("return x.transpose(1, 2)", "return x")),
            (MERGE, "return x.reshape([x.shape[0], x.shape[1], self.n_embd])"),
        ),
        (
            "one-head",
            ("self.n_head = config.n_head", "self.n_head = 1"),
            ("config.n_embd // config.n_head", "config.n_embd"),
        ),
        (
            "n-head-and-head-dim-exchanged",
            (
                "self.n_head = config.n_head",
                "self.n_head = config.n_embd // config.n_head",
            ),
            (
                "self.head_dim = config.n_embd // config.n_head",
                "self.head_dim = config.n_head",
            ),
        ),
        ("order-qvk", ("query, key, value = F.split", "query, value, key = F.split")),
        ("order-kqv", ("query, key, value = F.split", "key, query, value = F.split")),
        ("order-vkq", ("query, key, value = F.split", "value, key, query = F.split")),
        ("order-kvq", ("query, key, value = F.split", "key, value, query = F.split")),
        ("order-vqk", ("query, key, value = F.split", "value, query, key = F.split")),
        (
            "projection-cut-by-head",
            (
                "query, key, value = F.split(\n            self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1\n        )",
                "b, s, _ = hidden_states.shape\n        cut = self.c_attn(hidden_states).reshape([b, s, self.n_head, 3 * self.head_dim])\n"
                "        query, key, value = (p.reshape([b, s, self.n_embd]) for p in F.split(cut, [self.head_dim] * 3, axis=-1))",
            ),
        ),
        ("query-with-query", ("query @ key.transpose", "query @ query.transpose")),
        ("query-with-value", ("query @ key.transpose", "query @ value.transpose")),
        ("keys-mixed", ("weights @ value", "weights @ key")),
        ("queries-mixed", ("weights @ value", "weights @ query")),
        ("output-not-projected", (PROJECT, "return self.merge_heads(attended)")),
        (
            "output-projected-twice",
            (PROJECT, "return self.c_proj(self.c_proj(self.merge_heads(attended)))"),
        ),
        ("heads-not-merged", (PROJECT, "return attended.transpose(1, 2)")),
        ("residual-in-attention", (PROJECT, PROJECT + " + hidden_states")),
        ("c-attn-too-narrow", (ATTN, ATTN.replace("3 * ", ""))),
        ("c-attn-two-parts", (ATTN, ATTN.replace("3 * ", "2 * "))),
        ("c-proj-for-three", (OUT, OUT.replace("(config", "(3 * config"))),
        (
            "sizes-exchanged",
            (ATTN, "self.c_attn = Linear(3 * config.n_embd, config.n_embd)"),
        ),
        ("bias-missing", (ATTN, ATTN[:-1] + ", bias=False)")),
        ("bias-missing", (OUT, OUT[:-1] + ", bias=False)")),
        (
            "misspelled-name",
            (OUT, OUT.replace("c_proj", "proj")),
            (PROJECT, PROJECT.replace("c_proj", "proj")),
        ),
        ("extra-parameter", (OUT, OUT + "\n        self.mask = Tensor.ones([8, 8])")),
        ("no-mask+not-scaled", (MASKED, "pass"), (" / math.sqrt(self.head_dim)", "")),
        (
            "scaled-by-head-dim+heads-merged-without-transpose",
            ("math.sqrt(self.head_dim)", "self.head_dim"),
            (MERGE, MERGE.replace(".transpose(1, 2)", "")),
        ),
        (
            "no-mask+order-kqv",
            (MASKED, "pass"),
            ("query, key, value = F.split", "key, query, value = F.split"),
        ),
    ],
    8: [
        ("no-residual", (RESIDUAL, "return sublayer(layer_norm(x))")),
        ("post-norm", (RESIDUAL, "return layer_norm(x + sublayer(x))")),
        ("no-norm", (RESIDUAL, "return x + sublayer(x)")),
        ("norm-after-sublayer", (RESIDUAL, "return x + layer_norm(sublayer(x))")),
        (
            "norm-before-and-after",
            (RESIDUAL, "return x + layer_norm(sublayer(layer_norm(x)))"),
        ),
        ("norm-twice", (RESIDUAL, "return x + sublayer(layer_norm(layer_norm(x)))")),
        (
            "normalized-residual",
            (RESIDUAL, "x = layer_norm(x)\n    return x + sublayer(x)"),
        ),
        ("residual-twice", (RESIDUAL, "return x + x + sublayer(layer_norm(x))")),
        (
            "sublayer-added-twice",
            (RESIDUAL, "y = sublayer(layer_norm(x))\n    return x + y + y"),
        ),
        (
            "sublayer-applied-twice",
            (RESIDUAL, "return x + sublayer(sublayer(layer_norm(x)))"),
        ),
        ("sublayer-missing", (RESIDUAL, "return x + layer_norm(x)")),
        ("sublayer-missing", (RESIDUAL, "return layer_norm(x)")),
        ("residual-subtracted", ("x + sublayer", "x - sublayer")),
        ("residual-multiplied", ("x + sublayer", "x * sublayer")),
        (
            "no-residual+post-norm",
            (RESIDUAL, "return layer_norm(sublayer(x))"),
        ),
    ],
    9: [
        (
            "attention-without-residual",
            (HALF_1, "hidden_states = self.attn(self.ln_1(hidden_states))"),
        ),
        ("mlp-without-residual", (HALF_2, "return self.mlp(self.ln_2(hidden_states))")),
        (
            "block-without-residuals",
            (HALF_1, "hidden_states = self.attn(self.ln_1(hidden_states))"),
            (HALF_2, "return self.mlp(self.ln_2(hidden_states))"),
        ),
        (
            "attention-without-norm",
            (HALF_1, "hidden_states = hidden_states + self.attn(hidden_states)"),
        ),
        (
            "mlp-without-norm",
            (HALF_2, "return hidden_states + self.mlp(hidden_states)"),
        ),
        (
            "block-post-norm",
            (
                HALF_1,
                "hidden_states = self.ln_1(hidden_states + self.attn(hidden_states))",
            ),
            (HALF_2, "return self.ln_2(hidden_states + self.mlp(hidden_states))"),
        ),
        (
            "block-norm-after-sublayers",
            (
                HALF_1,
                "hidden_states = hidden_states + self.ln_1(self.attn(hidden_states))",
            ),
            (HALF_2, "return hidden_states + self.ln_2(self.mlp(hidden_states))"),
        ),
        (
            "attention-post-norm",
            (
                HALF_1,
                "hidden_states = self.ln_1(hidden_states + self.attn(hidden_states))",
            ),
        ),
        (
            "mlp-post-norm",
            (HALF_2, "return self.ln_2(hidden_states + self.mlp(hidden_states))"),
        ),
        (
            "attention-residual-normalized",
            (
                HALF_1,
                "x = self.ln_1(hidden_states)\n        hidden_states = x + self.attn(x)",
            ),
        ),
        (
            "mlp-residual-normalized",
            (HALF_2, "x = self.ln_2(hidden_states)\n        return x + self.mlp(x)"),
        ),
        (
            "attention-residual-twice",
            (HALF_1, HALF_1.replace("= pre", "= hidden_states + pre")),
        ),
        (
            "mlp-residual-twice",
            (HALF_2, HALF_2.replace("return pre", "return hidden_states + pre")),
        ),
        (
            "residual-of-block-input",
            (HALF_1, f"residual = hidden_states\n        {HALF_1}"),
            (HALF_2, "return residual + self.mlp(self.ln_2(hidden_states))"),
        ),
        (
            "mlp-before-attention",
            (HALF_1, HALF_1.replace("ln_1, self.attn", "ln_2, self.mlp")),
            (HALF_2, HALF_2.replace("ln_2, self.mlp", "ln_1, self.attn")),
        ),
        (
            "mlp-before-attention",
            ("self.ln_1, self.attn)", "self.ln_1, self.mlp)"),
            ("self.ln_2, self.mlp)", "self.ln_2, self.attn)"),
        ),
        (
            "halves-side-by-side",
            (HALF_1, "x = hidden_states"),
            (HALF_2, "return x + self.attn(self.ln_1(x)) + self.mlp(self.ln_2(x))"),
        ),
        (
            "halves-side-by-side",
            (HALF_1, "x = hidden_states"),
            (HALF_2, "return x + self.attn(self.ln_1(x)) + self.mlp(self.ln_1(x))"),
        ),
        ("attention-half-missing", (HALF_1, "pass")),
        ("attention-half-missing", (HALF_1, HALF_1.removeprefix("hidden_states = "))),
        ("mlp-half-missing", (HALF_2, "return hidden_states")),
        ("attention-half-twice", (HALF_1, f"{HALF_1}\n        {HALF_1}")),
        (
            "mlp-half-twice",
            (HALF_1, HALF_2.replace("return", "hidden_states =")),
        ),
        ("ln-1-twice", ("self.ln_2, self.mlp)", "self.ln_1, self.mlp)")),
        ("ln-2-twice", ("self.ln_1, self.attn)", "self.ln_2, self.attn)")),
        (
            "norms-exchanged",
            ("self.ln_2, self.mlp)", "self.ln_1, self.mlp)"),
            ("self.ln_1, self.attn)", "self.ln_2, self.attn)"),
        ),
        (
            "block-epsilon-ignored",
            (LN_1, "self.ln_1 = LayerNorm(config.n_embd)"),
            (LN_2, "self.ln_2 = LayerNorm(config.n_embd)"),
        ),
        (
            "n-inner-ignored",
            (
                "config.n_inner if config.n_inner is not None else 4 * config.n_embd",
                "4 * config.n_embd",
            ),
        ),
        ("mlp-as-wide-as-the-model", ("GPT2MLP(inner_dim", "GPT2MLP(config.n_embd")),
        (
            "one-norm-only",
            (LN_2, "pass"),
            ("self.ln_2, self.mlp)", "self.ln_1, self.mlp)"),
        ),
        (
            "attn-and-mlp-names-exchanged",
            ("self.attn = ", "self.x = "),
            ("self.mlp = ", "self.attn = "),
            ("self.x = ", "self.mlp = "),
            ("self.ln_1, self.attn)", "self.ln_1, self.y)"),
            ("self.ln_2, self.mlp)", "self.ln_2, self.attn)"),
            ("self.y)", "self.mlp)"),
        ),
        (
            "misspelled-name",
            ("self.attn = ", "self.attention = "),
            ("self.attn)", "self.attention)"),
        ),
        (
            "attention-without-norm+mlp-without-residual",
            (HALF_1, "hidden_states = hidden_states + self.attn(hidden_states)"),
            (HALF_2, "return self.mlp(self.ln_2(hidden_states))"),
        ),
    ],
    10: [
        (
            "model-positions-without-dtype",
            (POSITIONS, "positions = Tensor.arange(seq_length)"),
        ),
        (
            "positions-of-the-batch",
            ("_, seq_length = input_ids.shape", "seq_length = input_ids.shape[0]"),
        ),
        ("blocks-not-unpacked", ("Sequential(*(", "Sequential((")),
        (
            "blocks-not-unpacked",
            (LAYERS, "Sequential([GPT2Block(config) for _ in range(config.n_layer)])"),
        ),
        (
            "blocks-not-created",
            ("(GPT2Block(config) for", "(GPT2Block for"),
        ),
        ("no-position-embeddings", (EMBED, "x = self.wte(input_ids)")),
        (
            "no-token-embeddings",
            (
                EMBED,
                "x = self.wpe(positions) + (self.wte(input_ids) - self.wte(input_ids))",
            ),
        ),
        (
            "model-positions-from-one",
            ("self.wpe(positions)", "self.wpe(positions + 1)"),
        ),
        (
            "model-positions-wrong",
            ("self.wpe(positions)", "self.wpe(positions - positions)"),
        ),
        (
            "model-positions-wrong",
            ("self.wpe(positions)", "self.wpe(int(seq_length) - 1 - positions)"),
        ),
        ("wpe-of-ids", ("self.wpe(positions)", "self.wpe(input_ids)")),
        ("wte-twice", ("self.wpe(positions)", "self.wte(input_ids)")),
        ("wte-twice", ("self.wpe(positions)", "self.wte(positions)")),
        ("embeddings-multiplied", ("(input_ids) + self", "(input_ids) * self")),
        (
            "model-embedding-scaled",
            (
                "self.wte(input_ids)",
                "int(self.wte.weight.shape[1]) ** 0.5 * self.wte(input_ids)",
            ),
        ),
        ("no-final-norm", ("return self.ln_f(x)", "return x")),
        (
            "final-norm-first",
            ("return self.ln_f(x)", "return x"),
            (STACK, "x = self.h(self.ln_f(x))"),
        ),
        ("final-norm-twice", ("return self.ln_f(x)", "return self.ln_f(self.ln_f(x))")),
        (
            "final-norm-every-block",
            (STACK, "for block in self.h:\n            x = self.ln_f(block(x))"),
            ("return self.ln_f(x)", "return x"),
        ),
        ("model-epsilon-ignored", (LN_F, "self.ln_f = LayerNorm(config.n_embd)")),
        ("no-blocks", (STACK, "pass")),
        ("no-blocks", (STACK, "self.h(x)")),
        (
            "blocks-reversed",
            (STACK, "for block in reversed(list(self.h)):\n            x = block(x)"),
        ),
        (
            "last-block-missing",
            (STACK, "for block in list(self.h)[:-1]:\n            x = block(x)"),
        ),
        (
            "first-block-missing",
            (STACK, "for block in list(self.h)[1:]:\n            x = block(x)"),
        ),
        (
            "first-block-repeated",
            (STACK, "for _ in self.h:\n            x = self.h[0](x)"),
        ),
        (
            "blocks-share-weights",
            (LAYERS, "Sequential(*[GPT2Block(config)] * config.n_layer)"),
        ),
        (
            "blocks-not-chained",
            (
                STACK,
                "start = x\n        for block in self.h:\n            x = block(start)",
            ),
        ),
        ("blocks-not-chained", (STACK, "x = self.h[0](x)")),
        ("blocks-applied-twice", (STACK, "x = self.h(self.h(x))")),
        (
            "blocks-applied-twice",
            (STACK, "for block in self.h:\n            x = block(block(x))"),
        ),
        (
            "residual-around-block",
            (STACK, "for block in self.h:\n            x = x + block(x)"),
        ),
        ("embeddings-added-again", (STACK, "x = x + self.h(x)")),
        ("layers-as-many-as-heads", ("range(config.n_layer)", "range(config.n_head)")),
        ("one-layer-short", ("range(config.n_layer)", "range(config.n_layer - 1)")),
        ("one-layer-short", ("range(config.n_layer)", "range(1, config.n_layer)")),
        ("one-layer-too-many", ("range(config.n_layer)", "range(config.n_layer + 1)")),
        ("layers-hard-coded", ("range(config.n_layer)", "range(12)")),
        ("single-layer", (LAYERS, "Sequential(GPT2Block(config))")),
        ("final-norm-not-created", (LN_F, "pass"), ("return self.ln_f(x)", "return x")),
        ("model-wpe-rows-of-tokens", ("config.n_positions", "config.vocab_size")),
        (
            "tables-exchanged",
            ("config.n_positions", "config.x"),
            ("config.vocab_size", "config.n_positions"),
            ("config.x", "config.vocab_size"),
        ),
        (
            "misspelled-name",
            ("self.h = ", "self.blocks = "),
            (STACK, "x = self.blocks(x)"),
        ),
        (
            "no-position-embeddings+no-final-norm",
            (EMBED, "x = self.wte(input_ids)"),
            ("return self.ln_f(x)", "return x"),
        ),
        (
            "last-block-missing+no-position-embeddings",
            (EMBED, "x = self.wte(input_ids)"),
            (STACK, "for block in list(self.h)[:-1]:\n            x = block(x)"),
        ),
    ],
    11: [
        ("head-not-applied", (HEAD, "return hidden_states")),
        (
            "body-not-applied",
            (
                "self.transformer(input_ids)",
                "self.transformer.wte(input_ids) + self.transformer.wpe(Tensor.arange("
                + _like("input_ids.shape[1]")
                + "))",
            ),
        ),
        (
            "head-without-final-norm",
            (
                "self.transformer(input_ids)",
                "self.transformer.h(self.transformer.wte(input_ids) + self.transformer.wpe(Tensor.arange("
                + _like("input_ids.shape[1]")
                + ")))",
            ),
        ),
        (
            "final-norm-again",
            (
                "self.lm_head(hidden_states)",
                "self.lm_head(self.transformer.ln_f(hidden_states))",
            ),
        ),
        (
            "softmax-of-logits",
            (HEAD, "return F.softmax(self.lm_head(hidden_states))"),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
        (
            "argmax-of-logits",
            (
                HEAD,
                "return F.argmax(self.lm_head(hidden_states)).reshape(input_ids.shape)",
            ),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
        ("logits-of-last-position", (HEAD, HEAD + "[:, -1, :]")),
        ("logits-of-last-position", (HEAD, HEAD + "[:, -1:, :]")),
        ("logits-of-first-position", (HEAD, HEAD + "[:, 0, :]")),
        ("logits-without-last-position", (HEAD, HEAD + "[:, :-1]")),
        ("logits-of-first-sequence", (HEAD, HEAD + "[:1]")),
        ("vocabulary-axis-first", (HEAD, HEAD + ".transpose(1, 2)")),
        ("logits-scaled", (HEAD, HEAD + " / int(hidden_states.shape[2]) ** 0.5")),
        (
            "activation-on-logits",
            (HEAD, 'return F.gelu(self.lm_head(hidden_states), approximate="tanh")'),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
        (
            "activation-before-head",
            (HEAD, 'return self.lm_head(F.gelu(hidden_states, approximate="tanh"))'),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
        ("bias-in-head", (", bias=False", "")),
        (
            "head-sizes-exchanged",
            ("config.n_embd, config.vocab_size", "config.vocab_size, config.n_embd"),
        ),
        ("head-of-positions", ("config.vocab_size", "config.n_positions")),
        (
            "head-not-created",
            (
                "self.lm_head = Linear(config.n_embd, config.vocab_size, bias=False)",
                "pass",
            ),
            (
                HEAD,
                "return hidden_states @ self.transformer.wte.weight.transpose(0, 1)",
            ),
        ),
        (
            "misspelled-name",
            ("self.transformer = ", "self.model = "),
            ("self.transformer(", "self.model("),
        ),
        (
            "softmax-of-logits+final-norm-again",
            (
                HEAD,
                "return F.softmax(self.lm_head(self.transformer.ln_f(hidden_states)))",
            ),
            (
                "from max.experimental.nn",
                "from max.experimental import functional as F\nfrom max.experimental.nn",
            ),
        ),
    ],
    12: [
        ("every-position-chosen", (LAST, "logits = model(input_ids)")),
        (
            "characters-encoded",
            ("tokenizer.encode(text).ids", "[ord(c) for c in text]"),
        ),
        ("characters-encoded", ("tokenizer.encode(text).ids", "list(text.encode())")),
        (
            "token-lost-in-encoding",
            ("tokenizer.encode(text).ids", "tokenizer.encode(text).ids[1:]"),
        ),
        (
            "token-lost-in-encoding",
            ("tokenizer.encode(text).ids", "tokenizer.encode(text).ids[:-1]"),
        ),
        (
            "ids-without-batch-axis",
            (ENCODED, ENCODED.replace("[token_ids]", "token_ids")),
        ),
        ("ids-not-int64", (ENCODED, ENCODED.replace("int64", "int32"))),
        ("ids-not-int64", (ENCODED, ENCODED.replace("int64", "float32"))),
        ("special-tokens-skipped", (", skip_special_tokens=False", "")),
        (
            "tokens-decoded-one-by-one",
            (
                DECODED,
                "return ''.join(tokenizer.decode([i], skip_special_tokens=False) for i in ids)",
            ),
        ),
        ("ids-not-decoded", (DECODED, "return str(ids)")),
        ("first-position", (LAST, LAST.replace("-1", "0"))),
        ("last-but-one-position", (LAST, LAST.replace("-1", "-2"))),
        (
            "argmax-over-positions",
            (LAST, "scores = model(input_ids)\n    logits = scores[:, -1, :]"),
            (
                GREEDY,
                "return F.argmax(scores.transpose(1, 2), axis=-1).reshape(logits.shape)[:, -1:]",
            ),
        ),
        ("least-likely-token", (LAST, LAST.replace("= model", "= 0.0 - model"))),
        (
            "second-best-token",
            (
                GREEDY,
                "second = np.argsort(logits.to_numpy(), axis=-1)[:, -2:-1]\n"
                "        return Tensor(np.ascontiguousarray(second))",
            ),
        ),
        (
            "no-exponential",
            (
                SHARES,
                "positive = np.abs(logits.to_numpy()).astype(np.float64)\n"
                "    probabilities = positive / positive.sum(axis=-1, keepdims=True)",
            ),
        ),
        (
            "greedy-draws",
            (
                "    if temperature == 0.0:\n        return F.argmax(logits, axis=-1)\n",
                "    temperature = temperature or 1.0\n",
            ),
        ),
        (
            "temperature-multiplied",
            ("F.softmax(logits / temperature)", "F.softmax(logits * temperature)"),
        ),
        (
            "temperature-ignored",
            ("F.softmax(logits / temperature)", "F.softmax(logits)"),
        ),
        (
            "temperature-squared",
            ("F.softmax(logits / temperature)", "F.softmax(logits / temperature**2)"),
        ),
        ("always-greedy", ("if temperature == 0.0", "if temperature >= 0.0")),
        ("drawn-evenly", ("rng.choice(len(row), p=row)", "rng.choice(len(row))")),
        (
            "softmax-twice",
            (
                SHARES,
                "probabilities = F.softmax(F.softmax(logits / temperature)).to_numpy()",
            ),
        ),
        (
            "one-draw-for-the-batch",
            (
                DRAWS,
                "draws = [[rng.choice(len(probabilities[0]), p=probabilities[0])]] * len(probabilities)",
            ),
        ),
        ("rng-ignored", (FRESH, "rng = np.random.default_rng()")),
        ("fixed-seed", (FRESH, "rng = np.random.default_rng(0)")),
        ("fixed-seed", (FRESH, "rng = rng or np.random.default_rng(0)")),
        ("rng-required", (FRESH, "pass")),
        ("temperature-not-handed-on", (HANDED, "model, input_ids, rng=rng")),
        ("rng-ignored", (HANDED, "model, input_ids, temperature=temperature")),
        ("newest-token-ignored", (APPEND, "pass")),
        ("newest-token-ignored", (APPEND, APPEND.removeprefix("input_ids = "))),
        ("added-not-appended", (APPEND, "input_ids = input_ids + next_token")),
        ("appended-in-front", ("[input_ids, next_token]", "[next_token, input_ids]")),
        ("context-lost", (APPEND, "input_ids = next_token")),
        (
            "token-replaced",
            (APPEND, "input_ids = F.concat([input_ids[:, 1:], next_token], axis=1)"),
        ),
        (
            "token-replaced",
            (RANGE, "prompt = input_ids\n    " + RANGE),
            (APPEND, "input_ids = F.concat([prompt, next_token], axis=1)"),
        ),
        ("one-token-too-many", (RANGE, "for _ in range(max_new_tokens + 1):")),
        ("one-token-too-few", (RANGE, "for _ in range(max_new_tokens - 1):")),
        (
            "first-token-not-yielded",
            (RANGE, "for index in range(max_new_tokens):"),
            (YIELD, "if index:\n            yield next_token"),
        ),
        ("prompt-yielded", (RANGE, "yield input_ids\n    " + RANGE)),
        ("first-of-batch-only", ("in probabilities]", "in probabilities[:1]]")),
        ("sequence-for-position", (LAST, "logits = model(input_ids)[-1]")),
        ("sequence-for-position", (LAST, "logits = model(input_ids)[0]")),
        ("argmax-over-positions", (LAST, "logits = model(input_ids)[:, :, -1]")),
        ("token-with-other-axes", ("[:, -1, :]", "[:, -1:, :]")),
        ("token-with-other-axes", (GREEDY, GREEDY + "[:, 0]")),
        ("token-with-other-axes", (GREEDY, GREEDY + ".transpose(0, 1)")),
        ("token-with-other-axes", ("[[rng.", "[rng."), ("p=row)]", "p=row)")),
        (
            "token-with-other-axes",
            ("draws = [[", "draws = [[["),
            ("p=row)]", "p=row)]]"),
        ),
        (
            "large-logits",
            (
                SHARES,
                "powers = np.exp(logits.to_numpy() / temperature)\n"
                "    probabilities = powers / powers.sum(axis=-1, keepdims=True)",
            ),
        ),
        (
            "large-logits",
            (
                SHARES,
                "powers = np.minimum(np.exp(logits.to_numpy() / temperature), 1e30)\n"
                "    probabilities = powers / powers.sum(axis=-1, keepdims=True)",
            ),
        ),
        (
            "text-so-far-yielded",
            (YIELD, "pass"),
            (APPEND, APPEND + "\n        yield input_ids"),
        ),
        ("text-so-far-yielded", (YIELD, "yield input_ids")),
        (
            "ids-not-int64",
            (
                "Tensor(draws, dtype=DType.int64, device=input_ids.device)",
                "Tensor(draws)",
            ),
        ),
        ("first-of-batch-only", (LAST, "logits = model(input_ids)[:1, -1, :]")),
        (
            "not-a-generator",
            (YIELD, "tokens.append(next_token)"),
            (RANGE, "tokens = []\n    " + RANGE),
            (APPEND, APPEND + "\n    return tokens"),
        ),
        (
            "tokens-held-back",
            (YIELD, "tokens.append(next_token)"),
            (RANGE, "tokens = []\n    " + RANGE),
            (APPEND, APPEND + "\n    yield from tokens"),
        ),
    ],
}

KNOWN = [
    Mutant(step, mistake, changed(step, *changes), f"{step:02d}-{mistake}-{index}")
    for step, mutants in CHANGES.items()
    for index, (mistake, *changes) in enumerate(mutants)
]
