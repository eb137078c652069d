"""The nearest right thing to what someone wrote, and a safe way to quote what they wrote."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONGEST_QUOTE = 40
_LONGEST_GUESS = 60


def nearest(text: str, known: Iterable[str], likeness: float = 0.6) -> str | None:
    """The one of ``known`` most like ``text``, or None where none is at least ``likeness`` (0 to 1) alike.

    Compares letter by letter, so give both in the same case. A text over 60 characters is like nothing:
    the time taken stays bounded.
    """
    if len(text) > _LONGEST_GUESS:
        return None
    found = get_close_matches(text, known, n=1, cutoff=likeness)
    return found[0] if found else None


def shown(text: str) -> str:
    """``text`` in backquotes, cut to 40 characters, with what cannot be printed escaped."""
    cut = text if len(text) <= _LONGEST_QUOTE else text[: _LONGEST_QUOTE - 1] + "…"
    return f"`{cut}`" if cut.isprintable() else f"`{ascii(cut)[1:-1]}`"
