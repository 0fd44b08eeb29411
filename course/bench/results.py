"""Where what was measured is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from course.steps import ROOT

FOLDER = ROOT / "bench" / "results"


def keep(name: str, results: dict[str, Any]) -> Path:
    """Write results, and return the file."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / name
    path.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    return path
