"""JSON files that others have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from course.errors import CourseError


def read_object(path: Path) -> dict[str, Any]:
    """Read a file that holds one JSON object.

    Args:
        path: The file; a byte-order mark at its start is passed over.

    Raises:
        FileNotFoundError: There is none.
        CourseError: It cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise CourseError(f"{path} cannot be read: {error}.") from None
    if not isinstance(content, dict):
        raise CourseError(f"{path} holds no JSON object.")
    return content


def read_object_if_there(path: Path) -> dict[str, Any]:
    """Read a file that may be missing, which is as good as an empty one."""
    try:
        return read_object(path)
    except FileNotFoundError:
        return {}
