"""Write the demo model as scripts, for the GPT-2 that runs in the page.

Writes `demo.weights.js` and `demo.tokenizer.js` into `book/src/gpt2`. They are scripts
because a page opened from a folder can load nothing else.

    python -m book.explorers.weights
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from course.steps import DEMO_MODEL, ROOT

OUTPUT = ROOT / "book" / "src" / "gpt2"
CONFIG = [
    *("n_layer", "n_head", "n_embd", "n_positions", "vocab_size"),
    *("layer_norm_epsilon", "bos_token_id"),
]

# Whatever stands in a JSON string as itself. Three of them make 92 ** 3 numbers, 19.6
# bits in 24; base64 would need 32 for as many, and float16 loses more than it saves.
DIGITS = "".join(chr(code) for code in range(33, 127) if chr(code) not in '"\\')
LARGEST = len(DIGITS) ** 3 // 2 - 1


def three_digits(tensor: NDArray[np.float32]) -> tuple[float, str]:
    """Write each number of a tensor in three digits.

    Returns:
        The scale, and the digits: the largest number of the tensor is `LARGEST` times
        the scale, and 0 is the digits of `LARGEST + 1`.
    """
    scale = float(np.abs(tensor).max()) / LARGEST
    numbers = np.rint(tensor.ravel().astype(np.float64) / scale).astype(np.int64)
    digits = np.frombuffer(DIGITS.encode(), np.uint8)
    base = len(digits)
    shifted = numbers + LARGEST + 1
    columns = [shifted // base**2, shifted // base % base, shifted % base]
    return scale, digits[np.stack(columns, axis=1)].tobytes().decode()


def weights_script() -> str:
    """The configuration, and for every tensor its name, its scale and its digits."""
    config = json.loads((DEMO_MODEL / "config.json").read_text("utf-8"))
    tensors = load_file(DEMO_MODEL / "model.safetensors")
    lines = [
        json.dumps([name.removeprefix("transformer."), *three_digits(tensors[name])])
        for name in sorted(tensors)
    ]
    return script(
        "weights",
        f'{{"config": {json.dumps({name: config[name] for name in CONFIG})},\n'
        f'"digits": {json.dumps(DIGITS)},\n'
        '"tensors": [\n' + ",\n".join(lines) + "\n]}",
    )


def tokenizer_script() -> str:
    """The tokens in the order of their IDs, and the merges in that of their ranks."""
    tokenizer = json.loads((DEMO_MODEL / "tokenizer.json").read_text("utf-8"))
    vocab: dict[str, int] = tokenizer["model"]["vocab"]
    tables: dict[str, Any] = {
        "vocab": sorted(vocab, key=vocab.__getitem__),
        "merges": [" ".join(pair) for pair in tokenizer["model"]["merges"]],
    }
    return script("tokenizer", json.dumps(tables, ensure_ascii=False))


def script(name: str, value: str) -> str:
    """A script that hands a value over to the page."""
    return (
        "// Made by book/explorers/weights.py from the demo model.\n"
        f"explorers.data.{name} =\n{value};\n"
    )


def make_all() -> dict[str, str]:
    """Return the text of every file that is made, by its name."""
    return {
        "demo.weights.js": weights_script(),
        "demo.tokenizer.js": tokenizer_script(),
    }


def main() -> None:
    """Write every file."""
    for name, text in make_all().items():
        (OUTPUT / name).write_text(text, "utf-8")
        print(f"{len(text.encode()):>9,} bytes  {name}")


if __name__ == "__main__":
    main()
