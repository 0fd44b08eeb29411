"""The tokenizer in a directory, as transformers makes it, without transformers.

Importing transformers takes as long as all the rest of `course generate` together. So
this does what its `TokenizersBackend` and `GPT2Tokenizer` do (5.12), in their order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from tokenizers.processors import TemplateProcessing

from course.errors import CourseError
from course.model.checkpoint.json_file import read_object_if_there

END_OF_TEXT = "<|endoftext|>"

# In the order in which transformers adds them, where they are not there yet.
SPECIAL = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
EXTRA = ("extra_special_tokens", "additional_special_tokens")
# The classes that stand for whatever tokenizer.json says.
ANY_TOKENIZER = ("PreTrainedTokenizerFast", "TokenizersBackend")
OF_GPT2 = {"bos_token": END_OF_TEXT, "eos_token": END_OF_TEXT, "unk_token": END_OF_TEXT}


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer in a directory.

    It neither cuts a text nor pads it, whatever is stored: files from training often
    say so, and mean their batches.

    Args:
        folder: Holds `tokenizer.json`, or else `vocab.json` and `merges.txt`, the
            files in which GPT-2's tokenizer was published first. What else there may
            be: `tokenizer_config.json`, `special_tokens_map.json` and
            `added_tokens.json`.

    Raises:
        CourseError: There is none, or it is damaged.
    """
    whole = folder / "tokenizer.json"
    parts = folder / "vocab.json", folder / "merges.txt"
    config = read_object_if_there(folder / "tokenizer_config.json")
    if "added_tokens_decoder" not in config:
        config |= read_object_if_there(folder / "special_tokens_map.json")
    added = read_object_if_there(folder / "added_tokens.json")
    try:
        if whole.is_file():
            return _from_one_file(whole, config, added)
        if all(part.is_file() for part in parts):
            return _from_two_files(*parts, {**OF_GPT2, **config}, added)
    except Exception as error:  # tokenizers raises plain Exception
        raise CourseError(f"{folder}: the tokenizer cannot be read: {error}.") from None
    raise CourseError(
        f"{folder} has no tokenizer.json (nor vocab.json and merges.txt). "
        "`save_pretrained` of a tokenizer writes it."
    )


def _from_one_file(
    path: Path, config: dict[str, Any], added: dict[str, Any]
) -> Tokenizer:
    tokenizer = Tokenizer.from_str(path.read_text(encoding="utf-8-sig"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    splitting = tokenizer.pre_tokenizer
    of_gpt2 = config.get("tokenizer_class") not in ANY_TOKENIZER
    if of_gpt2 and isinstance(splitting, pre_tokenizers.ByteLevel):
        prefix = config.get("add_prefix_space", splitting.add_prefix_space)
        splitting.add_prefix_space = bool(prefix)
    _add_tokens(tokenizer, config, added)
    return tokenizer


def _from_two_files(
    vocabulary: Path, merges: Path, config: dict[str, Any], added: dict[str, Any]
) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE.from_file(str(vocabulary), str(merges)))
    prefix = bool(config.get("add_prefix_space", False))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    tokenizer.decoder = decoders.ByteLevel()
    _add_tokens(tokenizer, config, added)
    _add_ends(tokenizer, config)
    return tokenizer


def _add_tokens(
    tokenizer: Tokenizer, config: dict[str, Any], added: dict[str, Any]
) -> None:
    """Add the tokens that stand beside the tokenizer and are not in it yet."""
    special = {token.content: token for token in _special_tokens(config)}
    tokens = _numbered(config, added, set(special))
    known = tokenizer.get_added_tokens_decoder().values()
    same = {repr(token) for token in known}
    tokens = [token for token in tokens if repr(token) not in same]
    there = {token.content for token in [*known, *tokens]}
    tokens += [token for name, token in special.items() if name not in there]
    tokenizer.add_tokens(tokens)
    tokenizer.encode_special_tokens = bool(config.get("split_special_tokens", False))


def _numbered(
    config: dict[str, Any], added: dict[str, Any], special: set[str]
) -> list[AddedToken]:
    """The tokens that are listed with their IDs, in the order of these."""
    if "added_tokens_decoder" in config:
        listed = config["added_tokens_decoder"]
        tokens = {int(index): AddedToken(**token) for index, token in listed.items()}
    else:
        tokens = {
            index: AddedToken(name, normalized=name not in special)
            for name, index in added.items()
        }
    for token in tokens.values():
        token.special = token.special or token.content in special
    return [tokens[index] for index in sorted(tokens)]


def _special_tokens(config: dict[str, Any]) -> list[AddedToken]:
    """The tokens that a configuration names, each once."""
    others = [key for key in config if key.endswith("_token") and key not in SPECIAL]
    named = [config.get(key) for key in (*SPECIAL, *others)]
    for key in EXTRA:
        extra = config.get(key) or []
        named += extra.values() if isinstance(extra, dict) else extra
    tokens: dict[str, AddedToken] = {}
    for each in named:
        token = _as_token(each)
        if token is not None:
            tokens.setdefault(token.content, token)
    return list(tokens.values())


def _as_token(named: object) -> AddedToken | None:
    if isinstance(named, str):
        return AddedToken(named, special=True)
    if isinstance(named, dict) and "content" in named:
        flags = {key: value for key, value in named.items() if key != "__type"}
        return AddedToken(**{**flags, "special": True})
    return None


def _add_ends(tokenizer: Tokenizer, config: dict[str, Any]) -> None:
    """Have a token before every text, or behind it, where the configuration says so."""
    before, after = (
        _as_token(config[f"{end}_token"]) if config.get(f"add_{end}_token") else None
        for end in ("bos", "eos")
    )
    ends = [token.content for token in (before, after) if token is not None]
    if not ends:
        return
    template = [before.content] if before else []
    template += ["$A"] + ([after.content] if after else [])
    tokenizer.post_processor = TemplateProcessing(
        single=template,
        special_tokens=[
            (end, tokenizer.token_to_id(end)) for end in dict.fromkeys(ends)
        ],
    )
