"""Mechanical mutants that a check accepts because they do the same, and why.

`test_mutants.py` fails if one of them is rejected after all, or if another is accepted.
"""

NOTHING_SET_UP = (
    "MAX's Module has nothing to set up: attributes are registered when set"
)
THE_DEFAULT = "this is the argument's default"
DEFAULT_DEVICE = "the check makes its device the default one"
SAME_AXIS = "from either end of the shape, this is the same axis"
EITHER_ORDER = "the order does not matter"
SAME_ENCODING = "the file that the check writes is ASCII"
OTHER_WORDS = "the message says the same, and more"
SAME_ASSIGNED = "a token that occurs twice is given the same number twice"
NOTHING_RULED_OUT = "without the shortcut, nothing is ruled out either"
NO_TIES = "no two of the check's logits are alike"
ROUNDING = "only the rounding is another"
A_NUMPY_NUMBER = "a whole number of NumPy serves as well"
AS_LONG = "both are equally long"
NO_SPECIAL_TOKEN = "no special token is in the check's texts"
NEVER_AN_END = "a text does not end with what is longer, nor with what has been found"
BEYOND_THE_END = "nothing is held back: 0 as well as -1"
NEVER_IN_UTF_8 = "no text in UTF-8 has the byte 255"
UTF_8_ANYWAY = "UTF-8 is the default where the tests run"
ONLY_LOOKED_UP = "a plain dictionary is looked up in the same way"

EQUIVALENT = {
    "step 2: total_length = Dim(sequence_length) + num_tokens -> total_length = num_tokens + Dim(sequence_length)": EITHER_ORDER,
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
    "step 13: saved = json.loads((folder / 'config.json').read_text(encoding='utf-8')) -> saved = json.loads((folder / 'config.json').read_text())": SAME_ENCODING,
    "step 16: raise ValueError(f'{name} cannot be {getattr(self, name)}.') -> raise ValueError(f'{name} cannot be {self}.')": OTHER_WORDS,
    "step 16: seen = np.unique(token_ids) -> seen = token_ids": SAME_ASSIGNED,
    "step 16: penalized[seen] = np.where(logits[seen] < 0, logits[seen] * penalty, logits[seen] / penalty) -> penalized[seen] = np.where(logits[seen] < 0, penalty * logits[seen], logits[seen] / penalty)": EITHER_ORDER,
    "step 16: if not 0 < top_k < logits.size: -> if not -1 < top_k < logits.size:": NOTHING_RULED_OUT,
    "step 16: if top_p == 1: -> if top_p == 2:": NOTHING_RULED_OUT,
    "step 16: if top_p == 1: -> if top_p == 0:": NOTHING_RULED_OUT,
    "step 16: ascending = np.argsort(logits, kind='stable') -> ascending = np.argsort(logits)": NO_TIES,
    "step 16: cumulative = softmax(logits)[ascending].cumsum(dtype=np.float64) -> cumulative = softmax(logits)[ascending].cumsum()": ROUNDING,
    "step 16: unlikely = cumulative.astype(np.float32) <= np.float32(1 - top_p) -> unlikely = cumulative.astype(np.float32) <= 1 - top_p": ROUNDING,
    "step 16: return np.where(probabilities < min_p * probabilities.max(), -np.inf, logits) -> return np.where(probabilities < probabilities.max() * min_p, -np.inf, logits)": EITHER_ORDER,
    "step 16: logits = logits / np.float32(sampling.temperature) -> logits = logits / sampling.temperature": ROUNDING,
    "step 16: return int(logits.argmax()) -> return logits.argmax()": A_NUMPY_NUMBER,
    "step 16: return int(rng.choice(probabilities.size, p=probabilities)) -> return rng.choice(probabilities.size, p=probabilities)": A_NUMPY_NUMBER,
    "step 16: for text, row in zip(texts, logits, strict=True): -> for text, row in zip(texts, logits):": AS_LONG,
    "step 16: for text, row in zip(texts, logits, strict=True): -> for text, row in zip(texts, logits, strict=False):": AS_LONG,
    "step 16: self._stream = DecodeStream(ids=prompt, skip_special_tokens=True) -> self._stream = DecodeStream(ids=prompt)": NO_SPECIAL_TOKEN,
    "step 16: self._stream = DecodeStream(ids=prompt, skip_special_tokens=True) -> self._stream = DecodeStream(ids=prompt, skip_special_tokens=False)": NO_SPECIAL_TOKEN,
    "step 16: keep = max((self._overlap(stop) for stop in self.stop), default=0) -> keep = max((self._overlap(stop) for stop in self.stop), default=-1)": BEYOND_THE_END,
    "step 16: lengths = range(min(len(stop) - 1, len(self._held)), 0, -1) -> lengths = range(min(len(self._held), len(stop) - 1), 0, -1)": EITHER_ORDER,
    "step 16: lengths = range(min(len(stop) - 1, len(self._held)), 0, -1) -> lengths = range(len(stop) - 1, 0, -1)": NEVER_AN_END,
    "step 16: lengths = range(min(len(stop) - 1, len(self._held)), 0, -1) -> lengths = range(min(len(stop) + 1, len(self._held)), 0, -1)": NEVER_AN_END,
    "step 16: lengths = range(min(len(stop) - 1, len(self._held)), 0, -1) -> lengths = range(min(len(stop) - 0, len(self._held)), 0, -1)": NEVER_AN_END,
    "step 16: lengths = range(min(len(stop) - 1, len(self._held)), 0, -1) -> lengths = range(min(len(stop) - 1, len(self._held)), -1, -1)": BEYOND_THE_END,
    "step 16: return next((n for n in lengths if self._held.endswith(stop[:n])), 0) -> return next((n for n in lengths if self._held.endswith(stop[:n])), -1)": BEYOND_THE_END,
    "step bpe: BYTES = (*PRINTED, *(byte for byte in range(256) if byte not in PRINTED)) -> BYTES = (*PRINTED, *(byte for byte in range(255) if byte not in PRINTED))": NEVER_IN_UTF_8,
    "step bpe: end = at + 2 if word[at:at + 2] == pair else at + 1 -> end = at + 2 if word[at:2 + at] == pair else at + 1": EITHER_ORDER,
    "step bpe: end = at + 2 if word[at:at + 2] == pair else at + 1 -> end = 2 + at if word[at:at + 2] == pair else at + 1": EITHER_ORDER,
    "step bpe: end = at + 2 if word[at:at + 2] == pair else at + 1 -> end = at + 2 if word[at:at + 2] == pair else 1 + at": EITHER_ORDER,
    "step bpe: words = Counter({merge(word, best): words[word] for word in words}) -> words = {merge(word, best): words[word] for word in words}": ONLY_LOOKED_UP,
    "step bpe: byte_of = dict(zip(shown, BYTES, strict=True)) -> byte_of = dict(zip(shown, BYTES))": AS_LONG,
    "step bpe: byte_of = dict(zip(shown, BYTES, strict=True)) -> byte_of = dict(zip(shown, BYTES, strict=False))": AS_LONG,
    "step bpe: model = json.loads(path.read_text(encoding='utf-8'))['model'] -> model = json.loads(path.read_text())['model']": UTF_8_ANYWAY,
}
