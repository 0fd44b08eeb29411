"""What a reader types who comes from torch or NumPy, or is tired: slips, not mistakes.

Most end in an exception of Python, NumPy or MAX. Each is a solution with some changes.
"""

from tests.project.mutants import known
from tests.project.mutants.mutant import Mutant, changed

NORM = known.RETURN_NORM
BY_HAND = known.BY_HAND
FORWARD = "return self.wte(input_ids)"
POSITIONS = known.POSITIONS
SPLIT_SHAPE = "batch, seq_length, _ = x.shape"
MERGE_SHAPE = "batch, _, seq_length, _ = x.shape"
TO_LIST = "[ids] = token_ids.to_numpy().tolist()"


def hand(old, new):
    """A slip in a layer norm that is written out."""
    return ((NORM, BY_HAND), (old, new))


def gelu(old, new):
    """A slip in a GELU that is written out."""
    return (known.TANH, (old, new))


def torch_import(old, text):
    """A line that is added below an import."""
    return (old, f"{old}\n{text}")


# By step: what is changed, as pairs of old and new text.
CHANGES = {
    1: [
        (("@dataclass", "@dataclas"),),
        (("from dataclasses import dataclass\n", ""),),
        (("n_head: int = 12", "n_head: int"),),
        (("n_head: int = 12", "n_head: integer = 12"),),
        (("n_head: int = 12", "n_head int = 12"),),
        (("n_embd: int = 768", "n_embed: int = 768"),),
        (("n_layer: int = 12", "n_layer: list = []"),),
        (("class GPT2Config:", "class Gpt2Config:"),),
    ],
    2: [
        (
            (
                "F.broadcast_to(minus_infinity, [sequence_length, total_length])",
                "F.broadcast_to(minus_infinity, sequence_length, total_length)",
            ),
        ),
        (("F.broadcast_to(minus_infinity,", "F.broadcast_to(float('-inf'),"),),
        (("F.broadcast_to", "F.expand"),),
        (("F.broadcast_to", "F.full"),),
        ((known.BAND, "return mask.triu(num_tokens + 1)"),),
        ((known.BAND, "return F.triu(mask, num_tokens + 1)"),),
        ((known.BAND, "return np.triu(mask, num_tokens + 1)"),),
        ((known.BAND, "import numpy as np\n    return np.triu(mask, num_tokens + 1)"),),
        (("num_upper=num_tokens", "upper=num_tokens"),),
        ((known.BAND, known.BAND.removeprefix("return ")),),
        ((known.BAND, "mask = " + known.BAND.removeprefix("return ")),),
        (('Tensor(float("-inf"), dtype=dtype, device=device)', 'float("-inf")'),),
        (
            (
                'Tensor(float("-inf"), dtype=dtype, device=device)',
                "Tensor(-inf, dtype=dtype, device=device)",
            ),
        ),
        (
            (
                'Tensor(float("-inf"), dtype=dtype, device=device)',
                'Tensor(float("-inf"), dtype, device)',
            ),
        ),
        (
            (
                'Tensor(float("-inf"), dtype=dtype, device=device)',
                'Tensor(float("-inf"), dtype="float32", device=device)',
            ),
        ),
        (
            (
                'Tensor(float("-inf"), dtype=dtype, device=device)',
                'Tensor(float("-inf"), dtype=dtype, device="cpu")',
            ),
        ),
        ((known.COLUMNS, "len(sequence_length) + num_tokens"),),
        ((known.COLUMNS, "sequence_length + num_token"),),
        ((known.COLUMNS, "dim(sequence_length) + num_tokens"),),
        (
            (
                "from max.experimental import functional as F",
                "import max.functional as F",
            ),
        ),
        (
            (
                "from max.experimental import functional as F",
                "from max import functional as F",
            ),
        ),
        (("from max.experimental import functional as F\n", ""),),
        (
            (
                "from max.experimental import functional as F",
                "import torch.nn.functional as F",
            ),
        ),
        (
            ("sequence_length: DimLike,", "sequence_length,"),
            ("[sequence_length, total_length]", "(sequence_length total_length)"),
        ),
        (("def causal_mask(", "def casual_mask("),),
        (("    num_tokens: int,\n", ""),),
    ],
    3: [
        ((NORM, NORM.removeprefix("return ")),),
        ((NORM, "return F.layer_norm(x, self.weight, self.bias, eps=self.eps)"),),
        (
            (
                NORM,
                "return F.layer_norm(x, weight=self.weight, bias=self.bias, eps=self.eps)",
            ),
        ),
        (
            (
                NORM,
                "return F.layer_norm(x, x.shape[-1:], self.weight, self.bias, self.eps)",
            ),
        ),
        ((NORM, "return F.layer_norm(x)"),),
        ((NORM, "return F.layernorm(x, self.weight, self.bias, self.eps)"),),
        (("epsilon=self.eps", "epsilon=eps"),),
        (("gamma=self.weight", "gamma=weight"),),
        (("gamma=self.weight", "gamma=self.gamma"),),
        (("gamma=self.weight", "gamma=self.wieght"),),
        (("super().__init__()", "super.__init__()"),),
        (("def forward(self, x", "def forward(x"),),
        (("def forward(self, x", "def fowrard(self, x"),),
        (("Tensor.ones([dim])", "Tensor.ones(dim)"),),
        (("Tensor.ones([dim])", "F.ones(dim)"),),
        (("Tensor.ones([dim])", "np.ones(dim)"),),
        (("Tensor.ones([dim])", "torch.ones(dim)"),),
        (("Tensor.ones([dim])", "Tensor.one([dim])"),),
        (("Tensor.ones([dim])", "Parameter(Tensor.ones([dim]))"),),
        (("Tensor.ones([dim])", "nn.Parameter(Tensor.ones([dim]))"),),
        (("Tensor.ones([dim])", "[1.0] * dim"),),
        (("self.weight = Tensor.ones", "weight = Tensor.ones"),),
        (
            (
                "self.bias = Tensor.zeros([dim])",
                "self.register_buffer('bias', Tensor.zeros([dim]))",
            ),
        ),
        (("self.eps = eps", "eps = eps"),),
        (("class LayerNorm(Module[[Tensor], Tensor])", "class LayerNorm(nn.Module)"),),
        (("class LayerNorm(Module[[Tensor], Tensor])", "class LayerNorm(LayerNorm)"),),
        (("*, eps: float = 1e-5", "eps"),),
        hand("F.mean(x, axis=-1)", "F.mean(x, dim=-1)"),
        hand("F.mean(x, axis=-1)", "F.mean(x, axis=-1, keepdims=True)"),
        hand("F.mean(x, axis=-1)", "F.mean(x, -1, keepdim=True)"),
        hand("F.mean(x, axis=-1)", "x.mean(-1, keepdim=True)"),
        hand("F.mean(x, axis=-1)", "x.mean(dim=-1, keepdim=True)"),
        hand("F.mean(x, axis=-1)", "F.mean(x, axis=3)"),
        hand("F.mean(x, axis=-1)", "np.mean(x, axis=-1, keepdims=True)"),
        hand("F.mean(x, axis=-1)", "F.mean(x, axis=-1).squeeze(-1)"),
        hand("F.mean(x, axis=-1)", "F.sum(x, axis=-1) / len(x)"),
        hand("F.mean(x, axis=-1)", "sum(x) / x.shape[-1]"),
        hand("F.mean(x, axis=-1)", "F.sum(x, axis=-1) / x.shape[-1]"),
        hand("F.mean(x, axis=-1)", "F.sum(x, axis=-1) / x.size(-1)"),
        hand("F.mean(x, axis=-1)", "F.avg(x, axis=-1)"),
        hand("F.mean(centered * centered, axis=-1)", "F.var(x, axis=-1)"),
        hand("F.mean(centered * centered, axis=-1)", "x.var(-1, unbiased=False)"),
        hand("F.mean(centered * centered, axis=-1)", "np.var(x, axis=-1)"),
        hand("F.mean(centered * centered, axis=-1)", "F.mean(F.square(centered))"),
        hand("F.mean(centered * centered, axis=-1)", "F.mean(centered ^ 2, axis=-1)"),
        hand("F.sqrt(variance", "np.sqrt(variance"),
        hand("F.sqrt(variance", "math.sqrt(variance"),
        hand("F.sqrt(variance + self.eps)", "torch.sqrt(variance + self.eps)"),
        hand("F.sqrt(variance + self.eps)", "(variance + self.eps).sqrt()"),
        hand("F.sqrt(variance + self.eps)", "F.sqrt(variance, self.eps)"),
        hand("normalized * self.weight", "normalized @ self.weight"),
        hand(
            "centered = x", "if x.mean() > 0:\n            x = x\n        centered = x"
        ),
        hand("centered = x", "if x > 0:\n            x = x\n        centered = x"),
    ],
    4: [
        ((known.GELU, "hidden_states = np.tanh(hidden_states)"),),
        (
            torch_import(
                "from max.experimental.tensor import Tensor", "import numpy as np"
            ),
            (known.GELU, "hidden_states = np.tanh(hidden_states)"),
        ),
        (
            torch_import("from max.experimental.tensor import Tensor", "import math"),
            (known.GELU, "hidden_states = math.tanh(hidden_states)"),
        ),
        (
            torch_import("from max.experimental.tensor import Tensor", "import torch"),
            (known.GELU, "hidden_states = torch.tanh(hidden_states)"),
        ),
        ((known.GELU, "hidden_states = F.gelu(hidden_states, approximate=tanh)"),),
        ((known.GELU, "hidden_states = F.gelu(hidden_states, approximate='Tanh')"),),
        ((known.GELU, "hidden_states = F.gelu(hidden_states, approximate=True)"),),
        ((known.GELU, "hidden_states = F.gelu(approximate='tanh')"),),
        ((known.GELU, "hidden_states = F.gelu_new(hidden_states)"),),
        ((known.GELU, "hidden_states = F.GELU()(hidden_states)"),),
        ((known.GELU, "hidden_states = hidden_states.gelu()"),),
        ((known.GELU, "hidden_states = self.act(hidden_states)"),),
        (
            (
                known.GELU,
                "hidden_states = self.dropout(F.gelu(hidden_states, approximate='tanh'))",
            ),
        ),
        ((known.C_FC, known.C_FC.removeprefix("hidden_states = ")),),
        (
            (known.C_FC, known.C_FC.removeprefix("hidden_states = ")),
            (known.GELU, known.GELU.removeprefix("hidden_states = ")),
        ),
        ((known.C_FC, "hidden_states = c_fc(hidden_states)"),),
        ((known.C_FC, "hidden_states = self.c_fc"),),
        ((known.C_FC, "hidden_states = self.c_fc()"),),
        ((known.C_FC, "hidden_states = self.fc(hidden_states)"),),
        ((known.C_FC, "hidden_states = self.c_fc.forward"),),
        (
            (
                known.C_FC,
                "hidden_states = F.linear(hidden_states, self.c_fc.weight, self.c_fc.bias)",
            ),
        ),
        (
            (
                known.C_FC,
                "hidden_states = hidden_states @ self.c_fc.weight + self.c_fc.bias",
            ),
        ),
        ((known.C_FC, "hidden_states = self.c_fc.weight @ hidden_states"),),
        ((known.C_FC, "hidden_states = hidden_states @ self.c_fc.weight.T"),),
        (
            (
                known.C_FC,
                "hidden_states = hidden_states @ self.c_fc.weight.t() + self.c_fc.bias",
            ),
        ),
        ((known.C_FC, "hidden_states = np.matmul(hidden_states, self.c_fc.weight.T)"),),
        ((known.C_PROJ, known.C_PROJ.removeprefix("return ")),),
        ((known.C_PROJ, "return self.c_proj(hidden_states),"),),
        ((known.C_PROJ, "return self.c_proj(hidden_states).to_numpy()"),),
        ((known.C_PROJ, "return self.c_proj(hidden_states)[0]"),),
        ((known.MAKE_FC, "self.c_fc = Linear(config.n_embd)"),),
        ((known.MAKE_FC, "self.c_fc = Linear(config.n_embd, config.n_inner)"),),
        ((known.MAKE_FC, "self.c_fc = Linear(config.n_embed, intermediate_size)"),),
        ((known.MAKE_FC, "self.c_fc = Linear(n_embd, intermediate_size)"),),
        ((known.MAKE_FC, "self.c_fc = Linear(config, intermediate_size)"),),
        (
            (
                known.MAKE_FC,
                "self.c_fc = Linear(in_features=config.n_embd, out_features=intermediate_size)",
            ),
        ),
        ((known.MAKE_FC, "self.c_fc = Linear([config.n_embd, intermediate_size])"),),
        ((known.MAKE_FC, "self.c_fc = nn.Linear(config.n_embd, intermediate_size)"),),
        ((known.MAKE_FC, "self.c_fc = F.linear(config.n_embd, intermediate_size)"),),
        ((known.MAKE_FC, "self.c_fc = Linear(config.n_embd, 4.0 * config.n_embd)"),),
        (
            (known.MAKE_FC, "self.c_fc = Linear(config.n_embd, config.n_embd)"),
            (known.MAKE_PROJ, "self.c_proj = Linear(config.n_embd, intermediate_size)"),
        ),
        ((known.MAKE_PROJ, known.MAKE_PROJ + "\n        self.dropout = Dropout(0.1)"),),
        (
            (
                known.MAKE_PROJ,
                known.MAKE_PROJ + "\n        self.act = GELU(approximate='tanh')",
            ),
        ),
        (("import Linear, Module", "import Linear, Module, Dropout"),),
        (("import Linear, Module", "import GELU, Linear, Module"),),
        (
            (
                "from max.experimental.nn import Linear, Module",
                "from max.nn import Linear, Module",
            ),
        ),
        (
            (
                "from max.experimental.nn import Linear, Module",
                "from torch.nn import Linear, Module",
            ),
        ),
        (("from solution_01 import GPT2Config", "from step_1 import GPT2Config"),),
        (("from solution_01 import GPT2Config", "from .step_01 import GPT2Config"),),
        (("def forward(self, hidden_states: Tensor)", "def forward(hidden_states)"),),
        (("def forward(self, hidden_states: Tensor)", "def forward(self)"),),
        (
            (
                "def __init__(self, intermediate_size: int, config: GPT2Config)",
                "def __init__(self, config)",
            ),
        ),
        (
            (
                "def __init__(self, intermediate_size: int, config: GPT2Config)",
                "def __init__(self, config, intermediate_size)",
            ),
        ),
        gelu("F.tanh(inner)", "math.tanh(inner)"),
        gelu("F.tanh(inner)", "np.tanh(inner)"),
        gelu("F.tanh(inner)", "F.tan(inner)"),
        gelu("F.tanh(inner)", "tanh(inner)"),
        gelu("F.tanh(inner)", "inner.tanh()"),
        gelu("x * x * x", "np.power(x, 3)"),
        gelu("x * x * x", "F.pow(x)"),
        gelu("x * x * x", "x ^ 3"),
        gelu("0.7978845608028654", "F.sqrt(2 / math.pi)"),
        gelu("0.7978845608028654", "F.sqrt(2 / 3.14159)"),
        gelu("0.7978845608028654", "Tensor(0.7978845608028654, dtype='float64')"),
    ],
    5: [
        ((FORWARD, "return self.wte[input_ids]"),),
        ((FORWARD, "return self.wte.weight[input_ids]"),),
        ((FORWARD, "return self.wte"),),
        ((FORWARD, "self.wte(input_ids)"),),
        ((FORWARD, "return self.wte(self, input_ids)"),),
        ((FORWARD, "return self.wte(input_ids.float())"),),
        ((FORWARD, "return self.wte(input_ids.to_numpy())"),),
        ((FORWARD, "return self.wte.weight[input_ids.to_numpy()]"),),
        ((FORWARD, "return self.embedding(input_ids)"),),
        ((FORWARD, "return wte(input_ids)"),),
        ((FORWARD, "return [self.wte(i) for i in input_ids]"),),
        (
            (
                "Embedding(config.vocab_size, dim=config.n_embd)",
                "Embedding(config.vocab_size, config.n_embd)",
            ),
        ),
        (
            (
                "Embedding(config.vocab_size, dim=config.n_embd)",
                "Embedding(num_embeddings=config.vocab_size, embedding_dim=config.n_embd)",
            ),
        ),
        (("Embedding(config.vocab_size, dim=config.n_embd)", "Embedding(config)"),),
        (
            (
                "Embedding(config.vocab_size, dim=config.n_embd)",
                "nn.Embedding(config.vocab_size, config.n_embd)",
            ),
        ),
        (
            (
                "Embedding(config.vocab_size, dim=config.n_embd)",
                "Embedding(config.vocab_size, dim=config.n_embed)",
            ),
        ),
        (
            (
                "Embedding(config.vocab_size, dim=config.n_embd)",
                "Tensor.zeros([config.vocab_size, config.n_embd])",
            ),
        ),
    ],
    6: [
        (("_, seq_length = input_ids.shape", "seq_length = input_ids.shape"),),
        (("_, seq_length = input_ids.shape", "_, seq_length, _ = input_ids.shape"),),
        (("_, seq_length = input_ids.shape", "seq_length = input_ids.size(1)"),),
        (("_, seq_length = input_ids.shape", "seq_length = input_ids.size()"),),
        (("_, seq_length = input_ids.shape", "seq_length = len(input_ids[0])"),),
        (("_, seq_length = input_ids.shape", "seq_length = input_ids.shape(1)"),),
        (("_, seq_length = input_ids.shape", "seq_length = input_ids.shape[2]"),),
        ((POSITIONS, "positions = range(seq_length)"),),
        ((POSITIONS, "positions = list(range(seq_length))"),),
        ((POSITIONS, "positions = [i for i in range(int(seq_length))]"),),
        ((POSITIONS, "import numpy as np\n        positions = np.arange(seq_length)"),),
        (
            (
                POSITIONS,
                "import numpy as np\n        positions = np.arange(int(seq_length))",
            ),
        ),
        ((POSITIONS, "positions = F.arange(seq_length)"),),
        ((POSITIONS, "positions = Tensor.range(seq_length)"),),
        ((POSITIONS, "positions = Tensor.arange(seq_length, dtype=int)"),),
        ((POSITIONS, "positions = Tensor.arange(seq_length, dtype='int64')"),),
        ((POSITIONS, "positions = Tensor(range(int(seq_length)))"),),
        (
            (
                POSITIONS,
                "positions = Tensor.arange(input_ids.shape, dtype=input_ids.dtype)",
            ),
        ),
        (("return self.wpe(positions)", "return self.wpe(seq_length)"),),
        (("return self.wpe(positions)", "return self.wpe[positions]"),),
        (
            (
                "return self.wpe(positions)",
                "return self.wpe(positions.unsqueeze(0).expand(input_ids))",
            ),
        ),
    ],
    7: [
        ((SPLIT_SHAPE, "batch, seq_length = x.shape"),),
        ((SPLIT_SHAPE, "batch, seq_length, _, _ = x.shape"),),
        ((SPLIT_SHAPE, "batch, seq_length, _ = x.size()"),),
        ((SPLIT_SHAPE, "batch, seq_length, _ = x"),),
        ((SPLIT_SHAPE, "batch, seq_length = x.shape[0], x.shape[3]"),),
        ((MERGE_SHAPE, "batch, seq_length, _ = x.shape"),),
        (
            (
                "x = x.reshape([batch, seq_length, self.n_head, self.head_dim])",
                "x = x.view(batch, seq_length, self.n_head, self.head_dim)",
            ),
        ),
        (
            (
                "x = x.reshape([batch, seq_length, self.n_head, self.head_dim])",
                "x = x.reshape(batch, seq_length, self.n_head, self.head_dim)",
            ),
        ),
        (
            (
                "x = x.reshape([batch, seq_length, self.n_head, self.head_dim])",
                "x = x.reshape([batch, seq_length, self.n_head])",
            ),
        ),
        (
            (
                "x = x.reshape([batch, seq_length, self.n_head, self.head_dim])",
                "x = x.reshape([batch, seq_length, n_head, head_dim])",
            ),
        ),
        (
            (
                "x = x.reshape([batch, seq_length, self.n_head, self.head_dim])",
                "x = x.reshape([batch, seq_length, self.n_heads, self.head_dim])",
            ),
        ),
        (
            (
                "x = x.reshape([batch, seq_length, self.n_head, self.head_dim])",
                "x.reshape([batch, seq_length, self.n_head, self.head_dim])",
            ),
        ),
        (("return x.transpose(1, 2)\n\n", "return x.permute(0, 2, 1, 3)\n\n"),),
        (("return x.transpose(1, 2)\n\n", "return x.transpose(0, 2, 1, 3)\n\n"),),
        (("return x.transpose(1, 2)\n\n", "return x.transpose([0, 2, 1, 3])\n\n"),),
        (("return x.transpose(1, 2)\n\n", "return x.T\n\n"),),
        (("return x.transpose(1, 2)\n\n", "return x.swapaxes(1, 2)\n\n"),),
        (("return x.transpose(1, 2)\n\n", "return F.permute(x, 0, 2, 1, 3)\n\n"),),
        (("return x.transpose(1, 2)\n\n", "x.transpose(1, 2)\n\n"),),
        (("return x.transpose(1, 2)\n\n", "return x.transpose(1, 4)\n\n"),),
        (
            (
                known.MERGE,
                "return x.transpose(1, 2).contiguous().view(batch, seq_length, self.n_embd)",
            ),
        ),
        ((known.MERGE, "return x.transpose(1, 2).flatten(2)"),),
        (
            (
                known.MERGE,
                "return x.transpose(1, 2).reshape([batch, seq_length, self.n_head])",
            ),
        ),
        (("key.transpose(-1, -2)", "key.mT"),),
        (("key.transpose(-1, -2)", "key.transpose()"),),
        (("query @ key.transpose(-1, -2)", "query * key"),),
        (("query @ key.transpose(-1, -2)", "query * key.transpose(-1, -2)"),),
        (("query @ key.transpose(-1, -2)", "np.matmul(query, key)"),),
        (("query @ key.transpose(-1, -2)", "query.matmul(key.transpose(-1, -2))"),),
        (
            (
                "query @ key.transpose(-1, -2)",
                "torch.matmul(query, key.transpose(-1, -2))",
            ),
        ),
        (("query @ key.transpose(-1, -2)", "F.einsum('bhqd,bhkd->bhqk', query, key)"),),
        (("query @ key.transpose(-1, -2)", "F.matmul(query, key, transpose_b=True)"),),
        (("math.sqrt(self.head_dim)", "F.sqrt(self.head_dim)"),),
        (("math.sqrt(self.head_dim)", "math.sqrt(query.shape[-1])"),),
        (("math.sqrt(self.head_dim)", "np.sqrt(query.shape[-1])"),),
        (("math.sqrt(self.head_dim)", "query.shape[-1] ** 0.5"),),
        (("math.sqrt(self.head_dim)", "math.sqrt(head_dim)"),),
        (("math.sqrt(self.head_dim)", "math.sqrt(query)"),),
        (("math.sqrt(self.head_dim)", "sqrt(self.head_dim)"),),
        (("math.sqrt(self.head_dim)", "math.sqrt(query.size(-1))"),),
        (("math.sqrt(self.head_dim)", "query.shape[-1]"),),
        (
            (
                known.MASKED,
                "scores = scores.masked_fill(causal_mask(seq_length, 0, dtype=scores.dtype, device=scores.device) == 0, float('-inf'))",
            ),
        ),
        ((known.MASKED, "scores = scores + causal_mask(seq_length)"),),
        ((known.MASKED, "scores = scores + causal_mask(seq_length, 0)"),),
        (
            (
                known.MASKED,
                "scores = scores + causal_mask(seq_length, seq_length, dtype=scores.dtype, device=scores.device)",
            ),
        ),
        (
            (
                known.MASKED,
                "scores = scores + causal_mask(int(seq_length), 1, dtype=scores.dtype, device=scores.device)",
            ),
        ),
        (
            (
                known.MASKED,
                "scores = scores + causal_mask(scores.shape, 0, dtype=scores.dtype, device=scores.device)",
            ),
        ),
        (
            (
                known.MASKED,
                "scores = scores + causal_mask(scores, 0, dtype=scores.dtype, device=scores.device)",
            ),
        ),
        (
            (
                known.MASKED,
                "scores += causal_mask(seq_length, 0, dtype=DType.float32, device=scores.device)",
            ),
        ),
        ((known.MASKED, "scores = scores + self.mask"),),
        (
            (
                known.MASKED,
                "scores = scores + self.bias[:, :, :seq_length, :seq_length]",
            ),
        ),
        ((known.MASKED, "for i in range(seq_length):\n            pass"),),
        ((known.MASKED, "if scores > 0:\n            pass"),),
        ((known.WEIGHTS, "weights = F.softmax(scores, dim=-1)"),),
        ((known.WEIGHTS, "weights = F.softmax(scores, -1, dtype=scores.dtype)"),),
        ((known.WEIGHTS, "weights = scores.softmax(-1)"),),
        ((known.WEIGHTS, "weights = softmax(scores)"),),
        ((known.WEIGHTS, "weights = F.softmax(None)"),),
        ((known.WEIGHTS, "weights = scores = None"),),
        ((known.WEIGHTS, "weights = np.exp(scores)"),),
        (
            torch_import("import math", "import numpy as np"),
            (known.WEIGHTS, "weights = np.exp(scores) / np.exp(scores).sum()"),
        ),
        (
            torch_import("import math", "import numpy as np"),
            (known.WEIGHTS, "weights = np.exp(scores - np.max(scores))"),
        ),
        ((known.WEIGHTS, "weights = self.dropout(F.softmax(scores))"),),
        ((known.WEIGHTS, "weights = F.dropout(F.softmax(scores), 0.1)"),),
        (("return weights @ value", "return value"),),
        (("return weights @ value", "weights @ value"),),
        (("return weights @ value", "return weights @ value, weights"),),
        (("return weights @ value", "return weights"),),
        (
            (
                "self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1",
                "self.c_attn(hidden_states), 3, axis=-1",
            ),
        ),
        (
            (
                "self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1",
                "self.c_attn(hidden_states), self.n_embd, dim=2",
            ),
        ),
        (
            (
                "self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1",
                "self.c_attn(hidden_states), [self.n_embd] * 3",
            ),
        ),
        (
            (
                "self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1",
                "self.c_attn(hidden_states), [self.n_embd] * 2, axis=-1",
            ),
        ),
        (
            (
                "self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1",
                "hidden_states, [self.n_embd] * 3, axis=-1",
            ),
        ),
        (
            (
                "self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1",
                "self.c_attn, [self.n_embd] * 3, axis=-1",
            ),
        ),
        (
            (
                "F.split(\n            self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1\n        )",
                "self.c_attn(hidden_states)",
            ),
        ),
        (
            (
                "F.split(\n            self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1\n        )",
                "self.c_attn(hidden_states).split(self.n_embd, dim=2)",
            ),
        ),
        (
            (
                "F.split(\n            self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1\n        )",
                "self.c_attn(hidden_states).chunk(3, dim=-1)",
            ),
        ),
        (
            (
                "self.split_heads(query), self.split_heads(key), self.split_heads(value)",
                "query, key, value",
            ),
        ),
        (
            (
                "self.split_heads(query), self.split_heads(key), self.split_heads(value)",
                "split_heads(query), split_heads(key), split_heads(value)",
            ),
        ),
        (
            (
                "self.split_heads(query), self.split_heads(key), self.split_heads(value)",
                "self.split_heads(query), self.split_heads(key)",
            ),
        ),
        (
            (
                "self.split_heads(query), self.split_heads(key), self.split_heads(value)",
                "self.split_heads(query, self.n_head), self.split_heads(key), self.split_heads(value)",
            ),
        ),
        (
            (
                "self.split_heads(query), self.split_heads(key), self.split_heads(value)",
                "self.split_heads(query), key, self.split_heads(value)",
            ),
        ),
        (("def split_heads(self, x", "def split_heads(x"),),
        (("def merge_heads(self, x", "def merge_head(self, x"),),
        ((known.PROJECT, "return self.c_proj(attended)"),),
        ((known.PROJECT, known.PROJECT.removeprefix("return ")),),
        (("config.n_embd // config.n_head", "config.n_embd / config.n_head"),),
        (
            (
                known.ATTN,
                "self.c_attn = Linear(config.n_embd, config.n_embd, config.n_embd)",
            ),
        ),
        ((known.ATTN, "self.c_attn = Linear(config.n_embd, [config.n_embd] * 3)"),),
        (("self.n_head = config.n_head\n", ""),),
        (("self.n_embd = config.n_embd\n", "self.n_embd = n_embd\n"),),
        (("from solution_02 import causal_mask\n", ""),),
    ],
    8: [
        ((known.RESIDUAL, known.RESIDUAL.removeprefix("return ")),),
        ((known.RESIDUAL, "return x + sublayer"),),
        ((known.RESIDUAL, "return x + sublayer(layer_norm)"),),
        ((known.RESIDUAL, "return x + sublayer.forward(layer_norm)"),),
        ((known.RESIDUAL, "return x + self.sublayer(layer_norm(x))"),),
        ((known.RESIDUAL, "return x + sublayer(layer_norm(x), x)"),),
        ((known.RESIDUAL, "return x @ sublayer(layer_norm(x))"),),
        ((known.RESIDUAL, "x += sublayer(layer_norm(x))"),),
        ((known.RESIDUAL, "return [x, sublayer(layer_norm(x))]"),),
    ],
    9: [
        ((known.HALF_1, "hidden_states = pre_norm_residual(self.ln_1, self.attn)"),),
        (
            (
                known.HALF_1,
                "hidden_states = pre_norm_residual(self.ln_1, hidden_states, self.attn)",
            ),
        ),
        (
            (
                known.HALF_1,
                "hidden_states = pre_norm_residual(hidden_states, self.attn, self.ln_1)",
            ),
        ),
        (
            (
                known.HALF_1,
                "hidden_states = self.pre_norm_residual(hidden_states, self.ln_1, self.attn)",
            ),
        ),
        (
            (
                known.HALF_1,
                "hidden_states = pre_norm_residual(hidden_states, self.ln_1, self.attn(hidden_states))",
            ),
        ),
        (
            (
                known.HALF_1,
                "hidden_states = pre_norm_residual(hidden_states, ln_1, attn)",
            ),
        ),
        ((known.HALF_2, known.HALF_2.removeprefix("return ")),),
        (
            (
                known.LN_1,
                "self.ln_1 = LayerNorm(config.n_embd, config.layer_norm_epsilon)",
            ),
        ),
        ((known.LN_1, "self.ln_1 = LayerNorm(config, eps=config.layer_norm_epsilon)"),),
        ((known.LN_1, "self.ln_1 = LayerNorm()"),),
        (
            (
                known.LN_1,
                "self.ln_1 = LayerNorm(config.n_embd, epsilon=config.layer_norm_epsilon)",
            ),
        ),
        ((known.LN_1, "self.ln_1 = LayerNorm"),),
        (("GPT2MLP(inner_dim, config)", "GPT2MLP(config)"),),
        (("GPT2MLP(inner_dim, config)", "GPT2MLP(config, inner_dim)"),),
        (("GPT2MLP(inner_dim, config)", "GPT2MLP(config.n_inner, config)"),),
        (("GPT2MultiHeadAttention(config)", "GPT2MultiHeadAttention()"),),
        (("GPT2MultiHeadAttention(config)", "GPT2MultiHeadAttention"),),
        (
            (
                "GPT2MultiHeadAttention(config)",
                "GPT2MultiHeadAttention(config.n_embd, config.n_head)",
            ),
        ),
        (("GPT2MultiHeadAttention(config)", "GPT2Attention(config)"),),
    ],
    10: [
        ((known.EMBED, "x = self.wte(input_ids) + self.wpe(input_ids.shape[1])"),),
        ((known.EMBED, "x = self.wte + self.wpe"),),
        ((known.EMBED, "x = F.concat([self.wte(input_ids), self.wpe(positions)])"),),
        ((known.EMBED, "x = self.wte(input_ids) + self.wpe(range(seq_length))"),),
        ((known.EMBED, "x = self.wte(input_ids) + self.wpe(seq_length)"),),
        ((known.STACK, "x = self.h(x, None)"),),
        ((known.STACK, "x = self.h[0](x)"),),
        ((known.STACK, "for block in self.h:\n            block(x)"),),
        ((known.STACK, "for i in range(self.n_layer):\n            x = self.h[i](x)"),),
        ((known.LAYERS, "[GPT2Block(config) for _ in range(config.n_layer)]"),),
        (
            (
                known.LAYERS,
                "Sequential([GPT2Block(config) for _ in range(config.n_layer)])",
            ),
        ),
        (
            (
                known.LAYERS,
                "Sequential(GPT2Block(config) for _ in range(config.n_layer))",
            ),
        ),
        ((known.LAYERS, "Sequential(*(GPT2Block(config) for _ in config.n_layer))"),),
        ((known.LAYERS, "Sequential(*(GPT2Block for _ in range(config.n_layer)))"),),
        ((known.LAYERS, "Sequential(*GPT2Block(config) * config.n_layer)"),),
        (
            (
                known.LAYERS,
                "nn.ModuleList([GPT2Block(config) for _ in range(config.n_layer)])",
            ),
        ),
        (("return self.ln_f(x)", "self.ln_f(x)"),),
        (("return self.ln_f(x)", "return self.ln_f"),),
        ((POSITIONS, "positions = range(seq_length)"),),
        ((POSITIONS, "positions = None"),),
        (("_, seq_length = input_ids.shape", "_, seq_length, _ = input_ids.shape"),),
    ],
    11: [
        ((known.HEAD, "return self.lm_head(input_ids)"),),
        ((known.HEAD, known.HEAD.removeprefix("return ")),),
        ((known.HEAD, "return hidden_states @ self.lm_head"),),
        ((known.HEAD, "return hidden_states @ self.lm_head.weight"),),
        ((known.HEAD, "return hidden_states @ self.transformer.wte.T"),),
        ((known.HEAD, "return hidden_states @ self.wte.weight.T"),),
        (("self.transformer(input_ids)", "self.transformer"),),
        (("self.transformer(input_ids)", "self.transformer()"),),
        (("self.transformer(input_ids)", "self.transformer.forward(self, input_ids)"),),
        (("self.transformer(input_ids)", "MaxGPT2Model(input_ids)"),),
        (("MaxGPT2Model(config)", "MaxGPT2Model()"),),
        (("MaxGPT2Model(config)", "MaxGPT2Model"),),
        (("config.vocab_size, bias=False", "config.vocab_size, False"),),
    ],
    12: [
        ((".encode(text).ids", ".encode(text)"),),
        ((".encode(text).ids", ".encode(text).ids()"),),
        ((".encode(text).ids", ".encode(text).input_ids"),),
        ((".encode(text).ids", ".encode(text)['input_ids']"),),
        (("tokenizer.encode(text).ids", "tokenizer(text).input_ids"),),
        (
            (
                "tokenizer.encode(text).ids",
                "tokenizer.encode(text, return_tensors='pt')",
            ),
        ),
        (("tokenizer.encode(text).ids", "tokenizer.tokenize(text)"),),
        (
            (
                known.ENCODED,
                "return Tensor([tokenizer.encode(text)], dtype=DType.int64, device=device)",
            ),
        ),
        ((known.ENCODED, "return token_ids"),),
        ((known.ENCODED, "return [token_ids]"),),
        ((known.ENCODED, "return Tensor([token_ids])"),),
        ((known.ENCODED, "return Tensor([token_ids], dtype=int)"),),
        ((known.ENCODED, "return Tensor([token_ids], dtype=np.int64)"),),
        (
            (
                known.ENCODED,
                "return Tensor([token_ids], device='cpu', dtype=DType.int64)",
            ),
        ),
        ((known.ENCODED, "return torch.tensor([token_ids])"),),
        ((known.ENCODED, "return np.array([token_ids])"),),
        ((TO_LIST, "ids = token_ids"),),
        ((TO_LIST, "ids = token_ids.tolist()"),),
        ((TO_LIST, "ids = token_ids.to_numpy().tolist()"),),
        ((TO_LIST, "ids = token_ids.to_numpy()"),),
        ((TO_LIST, "ids = token_ids.numpy()[0]"),),
        ((TO_LIST, "ids = list(token_ids)"),),
        ((TO_LIST, "ids = token_ids[0]"),),
        ((TO_LIST, "ids = [int(i) for i in token_ids]"),),
        ((TO_LIST, "ids = [i.item() for i in token_ids[0]]"),),
        ((TO_LIST, "ids = token_ids.to_numpy()[0].astype(float)"),),
        ((known.DECODED, "tokenizer.decode(ids, skip_special_tokens=False)"),),
        ((known.DECODED, "return tokenizer.decode(ids, skip_special=False)"),),
        ((known.DECODED, "return tokenizer.convert_ids_to_tokens(ids)"),),
        ((known.LAST, "logits = model.forward(input_ids)[:, -1, :]"),),
        ((known.LAST, "logits = model(input_ids).logits[:, -1, :]"),),
        ((known.LAST, "logits = model(input_ids, None)[:, -1, :]"),),
        ((known.LAST, "logits = model[:, -1, :]"),),
        ((known.LAST, "logits = model(input_ids)"),),
        ((known.LAST, "logits = model(input_ids)[:, -1, :, :]"),),
        ((known.LAST, "logits = model(input_ids)[:, seq_length - 1]"),),
        ((known.LAST, "logits = model(input_ids)[:, len(input_ids[0]) - 1]"),),
        ((known.LAST, "logits = model(input_ids[0])[:, -1, :]"),),
        ((known.LAST, "logits = model(input_ids.to_numpy())[:, -1, :]"),),
        ((known.GREEDY, "return np.argmax(logits, axis=-1)"),),
        ((known.GREEDY, "return logits.argmax(dim=-1)"),),
        ((known.GREEDY, "return logits.argmax(-1, keepdim=True)"),),
        ((known.GREEDY, "return F.argmax(logits, dim=-1)"),),
        ((known.GREEDY, "return F.argmax(logits, axis=2)"),),
        ((known.GREEDY, "return max(logits)"),),
        ((known.GREEDY, "return logits.argmax().item()"),),
        ((known.GREEDY, "return logits.to_numpy().argmax(axis=-1)"),),
        ((known.SHARES, "probabilities = F.softmax(logits / temperature)"),),
        ((known.SHARES, "probabilities = (logits / temperature).to_numpy()"),),
        ((known.SHARES, "probabilities = F.softmax(logits, temperature).to_numpy()"),),
        (
            (
                known.SHARES,
                "probabilities = F.softmax(logits / temperature, axis=0).to_numpy()",
            ),
        ),
        ((known.SHARES, "probabilities = F.softmax(logits.to_numpy() / temperature)"),),
        ((known.SHARES, "probabilities = np.exp(logits / temperature)"),),
        ((known.SHARES, "probabilities = np.exp(logits.to_numpy() / temperature)"),),
        ((known.DRAWS, "draws = rng.choice(len(probabilities), p=probabilities)"),),
        (
            (
                known.DRAWS,
                "draws = rng.choice(probabilities.shape[-1], p=probabilities)",
            ),
        ),
        ((known.DRAWS, "draws = [[rng.choice(row)] for row in probabilities]"),),
        ((known.DRAWS, "draws = [[rng.choice(row, p=row)] for row in probabilities]"),),
        (
            (
                known.DRAWS,
                "draws = [[rng.choice(len(probabilities), p=row)] for row in probabilities]",
            ),
        ),
        ((known.DRAWS, "draws = torch.multinomial(probabilities, 1)"),),
        (
            (
                known.DRAWS,
                "draws = [[rng.multinomial(1, row)] for row in probabilities]",
            ),
        ),
        ((known.FRESH, "rng = rng or np.random.rng()"),),
        ((known.FRESH, "rng = rng or random.Random()"),),
        ((known.APPEND, "input_ids = F.cat([input_ids, next_token], dim=1)"),),
        ((known.APPEND, "input_ids = F.concat(input_ids, next_token, axis=1)"),),
        ((known.APPEND, "input_ids = F.concat([input_ids, next_token])"),),
        ((known.APPEND, "input_ids = F.concat([input_ids, next_token], dim=1)"),),
        ((known.APPEND, "input_ids = F.concat([input_ids, [next_token]], axis=1)"),),
        (
            (
                known.APPEND,
                "input_ids = np.concatenate([input_ids, next_token], axis=1)",
            ),
        ),
        ((known.APPEND, "input_ids = input_ids + next_token"),),
        ((known.APPEND, "input_ids.append(next_token)"),),
        ((known.APPEND, "input_ids = F.concat([input_ids, next_token[0]], axis=1)"),),
        ((known.YIELD, "return next_token"),),
        ((known.YIELD, "yield [next_token]"),),
        ((known.YIELD, "yield next_token.item()"),),
        ((known.YIELD, "yield"),),
        ((known.YIELD, "print(next_token.item())"),),
        ((known.RANGE, "for _ in max_new_tokens:"),),
        ((known.RANGE, "while len(input_ids) < max_new_tokens:"),),
        (
            (
                "model, input_ids, temperature=temperature, rng=rng",
                "model, input_ids, temperature, rng",
            ),
        ),
        (
            (
                "model, input_ids, temperature=temperature, rng=rng",
                "input_ids, temperature=temperature, rng=rng",
            ),
        ),
    ],
}


def _flat(changes):
    """Pairs of old and new text, in whichever way they were grouped."""
    for change in changes:
        if isinstance(change[0], tuple):
            yield from _flat(change)
        else:
            yield change


SLIPS = [
    Mutant(step, None, changed(step, *_flat(slip)), f"{step:02d}-slip-{index}")
    for step, slips in CHANGES.items()
    for index, slip in enumerate(slips)
]
