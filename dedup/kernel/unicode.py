"""The Unicode tables of the kernel and its twin, and the full normaliser that they lean on.

One table, made once (`make_unicode.py`), serves every Python version, so keys do not change when
the interpreter learns new characters. An entry of `ENTRIES` is one 32-bit word per code point:

    bits  0-20   what the code point folds to: the distance to that code point, modulo 2^21 (so
                 that equal stretches of the table are stored once), or (EXPANDS) an index in
                 `EXPANSIONS`, where a length and that many code points stand
    bits 21-23   its class: see `CharClass`
    bit  24      EXPANDS
    bit  25      HARD: its folding depends on its neighbours; only `fold` can do it
    bits 26-31   rank of its canonical combining class among all classes (0: a starter)

Knows nothing of blocks, tokens or keys.
"""

from __future__ import annotations

import re
import unicodedata
from enum import IntEnum
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

VALUE_MASK = (1 << 21) - 1
CLASS_SHIFT = 21
EXPANDS = 1 << 24
HARD = 1 << 25
RANK_SHIFT = 26
PAGE_BITS = 7
"""`ENTRIES[INDEX[code_point >> PAGE_BITS] << PAGE_BITS | low bits]` is a code point's entry."""

PATH = Path(__file__).with_name("unicode.bin")


class CharClass(IntEnum):
    """What a code point is to the tokeniser."""

    SEPARATOR = 0
    """White space, punctuation, symbols, controls, private use: between tokens."""
    WORD = 1
    """A letter of a script that writes spaces, or a number that is not a decimal digit."""
    DIGIT = 2
    """A decimal digit of any script. A token with one is masked in keys."""
    CHARACTER = 3
    """A letter of a script without spaces: a token of its own, with the marks that follow."""
    MARK = 4
    """A combining mark: belongs to the token before it; a separator where there is none."""
    INVISIBLE = 5
    """Soft hyphen, zero-width and bidi marks, variation selectors: as if it were not there."""
    COMPOSING_MARK = 6
    """A mark that composes with some character before it (`PAIRS`)."""
    COMPOSED = 7
    """A WORD that has a canonical decomposition: a mark after it may compose with a part of it."""


def _load() -> tuple[
    npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint64]
]:
    with PATH.open("rb") as file:
        index, entries, expansions, pairs = (np.load(file, allow_pickle=False) for _ in range(4))
    return index, entries, expansions, pairs


INDEX, ENTRIES, EXPANSIONS, PAIRS = _load()
"""Two-stage table, expansions, and the sorted pairs (`first << 32 | second`) that compose."""


def entry(code_point: int) -> int:
    """The table's 32-bit word for a code point (0 to 0x10FFFF)."""
    page = int(INDEX[code_point >> PAGE_BITS])
    return int(ENTRIES[page << PAGE_BITS | code_point & ((1 << PAGE_BITS) - 1)])


@cache
def _invisible_characters() -> re.Pattern[str]:
    """Matches runs of invisible characters (a pattern is faster than `str.translate`)."""
    classes = ENTRIES[(INDEX.astype(np.int64)[:, None] << PAGE_BITS) + np.arange(1 << PAGE_BITS)]
    is_invisible = (classes.ravel() >> CLASS_SHIFT) & 7 == CharClass.INVISIBLE
    code_points = np.flatnonzero(is_invisible)
    if not len(code_points):  # while the table is made for the first time
        return re.compile(r"(?!)")
    runs = np.split(code_points, np.flatnonzero(np.diff(code_points) > 1) + 1)
    return re.compile("[" + "".join(f"{chr(run[0])}-{chr(run[-1])}" for run in runs) + "]+")


def fold(text: str) -> str:
    """The text with invisible characters removed, NFKC and case folded (idempotent).

    The mapping is toNFKC_Casefold of the Unicode Standard (section 3.13, D147), with the
    default-ignorable characters taken from the table.
    """
    invisible = _invisible_characters()
    return invisible.sub("", nfkc_casefold(invisible.sub("", text)))


def nfkc_casefold(text: str) -> str:
    """NFKC(casefold(NFKC(casefold(NFD(text)))))."""
    once = unicodedata.normalize("NFKC", unicodedata.normalize("NFD", text).casefold())
    again = once.casefold()
    return once if again == once else unicodedata.normalize("NFKC", again)
