"""How the explorers write tokens and shares; kit.js has the same."""

from __future__ import annotations


def per_mille(probability: float) -> int:
    """Round a share to thousandths, which is what the data have."""
    return int(probability * 1000 + 0.5)


def percent(thousandths: int) -> str:
    """A percentage."""
    if 0 < thousandths < 10:
        return "<1\N{NARROW NO-BREAK SPACE}%"
    return f"{(thousandths + 5) // 10}\N{NARROW NO-BREAK SPACE}%"


def shown(token: str) -> str:
    """A token by itself."""
    word = token.strip()
    if not word:
        return "␣" if token.strip("\n") else "⏎"
    return f"-{word}" if word == token and word[0].isalpha() else word


def chip(token: str, first: bool) -> str:
    """A token of a sentence."""
    return token.strip() if first else shown(token)
