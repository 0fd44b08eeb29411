"""Where a text ends that has stop sequences."""

from __future__ import annotations

from collections.abc import Sequence


def split_at_stop(text: str, stop: Sequence[str]) -> tuple[str, str, bool]:
    """Find what of a text can be shown, as in `TextStream` of step 16.

    Args:
        text: What has come and was not shown yet.
        stop: The sequences that end the text.

    Returns:
        What can be shown; what may be the beginning of a stop sequence; whether there
        was a whole one, before which the text ends.
    """
    found = [at for each in stop if (at := text.find(each)) >= 0]
    if found:
        return text[: min(found)], "", True
    keep = max((_overlap(text, each) for each in stop), default=0)
    certain = len(text) - keep
    return text[:certain], text[certain:], False


def _overlap(text: str, stop: str) -> int:
    """How much of the end of a text may be the beginning of a stop sequence."""
    lengths = range(min(len(stop) - 1, len(text)), 0, -1)
    return next((n for n in lengths if text.endswith(stop[:n])), 0)
