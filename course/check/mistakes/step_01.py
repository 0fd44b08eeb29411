"""Mistakes in step 01, the configuration."""

from course.check.mistakes.mistake import Mistake

FILE = "The line of this field in GPT2Config."


def _default(name: str, what: str, why: str) -> Mistake:
    field = name.replace("-", "_")
    return Mistake(f"default-{name}", what, why, FILE, lines=(rf"\b{field}\b",))


MISTAKES = (
    Mistake(
        id="not-a-dataclass",
        what="Your GPT2Config is not a dataclass: GPT2Config(n_layer=2) cannot work.",
        why="Every step makes small models by setting some of the fields.",
        look="The line above the class: @dataclass.",
        lines=(r"class GPT2Config",),
    ),
    Mistake(
        id="field-missing",
        what="Your GPT2Config lacks a field.",
        why="A field of a dataclass needs a type: `name: int = 1`. Without the `: int` "
        "it is a class attribute, which cannot be set by GPT2Config(name=...).",
        look="The fields of GPT2Config.",
    ),
    Mistake(
        id="value-not-kept",
        what="Your GPT2Config does not keep a value that it is given.",
        why="Then every model has the same size, whatever was asked for.",
        look="__init__ or __post_init__, if you wrote one; a dataclass needs none.",
        lines=(r"__init__", r"__post_init__"),
    ),
    _default(
        "vocab-size",
        "Your vocab_size is not 50257.",
        "GPT-2's tokenizer has 256 bytes, 50,000 merges and <|endoftext|>; its table "
        "of embeddings has a row for each.",
    ),
    _default(
        "n-positions",
        "Your n_positions is not 1024.",
        "GPT-2 was trained on up to 1024 tokens; its table of positions has 1024 rows.",
    ),
    _default(
        "n-embd",
        "Your n_embd is not 768.",
        "GPT-2 small is 768 wide. 1024, 1280 and 1600 are its larger sisters.",
    ),
    _default(
        "n-layer",
        "Your n_layer is not 12.",
        "GPT-2 small has 12 blocks. 24, 36 and 48 are its larger sisters.",
    ),
    _default(
        "n-head",
        "Your n_head is not 12.",
        "GPT-2 small has 12 heads of 64 numbers. 16, 20 and 25 are its larger sisters.",
    ),
    _default(
        "n-inner",
        "Your n_inner is not None.",
        "None means 4 * n_embd, whatever n_embd is. A number such as 3072 is right "
        "for 768 only, and a smaller model would get it too.",
    ),
    _default(
        "layer-norm-epsilon",
        "Your layer_norm_epsilon is not 1e-5.",
        "GPT-2 uses 1e-5; 1e-6 and 1e-12 belong to other models.",
    ),
)
