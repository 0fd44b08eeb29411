"""Mechanical mutants that a check accepts because they do the same, and why.

`test_mutants.py` fails if one of them is rejected after all, or if another is accepted.
"""

NOTHING_SET_UP = (
    "MAX's Module has nothing to set up: attributes are registered when set"
)
THE_DEFAULT = "this is the argument's default"
A_NUMBER = "sequence_length is a number here; a Dim is needed in a compiled graph only"
DEFAULT_DEVICE = "the check makes its device the default one"
SAME_AXIS = "from either end of the shape, this is the same axis"
EITHER_ORDER = "the order does not matter"

EQUIVALENT = {
    "step 2: total_length = Dim(sequence_length) + num_tokens -> total_length = num_tokens + Dim(sequence_length)": EITHER_ORDER,
    "step 2: total_length = Dim(sequence_length) + num_tokens -> total_length = sequence_length + num_tokens": A_NUMBER,
    "step 2: minus_infinity = Tensor(float('-inf'), dtype=dtype, device=device) -> minus_infinity = Tensor(float('-inf'), dtype=dtype)": EITHER_ORDER,
    "step 2: return F.band_part(mask, num_lower=None, num_upper=num_tokens, exclude=True) -> return F.band_part(mask, num_upper=num_tokens, exclude=True)": THE_DEFAULT,
    "step 3: super().__init__() -> pass": NOTHING_SET_UP,
    "step 4: super().__init__() -> pass": NOTHING_SET_UP,
    "step 5: super().__init__() -> pass": NOTHING_SET_UP,
    "step 6: super().__init__() -> pass": NOTHING_SET_UP,
    "step 6: positions = Tensor.arange(seq_length, dtype=input_ids.dtype, device=input_ids.device) -> positions = Tensor.arange(seq_length, dtype=input_ids.dtype)": DEFAULT_DEVICE,
    "step 7: super().__init__() -> pass": NOTHING_SET_UP,
    "step 7: self.c_attn = Linear(config.n_embd, 3 * config.n_embd) -> self.c_attn = Linear(config.n_embd, config.n_embd * 3)": EITHER_ORDER,
    "step 7: return x.transpose(1, 2) -> return x.transpose(2, 1)": EITHER_ORDER,
    "step 7: return x.transpose(1, 2).reshape([batch, seq_length, self.n_embd]) -> return x.transpose(2, 1).reshape([batch, seq_length, self.n_embd])": EITHER_ORDER,
    "step 7: scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_dim) -> scores = query @ key.transpose(-2, -1) / math.sqrt(self.head_dim)": EITHER_ORDER,
    "step 7: scores = query @ key.transpose(-1, -2) / math.sqrt(self.head_dim) -> scores = query @ key.transpose(-1, +2) / math.sqrt(self.head_dim)": SAME_AXIS,
    "step 7: seq_length = query.shape[-2] -> seq_length = query.shape[+2]": SAME_AXIS,
    "step 7: scores = scores + causal_mask(seq_length, 0, dtype=scores.dtype, device=scores.device) -> scores = causal_mask(seq_length, 0, dtype=scores.dtype, device=scores.device) + scores": EITHER_ORDER,
    "step 7: query, key, value = F.split(self.c_attn(hidden_states), [self.n_embd] * 3, axis=-1) -> query, key, value = F.split(self.c_attn(hidden_states), 3 * [self.n_embd], axis=-1)": EITHER_ORDER,
    "step 8: return x + sublayer(layer_norm(x)) -> return sublayer(layer_norm(x)) + x": EITHER_ORDER,
    "step 9: super().__init__() -> pass": NOTHING_SET_UP,
    "step 9: inner_dim = config.n_inner if config.n_inner is not None else 4 * config.n_embd -> inner_dim = config.n_inner if config.n_inner is not None else config.n_embd * 4": EITHER_ORDER,
    "step 10: super().__init__() -> pass": NOTHING_SET_UP,
    "step 10: positions = Tensor.arange(seq_length, dtype=input_ids.dtype, device=input_ids.device) -> positions = Tensor.arange(seq_length, dtype=input_ids.dtype)": DEFAULT_DEVICE,
    "step 10: x = self.wte(input_ids) + self.wpe(positions) -> x = self.wpe(positions) + self.wte(input_ids)": EITHER_ORDER,
    "step 11: super().__init__() -> pass": NOTHING_SET_UP,
    "step 12: return Tensor([token_ids], dtype=DType.int64, device=device) -> return Tensor([token_ids], dtype=DType.int64)": DEFAULT_DEVICE,
    "step 12: return F.argmax(logits, axis=-1) -> return F.argmax(logits)": THE_DEFAULT,
    "step 12: return F.argmax(logits, axis=-1) -> return F.argmax(logits, axis=+1)": SAME_AXIS,
    "step 12: return Tensor(draws, dtype=DType.int64, device=input_ids.device) -> return Tensor(draws, dtype=DType.int64)": DEFAULT_DEVICE,
}
