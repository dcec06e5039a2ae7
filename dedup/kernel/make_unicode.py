"""Makes `unicode.bin` from the interpreter's Unicode data: `python -m dedup.kernel.make_unicode`.

To run only when the format version of keys changes: another table gives other keys for characters
that were assigned in between. The layout of the file is described in `unicode.py`.
"""

from __future__ import annotations

import sys
import unicodedata
from itertools import pairwise

import numpy as np

from dedup.kernel import unicode as table
from dedup.kernel.unicode import CharClass

# Default-ignorable code points that are not of category Cf.
IGNORABLE = {0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2065, 0x3164, 0xFFA0}
IGNORABLE |= {*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xFFF0, 0xFFF9)}
IGNORABLE |= set(range(0xE0000, 0xE1000))
# Format characters that a reader sees: number and year signs that enclose what follows.
VISIBLE_FORMAT = {0x06DD, 0x070F, 0x0890, 0x0891, 0x08E2, 0x110BD, 0x110CD}
VISIBLE_FORMAT |= {*range(0x0600, 0x0606), *range(0xFFF9, 0xFFFC)}

# Scripts that write no spaces between words, by the first words of their characters' names.
UNSPACED = (
    "CJK UNIFIED IDEOGRAPH", "CJK COMPATIBILITY IDEOGRAPH", "IDEOGRAPHIC ITERATION",
    "IDEOGRAPHIC CLOSING", "IDEOGRAPHIC NUMBER", "VERTICAL IDEOGRAPHIC", "HIRAGANA", "KATAKANA",
    "HALFWIDTH KATAKANA", "BOPOMOFO", "YI SYLLABLE", "THAI", "LAO", "KHMER", "MYANMAR", "TAI LE",
    "NEW TAI LUE", "TAI THAM", "TAI VIET", "JAVANESE", "BALINESE",
)  # fmt: skip

JAMO_COMPOSING = {*range(0x1161, 0x1176), *range(0x11A8, 0x11C3)}
MAX_EXPANSION, FOLDED_RATIO = 3, 3
"""Characters, and bytes for a byte (native/fold.h), to which a character may expand without being
HARD: the kernel's room for folded text rests on it."""


def is_invisible(code_point: int) -> bool:
    """Whether the code point is default-ignorable."""
    return code_point in IGNORABLE or (
        unicodedata.category(chr(code_point)) == "Cf" and code_point not in VISIBLE_FORMAT
    )


def char_class(code_point: int) -> CharClass:
    """The class of a code point that folds to itself."""
    char = chr(code_point)
    category = unicodedata.category(char)
    if category[0] == "M":
        return CharClass.MARK
    if category == "Nd":
        return CharClass.DIGIT
    if category[0] in "LN":
        unspaced = unicodedata.name(char, "").startswith(UNSPACED)
        return CharClass.CHARACTER if unspaced else CharClass.WORD
    if category == "Cn" and code_point & 0xFFFE != 0xFFFE and not 0xFDD0 <= code_point < 0xFDF0:
        # Not assigned yet: letters, most likely, but for the planes of ideographs and pictographs.
        if 0x20000 <= code_point < 0x40000:
            return CharClass.CHARACTER
        return CharClass.SEPARATOR if 0x1F000 <= code_point < 0x1FB00 else CharClass.WORD
    return CharClass.SEPARATOR


def is_bound(mark: int, composing: set[int]) -> bool:
    """Whether a mark can compose with what is before it, or change places with it."""
    return mark in composing or unicodedata.combining(chr(mark)) != 0


def composing_pairs() -> list[tuple[int, int]]:
    """Every (first, second) that canonical composition joins into one code point, but Hangul."""
    pairs = []
    for code_point in range(0x110000):
        parts = unicodedata.decomposition(chr(code_point)).split()
        if len(parts) == 2 and not parts[0].startswith("<"):
            first, second = (int(part, 16) for part in parts)
            if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(code_point):
                pairs.append((first, second))
    return sorted(pairs)


def make_entries() -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """An entry for every code point, the expansions, and the composing pairs."""
    pairs = composing_pairs()
    composing = {second for _, second in pairs} | JAMO_COMPOSING
    classes = sorted({unicodedata.combining(chr(code)) for code in range(0x110000)})
    rank_of = {combining: rank for rank, combining in enumerate(classes)}
    entries: list[int] = []
    expansions: list[int] = []
    places: dict[str, int] = {}
    for code_point in range(0x110000):
        char = chr(code_point)
        if is_invisible(code_point):
            entries.append(CharClass.INVISIBLE << table.CLASS_SHIFT)
            continue
        rank = rank_of[unicodedata.combining(char)]
        folded = table.nfkc_casefold(char)
        kinds = [char_class(ord(part)) for part in folded]
        if kinds[0] == CharClass.SEPARATOR and set(kinds) <= {CharClass.SEPARATOR, CharClass.MARK}:
            entries.append(CharClass.SEPARATOR << table.CLASS_SHIFT)
            continue
        kind = kinds[0]
        hard = (
            (rank and (len(folded) != 1 or kind != CharClass.MARK))
            or (folded != char and kind == CharClass.MARK and is_bound(ord(folded[0]), composing))
            or "\u0345" in unicodedata.normalize("NFKD", char)
            or (code_point in composing and kind != CharClass.MARK)
            or any(is_invisible(ord(part)) for part in folded)
            or len(folded) > MAX_EXPANSION
            or len(folded.encode()) + len(folded)
            > FOLDED_RATIO * len(char.encode("utf-8", "surrogatepass"))
        )
        if kind == CharClass.MARK and code_point in composing:
            kind = CharClass.COMPOSING_MARK
        if kind == CharClass.WORD and unicodedata.normalize("NFD", folded) != folded:
            kind = CharClass.COMPOSED
        word = kind << table.CLASS_SHIFT | rank << table.RANK_SHIFT
        if hard:
            word |= table.HARD
        elif len(folded) == 1:
            word |= (ord(folded) - code_point) & table.VALUE_MASK
        else:
            if folded not in places:
                places[folded] = len(expansions)
                expansions += [len(folded), *map(ord, folded)]
            word |= places[folded] | table.EXPANDS
        entries.append(word)
    return entries, expansions, pairs


def main() -> None:
    """Write the table beside this module."""
    entries, expansions, pairs = make_entries()
    size = 1 << table.PAGE_BITS
    pages: dict[tuple[int, ...], int] = {}
    bounds = range(0, len(entries) + 1, size)
    index = [pages.setdefault(tuple(entries[a:b]), len(pages)) for a, b in pairwise(bounds)]
    with table.PATH.open("wb") as file:
        np.save(file, np.array(index, dtype="<u2"))
        np.save(file, np.array([word for page in pages for word in page], dtype="<u4"))
        np.save(file, np.array(expansions, dtype="<u4"))
        np.save(file, np.array([first << 32 | second for first, second in pairs], dtype="<u8"))
    message = f"Unicode {unicodedata.unidata_version}: {len(pages)} pages, {len(pairs)} pairs"
    sys.stdout.write(f"{table.PATH.name}: {message}\n")


if __name__ == "__main__":
    main()
