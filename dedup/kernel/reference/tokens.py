"""Text to tokens: native/fold.h and native/tokens.h in Python."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
import xxhash

from dedup.kernel.unicode import (
    CLASS_SHIFT,
    EXPANDS,
    HARD,
    PAGE_BITS,
    RANK_SHIFT,
    VALUE_MASK,
    CharClass,
)

Tables: TypeAlias = tuple[
    npt.NDArray[np.uint16], npt.NDArray[np.uint32], npt.NDArray[np.uint32], npt.NDArray[np.uint64]
]
"""INDEX, ENTRIES, EXPANSIONS and PAIRS of `dedup.kernel.unicode`."""

TRACE_DIGITS = 0x8000
TRACE_UNSPACED = 0xC000
PAD_START, PAD_END = 0, 1
TRACE_GOES_ON = 1
"""At a trace's end: the text says that it goes on elsewhere."""
WORD_WEIGHT, UNSPACED_WEIGHT = 8, 5
TOKEN_KEY_LOW, TOKEN_KEY_HIGH = 0xE7037ED1A0B428DB, 0x8EBC6AF09C88C6E3
MASK64 = (1 << 64) - 1

_MARKUP = re.compile(rb"&[#A-Za-z][^;]{0,30};|<[/A-Za-z][^>]{0,510}>", re.DOTALL)
_ASCII_TOKEN = re.compile(rb"[0-9a-z]+")
_ASCII_DIGIT = re.compile(rb"[0-9]")


def token_weight(value: int) -> int:
    """How much text a token of this trace value is: five words are as much as eight characters."""
    return UNSPACED_WEIGHT if value >= TRACE_UNSPACED else WORD_WEIGHT


def token_hash(text: bytes) -> int:
    """The 64-bit hash of a token: a folded product up to 16 bytes, XXH3 beyond."""
    if len(text) > 16:
        return xxhash.xxh3_64_intdigest(text)
    low, high = (int.from_bytes(text[at : at + 8], "little") for at in (0, 8))
    product = (low ^ TOKEN_KEY_LOW) * (high ^ TOKEN_KEY_HIGH)
    folded = (product ^ product >> 64) & MASK64
    return (folded ^ len(text)) * 0x165667919E3779F9 & MASK64


class Token(NamedTuple):
    """A token: its UTF-8, and what its trace value says besides the hash."""

    text: bytes
    unspaced: bool
    digits: bool

    @property
    def trace(self) -> int:
        """The 16-bit trace value: 2 to 0x7FFF a word, then tokens with digits, then characters."""
        value = token_hash(self.text)
        if self.unspaced:
            return int(TRACE_UNSPACED | value >> 50)
        if self.digits:
            return int(TRACE_DIGITS | value >> 50)
        word = int(value >> 49)
        return word if word >= 2 else word + 2


def decode_utf8(data: bytes) -> Iterator[int]:
    """The code points of Python's UTF-8 with surrogates; a malformed byte counts as U+FFFD."""
    at = 0
    while at < len(data):
        lead = data[at]
        size = 1 if lead < 0xC2 or lead > 0xF4 else 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
        try:
            char = data[at : at + size].decode("utf-8", "surrogatepass")
        except UnicodeDecodeError:
            char, size = "\ufffd", 1
        yield ord(char)
        at += size


class _Folder:
    """Collects the tokens of one block, code point by code point."""

    def __init__(self, tables: Tables, *, folded: bool) -> None:
        self.index, self.entries, self.expansions, self.pairs = tables
        self.folded = folded
        self.tokens: list[Token] = []
        self.hard = False
        self.text = ""
        self.unspaced = self.digits = False
        self.last = self.rank = 0
        self.composed = False

    def entry(self, code_point: int) -> int:
        """The table's word for a code point."""
        page = int(self.index[code_point >> PAGE_BITS])
        return int(self.entries[page << PAGE_BITS | code_point & 127])

    def end_token(self) -> None:
        """Close the token that is open, if any."""
        if self.text:
            data = self.text.encode("utf-8", "surrogatepass")
            self.tokens.append(Token(data, self.unspaced, self.digits))
        self.text = ""
        self.unspaced = self.digits = False

    def composes(self, code_point: int) -> bool:
        """Whether the last code point and this one compose."""
        wanted = self.last << 32 | code_point
        at = bisect.bisect_left(self.pairs, wanted)
        return at < len(self.pairs) and int(self.pairs[at]) == wanted

    def add_folded(self, code_point: int, entry: int) -> None:
        """Take a code point that folds to itself."""
        kind = entry >> CLASS_SHIFT & 7
        is_mark = kind in (CharClass.MARK, CharClass.COMPOSING_MARK)
        if kind == CharClass.SEPARATOR or (is_mark and not self.last):
            self.end_token()
            self.last = self.rank = 0
            self.composed = False
            return
        if kind == CharClass.CHARACTER or (self.unspaced and not is_mark):
            self.end_token()
        self.unspaced = self.unspaced or kind == CharClass.CHARACTER
        self.digits = self.digits or kind == CharClass.DIGIT
        self.text += chr(code_point)
        self.last, self.rank = code_point, entry >> RANK_SHIFT
        self.composed = kind == CharClass.COMPOSED

    def add(self, code_point: int) -> None:
        """Take a code point as it stands in the text."""
        entry = self.entry(code_point)
        kind, rank = entry >> CLASS_SHIFT & 7, entry >> RANK_SHIFT
        if kind == CharClass.INVISIBLE:
            return
        if not self.folded or code_point < 0x80:  # ASCII is always folded: it costs nothing
            composing = kind == CharClass.COMPOSING_MARK and self.last
            self.hard = self.hard or bool(
                entry & HARD
                or (self.last and rank and self.rank > rank)
                or (composing and (self.rank or self.composed or self.composes(code_point)))
            )
            if self.hard:
                return
            if entry & EXPANDS:
                at = entry & VALUE_MASK
                for part in self.expansions[at + 1 : at + 1 + int(self.expansions[at])].tolist():
                    self.add_folded(part, self.entry(part))
                return
            code_point = (code_point + entry) & VALUE_MASK
        self.add_folded(code_point, entry)


TAIL_BYTES, MORE_WEIGHT, LEAST_BEFORE, LEAST_TEXT = 64, 25, 32, 40
"""A label behind an ellipsis: where it is looked for, what it weighs at most; what stands before
it, and the whole text, at least."""


def end_trace(data: bytes, tables: Tables, trace: list[int], *, folded: bool) -> list[int]:
    """The trace of a text as the text ends.

    Without a label behind an ellipsis ("... Read more"), which is up to three words (or five
    characters of an unspaced script) where the text has five words (or eight characters), four of
    which (or seven) stand before it. And with TRACE_GOES_ON where the last word may be half of one
    (the ellipsis follows it at once), or where but for that the text is too short to be compared.
    """
    first = max(0, len(data) - TAIL_BYTES)
    at = max(data.rfind(mark, first) for mark in (b"...", "…".encode()))
    label = tokenise(data[at + 3 :], tables, folded=folded) if at >= 0 else None
    if label is None or len(label) > len(trace):
        return trace
    left = trace[: len(trace) - len(label)]
    before, weight = sum(map(token_weight, left)), sum(map(token_weight, trace[len(left) :]))
    if weight > MORE_WEIGHT or before < LEAST_BEFORE or before + weight < LEAST_TEXT:
        return trace
    is_marked = before < LEAST_TEXT or _is_word_before(data, at, tables)
    return [*left, TRACE_GOES_ON] if is_marked else left


def _is_word_before(data: bytes, end: int, tables: Tables) -> bool:
    """Whether a word of a spaced script ends there."""
    at = end - 1
    while at > 0 and end - at < 4 and data[at] & 0xC0 == 0x80:
        at -= 1
    entry = _Folder(tables, folded=True).entry(next(decode_utf8(data[at:end])))
    return entry >> CLASS_SHIFT & 7 not in (CharClass.SEPARATOR, CharClass.CHARACTER)


def tokens_of(trace: Sequence[int]) -> Sequence[int]:
    """A trace without what says, at its end, that the text goes on."""
    return trace[:-1] if trace and trace[-1] == TRACE_GOES_ON else trace


def tokenise(data: bytes, tables: Tables, *, folded: bool) -> list[Token] | None:
    """The tokens of one block, or None where the block is hard (see native/fold.h)."""
    if not folded and _MARKUP.search(data):
        return None
    if data.isascii():
        found = _ASCII_TOKEN.findall(data.lower())
        return [Token(text, False, bool(_ASCII_DIGIT.search(text))) for text in found]
    folder = _Folder(tables, folded=folded)
    for code_point in decode_utf8(data):
        folder.add(code_point)
        if folder.hard:
            return None
    folder.end_token()
    return folder.tokens
