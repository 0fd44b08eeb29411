"""Directories with one small GPT-2 in the forms that are found in the wild.

All have the same sizes, so that one compiled graph serves them all.
"""

import json

import numpy as np
from safetensors.numpy import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

END = "<|endoftext|>"
ROWS = 320
SIZES = {
    "vocab_size": ROWS,
    "n_positions": 64,
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 3,
}
PROMPT = "Once upon a time, the fox"
CORPUS = ["Once upon a time, the fox and the owl went to the river in the wood. "] * 3


def save_base(folder):
    """Save the GPT-2 as transformers does, with a tokenizer of as many tokens."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(10)
    config = GPT2Config(
        **SIZES, initializer_range=0.3, eos_token_id=None, bos_token_id=None
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    byte_level(ROWS).save(str(folder / "tokenizer.json"))


def byte_level(size):
    """A tokenizer of GPT-2's kind."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*CORPUS, *map(str, range(1000, 1100))], trainer)
    assert tokenizer.get_vocab_size() == size
    return tokenizer


def write(path, content):
    path.write_text(json.dumps(content), encoding="utf-8")


def configured(folder, *left_out, **values):
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **values}
    write(path, {k: v for k, v in config.items() if k not in left_out})


def stored(folder, change):
    path = folder / "model.safetensors"
    save_file(change(load_file(path)), path)


def renamed(folder, rename):
    stored(folder, lambda tensors: {rename(k): v for k, v in tensors.items()})


def prefixed(prefix):
    return lambda folder: renamed(folder, lambda name: prefix + name)


def body_of(name):
    return name.removeprefix("transformer.")


def random(*shape):
    return np.random.default_rng(1).normal(0, 0.3, shape).astype(np.float32)


def cast(dtype, only=""):
    def change(folder):
        import torch
        from safetensors.torch import load_file, save_file

        path = folder / "model.safetensors"
        save_file(
            {
                name: tensor.to(getattr(torch, dtype)) if only in name else tensor
                for name, tensor in load_file(path).items()
            },
            path,
        )

    return change


# Names and heads


def body_only(folder):
    renamed(folder, body_of)
    configured(folder, architectures=["GPT2Model"])


def head_of_its_own(folder):
    stored(folder, lambda t: {**t, "lm_head.weight": random(ROWS, 24)})
    configured(folder, "tie_word_embeddings")


def head_of_its_own_said_tied(folder):
    head_of_its_own(folder)
    configured(folder, tie_word_embeddings=True)


def head_of_its_own_said_so(folder):
    head_of_its_own(folder)
    configured(folder, tie_word_embeddings=False)


def head_twice(folder):
    stored(folder, lambda t: {**t, "lm_head.weight": t["transformer.wte.weight"]})


def head_alone(folder):
    renamed(folder, lambda name: name.replace("transformer.wte", "lm_head"))


def body_and_head(folder):
    head_of_its_own(folder)
    renamed(folder, body_of)


def wrapped_body(folder):
    renamed(folder, lambda name: f"model.{body_of(name)}")


def wrapped_head(folder):
    head_of_its_own(folder)
    prefixed("module._orig_mod.")(folder)


def value_head(folder):
    heads = {"v_head.summary.weight": random(1, 24), "v_head.summary.bias": random(1)}
    stored(folder, lambda t: {**t, **heads})


def value_head_around(folder):
    prefixed("pretrained_model.")(folder)
    value_head(folder)


def other_heads(folder):
    extra = {
        "score.weight": random(2, 24),
        "multiple_choice_head.summary.weight": random(1, 24),
        "classifier.bias": random(2),
    }
    stored(folder, lambda t: {**t, **extra})


def masks(folder):
    extra = {}
    for layer in range(2):
        name = f"h.{layer}.attn"
        extra[f"{name}.bias"] = np.tri(64, dtype=bool)[None, None]
        extra[f"{name}.masked_bias"] = np.array(-1e4, dtype=np.float32)
    stored(folder, lambda t: {**{body_of(k): v for k, v in t.items()}, **extra})


# Files


def shards(folder):
    from transformers import GPT2LMHeadModel

    model = GPT2LMHeadModel.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    model.save_pretrained(folder, max_shard_size="30KB")
    assert len(list(folder.glob("model-*.safetensors"))) > 2


def stray_files(folder):
    """What trainers and converters leave below a model, and beside it."""
    others = {k: v + 1 for k, v in load_file(folder / "model.safetensors").items()}
    for place in ("checkpoint-500", "onnx", "consolidated"):
        (folder / place).mkdir()
        save_file(others, folder / place / "model.safetensors")
    save_file(others, folder / "consolidated.safetensors")
    (folder / "training_args.bin").write_bytes(b"\x80\x04.")


def links(folder):
    """As the cache of the hub keeps it: names that lead to blobs elsewhere."""
    blobs = folder.parent / f"{folder.name}-blobs"
    blobs.mkdir()
    for number, path in enumerate(sorted(folder.iterdir())):
        path.rename(blobs / f"{number}")
        path.symlink_to(blobs / f"{number}")


def marks_of_windows(folder):
    """A byte-order mark and line ends of Windows in the configuration."""
    path = folder / "generation_config.json"
    path.write_text(path.read_text().replace("\n", "\r\n"), newline="")
    path = folder / "config.json"
    path.write_text(path.read_text(), encoding="utf-8-sig")


# Configurations


def no_architectures(folder):
    configured(folder, "architectures", "dtype", "transformers_version")


def no_model_type(folder):
    configured(folder, "model_type")


def first_generation(folder):
    """As the files of 2019 were."""
    configured(folder, "model_type", "dtype", "n_inner", n_ctx=64, torch_dtype=None)
    (folder / "generation_config.json").unlink()


def second_names(folder):
    left_out = ("n_embd", "n_layer", "n_head", "n_positions")
    values = {
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "max_position_embeddings": 64,
    }
    configured(folder, *left_out, **values)


def two_heads(folder):
    configured(folder, architectures=["GPT2DoubleHeadsModel"], dtype="float16")


# Where a text ends: at a token that the model is going to write, or another one


def ends_listed(folder, end):
    """The configuration says something else, and does not count."""
    configured(folder, eos_token_id=1)
    said = {"do_sample": False, "temperature": 0.7, "top_k": 5, "max_length": 20}
    write(folder / "generation_config.json", {**said, "eos_token_id": [2, end]})


def ends_in_config(folder, end):
    configured(folder, eos_token_id=end)
    (folder / "generation_config.json").unlink()


def ends_listed_in_config(folder, end):
    ends_in_config(folder, [end, 1])


def ends_not_where_generation_config_says_nothing(folder, end):
    configured(folder, eos_token_id=end)
    write(folder / "generation_config.json", {"do_sample": True})


def ends_nowhere(folder, end):
    configured(folder, "eos_token_id")
    (folder / "generation_config.json").unlink()


def ends_at_no_token(folder, end):
    write(folder / "generation_config.json", {"eos_token_id": -1})


# Tokenizers


def saved_by_a_trainer(folder):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_truncation(4)
    tokenizer.enable_padding(length=12, pad_token=END)
    tokenizer.save(str(folder / "tokenizer.json"))


def two_files(folder, **config):
    data = json.loads((folder / "tokenizer.json").read_text())["model"]
    write(folder / "vocab.json", data["vocab"])
    merges = ["#version: 0.2", *(" ".join(merge) for merge in data["merges"])]
    (folder / "merges.txt").write_text("\n".join(merges), encoding="utf-8")
    (folder / "tokenizer.json").unlink()
    if config:
        write(folder / "tokenizer_config.json", config)


def two_files_old(folder):
    """The special tokens and the added ones stand in files of their own."""
    shorter(folder)
    two_files(folder, add_prefix_space=True)
    write(
        folder / "special_tokens_map.json",
        {
            "eos_token": END,
            "bos_token": {"content": END, "lstrip": False, "rstrip": False},
            "pad_token": "<pad>",
            "additional_special_tokens": ["<user>"],
        },
    )
    write(folder / "added_tokens.json", {"<user>": 301, "<pad>": 300, " fox": 302})


def two_files_new(folder):
    shorter(folder)
    flags = {"lstrip": False, "rstrip": False, "single_word": False}
    added = {
        "0": {"content": END, "normalized": True, "special": True, **flags},
        "300": {"content": "upon", "normalized": True, "special": False, **flags},
    }
    two_files(folder, added_tokens_decoder=added, add_bos_token=True, pad_token=None)


def shorter(folder):
    """A table that is padded: it has rows for which there are no tokens."""
    byte_level(300).save(str(folder / "tokenizer.json"))


def longer(folder):
    """A token that the table has not grown for."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["[PAD]"])
    assert tokenizer.token_to_id("[PAD]") == ROWS
    tokenizer.save(str(folder / "tokenizer.json"))


def tokens_beside(folder):
    """Tokens that only `tokenizer_config.json` knows."""
    shorter(folder)
    added = {"300": {"content": " upon", "normalized": False, "special": False}}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "added_tokens_decoder": added,
        "extra_special_tokens": ["the"],
    }
    write(folder / "tokenizer_config.json", config)


def prefix_space_beside(folder):
    config = {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": True}
    write(folder / "tokenizer_config.json", config)


def begun(folder):
    """A post-processor that puts a token before every text."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.post_processor = TemplateProcessing(
        single=[END, "$A"], special_tokens=[(END, tokenizer.token_to_id(END))]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    write(
        folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}
    )


def other_tokenizer(tokenizer, folder):
    tokenizer.save(str(folder / "tokenizer.json"))
    write(
        folder / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"}
    )


def metaspace(folder):
    """Words are written with a mark where a space is."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=60, special_tokens=["<unk>"], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_tokens([AddedToken(f"▁w{i}") for i in range(60, ROWS)])
    other_tokenizer(tokenizer, folder)


def words(folder):
    """One token for each word, and none for a word that is not known."""
    known = [*dict.fromkeys(CORPUS[0].replace(",", "").replace(".", "").split()), ","]
    names = known + [f"w{i}" for i in range(len(known), ROWS)]
    tokenizer = Tokenizer(
        models.WordLevel({name: index for index, name in enumerate(names)})
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    other_tokenizer(tokenizer, folder)


def unchanged(folder):
    """As `save_pretrained` writes it."""


KINDS = {
    "saved by transformers": unchanged,
    "body only": body_only,
    "head of its own": head_of_its_own,
    "head of its own, said to be tied": head_of_its_own_said_tied,
    "head of its own, said so": head_of_its_own_said_so,
    "head stored twice": head_twice,
    "head alone": head_alone,
    "body and head without prefix": body_and_head,
    "module.": prefixed("module."),
    "_orig_mod.": prefixed("_orig_mod."),
    "module._orig_mod.": prefixed("module._orig_mod."),
    "wrapped body": wrapped_body,
    "wrapped head": wrapped_head,
    "value head": value_head,
    "value head around": value_head_around,
    "other heads": other_heads,
    "stored masks": masks,
    "float16": cast("float16"),
    "bfloat16": cast("bfloat16"),
    "float64": cast("float64"),
    "mixed": cast("bfloat16", only="mlp"),
    "shards": shards,
    "stray files": stray_files,
    "links": links,
    "marks of Windows": marks_of_windows,
    "no architectures": no_architectures,
    "no model_type": no_model_type,
    "first generation": first_generation,
    "second names": second_names,
    "two heads": two_heads,
    "truncation and padding": saved_by_a_trainer,
    "vocab and merges": two_files,
    "vocab and merges, old": two_files_old,
    "vocab and merges, new": two_files_new,
    "padded table": shorter,
    "token beyond the table": longer,
    "tokens beside": tokens_beside,
    "prefix space beside": prefix_space_beside,
    "begun": begun,
    "metaspace": metaspace,
    "words": words,
}

ENDS = {
    "listed": ends_listed,
    "in config": ends_in_config,
    "listed in config": ends_listed_in_config,
    "not in generation_config": ends_not_where_generation_config_says_nothing,
    "nowhere": ends_nowhere,
    "at no token": ends_at_no_token,
}

# What transformers itself cannot read, and what it reads the same of.
UNWRAPPED = {
    "module.": "saved by transformers",
    "_orig_mod.": "saved by transformers",
    "module._orig_mod.": "saved by transformers",
    "wrapped body": "saved by transformers",
    "wrapped head": "head of its own",
    "value head around": "saved by transformers",
    "marks of Windows": "saved by transformers",
}
