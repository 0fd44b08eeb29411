"""Write the drawings, or with --check say which are not what would be written."""

from __future__ import annotations

import sys

from book.generated import SOURCE, write_or_check
from book.pictures.drawings import draw_all

if __name__ == "__main__":
    drawings = {f"{name}.svg": str(drawing) for name, drawing in draw_all().items()}
    script = "python -m book.pictures"
    sys.exit(write_or_check(SOURCE / "pictures", drawings, script, sys.argv[1:]))
