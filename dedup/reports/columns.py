"""Text in terminal columns: made harmless, measured and cut.

What a scraped page holds is not to be trusted on a terminal: control characters, escape sequences
and marks that turn the writing direction never get through. Knows nothing of reports.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"
_NO_COLUMN = {"Mn", "Me", "Cf"}
_UNSAFE = {"Cc", "Cs", "Zl", "Zp"}
# Marks that turn the writing direction, and the soft hyphen, which terminals disagree about.
_DROPPED = set("\u00ad\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    """The text on one line: white space as single spaces, what could steer a terminal as `�`."""
    text = " ".join(text.split())
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_harmless, text))


def width(text: str) -> int:
    """How many columns printable text takes."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, columns: int) -> str:
    """The text, at most so many columns wide, ending in `…` (after a whole word) where cut off."""
    end = _fitting(text, columns)
    if end == len(text):
        return text
    end = _fitting(text, columns - 1)
    word_end = text.rfind(" ", 0, end + 1)
    # Cutting at a word is for prose: not where it would cost much (a long word, Chinese).
    if word_end > end * 2 // 3:
        end = word_end
    return text[:end].rstrip() + ELLIPSIS


def cut_start(text: str, columns: int) -> str:
    """The end of the text, at most so many columns wide: what tells paths apart."""
    if width(text) <= columns:
        return text
    end = _fitting(text[::-1], columns - 1)
    return ELLIPSIS + text[len(text) - end :]


def _fitting(text: str, columns: int) -> int:
    """How many characters fit into so many columns."""
    for index, character in enumerate(text):
        columns -= _columns(character)
        if columns < 0:
            return index
    return len(text)


def _columns(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.category(character) in _NO_COLUMN:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def _harmless(character: str) -> str:
    if character in _DROPPED:
        return ""
    return "\ufffd" if unicodedata.category(character) in _UNSAFE else character
