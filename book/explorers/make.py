"""Compute what the explorers of the book show, from the demo model.

Writes, into `book/src/explorers`, for each explorer the data (`NAME.data.js`) and the
fragment that a chapter includes (`NAME.html`). The fragment holds the picture that is
seen without JavaScript, made from the same data.

    python -m book.explorers.make

Run it again when the demo model changes; `tests/project/test_book_browser.py` says so.
"""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

from book.explorers import (
    attention,
    cache,
    chain,
    dials,
    live,
    mask,
    pages,
    residual,
    rounding,
    sampling,
    speculation,
    tokens,
)
from book.explorers.demo import Data, Demo
from course.steps import ROOT

OUTPUT = ROOT / "book" / "src" / "explorers"

# Each computes its data, draws its picture, and has a caption.
EXPLORERS: dict[str, ModuleType] = {
    "live": live,
    "tokens": tokens,
    "attention": attention,
    "chain": chain,
    "mask": mask,
    "sampling": sampling,
    "residual": residual,
    "cache": cache,
    "dials": dials,
    "rounding": rounding,
    "pages": pages,
    "speculation": speculation,
}
# One script has few dials or many.
SCRIPTS = {name: name for name in EXPLORERS} | {"dials": "sampling"}


def data_script(name: str, data: Data) -> str:
    """A script that hands the data over, as JSON on its second line."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return (
        "// Made by book/explorers/make.py from the demo model. kit.js says why a "
        f"script.\nexplorers.data.{name} =\n{text};\n"
    )


def fragment(name: str, data: Data) -> str:
    """What a chapter includes. Without empty lines, which would end the HTML."""
    explorer = EXPLORERS[name]
    return f"""\
<link rel="stylesheet" href="explorers/explorers.css">
<figure class="explorer" data-explorer="{name}">
<div class="explorer-static">
{explorer.draw(data)}
</div>
<figcaption>{explorer.CAPTION}</figcaption>
</figure>
<script defer src="explorers/kit.js"></script>
<script defer src="gpt2/client.js"></script>
<script defer src="explorers/sentences.js"></script>
<script defer src="explorers/{name}.data.js"></script>
<script defer src="explorers/{SCRIPTS[name]}.js"></script>
"""


def read_data(path: Path) -> Data:
    """Read back what `data_script` wrote."""
    data: Data = json.loads(path.read_text("utf-8").split("=\n", 1)[1].rstrip(";\n"))
    return data


def make_all() -> dict[str, str]:
    """Return the text of every file that is made, by its name."""
    demo = Demo()
    files = {}
    for name, explorer in EXPLORERS.items():
        data = explorer.compute(demo)
        files[f"{name}.data.js"] = data_script(name, data)
        files[f"{name}.html"] = fragment(name, data)
    return files


def main() -> None:
    """Write every file."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for name, text in make_all().items():
        (OUTPUT / name).write_text(text, "utf-8")
        print(f"{len(text.encode()):>8,} bytes  {name}")


if __name__ == "__main__":
    main()
