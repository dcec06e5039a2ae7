"""The lines of text pages, described in Python: the twin of `native/lines.h`, bit for bit.

Works on bytes, so that malformed UTF-8 gives the same results. Must not know what a block is: which
lines belong together is decided in `dedup/blocks.py`.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

# Bits of FLAGS; their meaning stands in native/lines.h.
_BREAK, _STRUCTURE, _BARE, _MARKER, _WEAK = 1, 2, 4, 8, 16
_LOWER, _UPPER, _DIGIT, _CAPS = 32, 64, 128, 256
_TERMINAL, _CONTINUES, _GAP, _FIGURES, _WIDE = 512, 1024, 2048, 4096, 8192
_FIELDS = 9

_NARROW_WHITE = b"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f "
_WHITE = (
    rb"(?:[\t-\r\x1c-\x20]|\xc2[\x85\xa0]|\xe1\x9a\x80|\xe2\x80[\x80-\x8b\xa8\xa9\xaf]"
    rb"|\xe2\x81\x9f|\xe3\x80\x80|\xef\xbb\xbf)"
)
_END = rb"(?=" + _WHITE + rb"|\Z)"
_TERMINATOR = re.compile(rb"\r+\n?|[\n\x0b\x0c]|\xc2\x85|\xe2\x80[\xa8\xa9]")
_LEADING = re.compile(_WHITE + rb"*")
_TRAILING_WIDE = re.compile(_WHITE + rb"\Z")
_QUOTES = re.compile(rb"(?:> *)*")
_CHARACTER = re.compile(
    rb"[\x00-\x7f]|[\xc0-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xff][\x80-\xbf]{3}",
)
_STACKED = re.compile(
    rb"\xe0(?:[\xb8\xba][\xb1\xb4-\xbc]|[\xb9\xbb][\x87-\x8e])",
)
_ASCII_PUNCTUATION = re.compile(rb"[^0-9A-Za-z\x80-\xff]*")
_ASCII_LOWER = re.compile(rb"[a-z]")
_GAPS = re.compile(rb"    |\t")
_FIRST_WORD = re.compile(
    rb"(?:\xc2\xa0|\xe2\x80\xaf|(?!" + _WHITE + rb")[\x00-\xe2])*",
    re.DOTALL,
)
_ROMAN = rb"[ivxlcIVXLC]"
_STRUCTURES = re.compile(rb"\||#{1,6}(?!#)" + _END + rb"|==|```|~~~")
_MARKERS = re.compile(
    rb"[*+-]" + _END + rb"|o  |\xc2[\xa7\xb6\xb7]|\xe2\x80[\xa2\xa3]|\xe2\x81\x83|\xe2\x88\x99"
    rb"|\xe2\x96[\xa0-\xbf]|\xe2[\x97-\x9d][\x80-\xbf]|\xe2\x9e[\x80-\xbf]|\xe3\x83\xbb"
    rb"|\xef[\x80-\x83][\x80-\xbf]",
)
_WEAKS = re.compile(
    rb"(?:--|\xe2\x80[\x93-\x95]|\[[0-9]{1,3}\]"
    rb"|\((?:[0-9]{1,3}|" + _ROMAN + rb"{1,6}|[A-Za-z])\)"
    rb"|[0-9]{1,4}(?:(?:\.[0-9]{1,3})*\\?[.)]|(?:\.[0-9]{1,3})+)"
    rb"|(?:" + _ROMAN + rb"{1,6}|[A-Za-z])\\?[.)])" + _END + rb"|"
    rb"[A-Z][A-Za-z\x80-\xff]{1,11}\.? (?:[0-9]{1,5}[a-z]?|" + _ROMAN + rb"{1,6})(?:[.:]|\Z)",
)
_CLOSERS = frozenset(
    [*b"\"')]}*_", 0xBB, 0x2019, 0x201D, 0x203A, 0x300D, 0x300F, 0x3011, 0xFF09],
)
_TERMINALS = frozenset(
    [
        *b".!?:;",
        *(0x37E, 0x589, 0x61B, 0x61F, 0x6D4, 0x964, 0x965, 0x104B, 0x1362, 0x17D4, 0x2026),
        *(0x203C, 0x3002, 0xFF01, 0xFF0E, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF61),
    ],
)
_CONTINUERS = frozenset([*b"-,", 0xAD, 0x60C, 0x2010, 0x3001, 0xFF0C])
_REPLACEMENT = 0xFFFD
_LEADS = (0, 0, 0x1F, 0x0F, 0x0F)
_LEAST = (0, 0, 0x80, 0x800, 0x10000)

# For bytes.translate, whose second argument deletes: what is left is counted.
_CONTINUATION = bytes(range(0x80, 0xC0))
_NARROW = bytes(range(0xE3))


def scan_lines(
    buffer: bytes,
    page_bounds: npt.NDArray[np.int64],
    fields: npt.NDArray[np.int64],
    line_bounds: npt.NDArray[np.int64],
    /,
) -> int:
    """Describes the lines of text pages that are not blank.

    Args:
        buffer: bytes, the pages in UTF-8 (lone surrogates as three bytes), one after the other.
        page_bounds: int64[pages + 1], where each page begins and ends in `buffer`, ascending.
        fields: int64[9, capacity], written: a column for each line, a row for each fact: START,
            END, CHAR_START, CHAR_END, NUMBER, INDENT, EDGE, FIRST, FLAGS.
        line_bounds: int64[pages + 1], written: the columns of each page's lines.

    Returns:
        How many lines there are. Beyond `capacity` they are counted, not described: call again
        with that capacity.

    Raises:
        ValueError: the arrays do not fit together.
    """
    pages = len(page_bounds) - 1
    if pages < 0 or len(line_bounds) != len(page_bounds):
        raise ValueError("page_bounds and line_bounds: give int64[pages + 1] both")
    if fields.size % _FIELDS:
        raise ValueError("fields: give int64[9, capacity]")
    bounds: list[int] = page_bounds.tolist()
    if any(low > high for low, high in zip([0, *bounds], [*bounds, len(buffer)], strict=True)):
        raise ValueError("page_bounds: give ascending offsets within the buffer")
    capacity = fields.size // _FIELDS
    rows: list[tuple[int, ...]] = []
    line_bounds[0] = lines = 0
    for page in range(pages):
        base = bounds[page]
        for row in _page_lines(buffer[base : bounds[page + 1]], base):
            lines += 1
            if lines <= capacity:
                rows.append(row)
        line_bounds[page + 1] = lines
    if rows:
        fields.reshape(_FIELDS, capacity)[:, : len(rows)] = np.array(rows, np.int64).T
    return lines


def _page_lines(page: bytes, base: int) -> Iterator[tuple[int, ...]]:
    number, characters, at = 1, 0, 0
    after_break = _BREAK
    while at < len(page):
        found = _TERMINATOR.search(page, at)
        stop, following = found.span() if found else (len(page), len(page))
        terminator = page[stop:following]
        line = page[at:stop]
        ascii_only = page[at:following].isascii()
        before = _LEADING.match(line).end()  # type: ignore[union-attr] # the pattern matches anything
        if before == len(line):
            after_break = _BREAK
        else:
            content = line[before : _stripped_end(line)]
            quotes = _QUOTES.match(content)[0]  # type: ignore[index] # the pattern matches anything
            text = content[len(quotes) :]
            start = characters + _count(line[:before], ascii_only=ascii_only)
            indent = _columns(line[:before]) + len(quotes)
            columns = _count(text, ascii_only=ascii_only)
            end = start + len(quotes) + columns
            if not ascii_only:
                columns += len(text.translate(None, _NARROW)) - len(_STACKED.findall(text))
            flags = after_break | _describe(text)
            yield (
                base + at + before,
                base + at + before + len(content),
                start,
                end,
                number,
                indent,
                indent + columns,
                _first(text),
                flags | min(quotes.count(b">"), 15) << 16,
            )
            after_break = 0
        characters += _count(page[at:following], ascii_only=ascii_only)
        many = len(terminator) if terminator[:1] == b"\r" and terminator[-1:] != b"\n" else 1
        if many > 1 or terminator in {b"\f", b"\xe2\x80\xa9"}:
            after_break = _BREAK
        number += many
        at = following


def _count(text: bytes, *, ascii_only: bool) -> int:
    """Code points: bytes that are no continuation bytes."""
    return len(text) if ascii_only else len(text.translate(None, _CONTINUATION))


def _stripped_end(line: bytes) -> int:
    """Where the white space at the line's end begins; linear where there is much of it."""
    end = len(line)
    while end:
        if line[end - 1] in _NARROW_WHITE:
            end -= 1
            continue
        found = None
        for width in (2, 3):
            found = found or _TRAILING_WIDE.match(line[max(end - width, 0) : end])
            if found and len(found[0]) == width:
                break
            found = None
        if not found:
            return end
        end -= len(found[0])
    return end


def _columns(indent: bytes) -> int:
    columns = 0
    for character in indent.decode("utf-8"):
        if character == "\t":
            columns = (columns | 7) + 1
        elif character == "\u3000":
            columns += 2
        elif character not in "\ufeff\u200b":
            columns += 1
    return columns


def _first(text: bytes) -> int:
    """Columns of the first word, 64 at most; a two-column character is a word of its own."""
    if text[:1] >= b"\xe3":
        return 2
    word = _FIRST_WORD.match(text[:256])[0]  # type: ignore[index] # the pattern matches anything
    return min(_count(word, ascii_only=False), 64)


def _describe(text: bytes) -> int:
    flags = _letters(text) | _ending(text)
    if text[:13].isalpha():  # no marker is so long a word
        pass
    elif _STRUCTURES.match(text):
        flags |= _STRUCTURE
    elif _MARKERS.match(text):
        flags |= _MARKER
    elif _WEAKS.match(text):
        flags |= _WEAK
    if len(text) <= 256 and _GAPS.search(text):
        flags |= _GAP
    return flags | _WIDE if text[:1] >= b"\xe3" else flags


def _code_point(text: bytes, at: int) -> tuple[int, int]:
    """The code point at `at` and its bytes; U+FFFD and 1 where no whole character begins."""
    found = _CHARACTER.match(text, at)
    if not found:
        return _REPLACEMENT, 1
    character = found[0]
    if len(character) == 1:
        return character[0], 1
    code = character[0] & _LEADS[len(character)]
    for byte in character[1:]:
        code = code << 6 | byte & 0x3F
    if code < _LEAST[len(character)]:  # longer than it need be
        return _REPLACEMENT, 1
    return code, len(character)


def _code_point_before(text: bytes, end: int) -> tuple[int, int]:
    """The code point that ends at `end` and its bytes; U+FFFD and 1 where none does."""
    if text[end - 1] < 0x80:
        return text[end - 1], 1
    for back in range(2, min(4, end) + 1):
        if text[end - back] & 0xC0 != 0x80:
            code, width = _code_point(text[end - back : end], 0)
            if width == back:
                return code, width
            break
    return _REPLACEMENT, 1


def _letters(text: bytes) -> int:
    flags = kind = 0
    at = _ASCII_PUNCTUATION.match(text).end()  # type: ignore[union-attr] # it matches anything
    while at < len(text):
        code, width = _code_point(text, at)
        if 0x30 <= code <= 0x39:
            flags |= _DIGIT
        elif not _is_punctuation(code):
            kind = _case(code)
            break
        at += width
    else:
        return flags | (_FIGURES if flags else _BARE)
    if not flags:
        flags = (0, _LOWER, _UPPER)[kind]
    if _ASCII_LOWER.search(text, 0, 64):
        return flags
    at = uppers = 0
    while at < min(len(text), 64):
        code, width = _code_point(text, at)
        kind = _case(code)
        if kind == 1:
            return flags
        uppers += kind == 2
        at += width
    return flags | _CAPS if uppers >= 2 else flags


def _ending(text: bytes) -> int:
    end = len(text)
    if text[-1:].isalnum():
        return 0
    for _ in range(5):
        if not end:
            break
        code, width = _code_point_before(text, end)
        if code in _TERMINALS:
            return _TERMINAL
        if code in _CONTINUERS:
            return _CONTINUES
        if code not in _CLOSERS:
            break
        end -= width
    return 0


def _is_punctuation(code: int) -> bool:
    if code < 0x80:
        return not chr(code).isalnum()
    return (
        (0xA0 <= code <= 0xBF and code not in {0xAA, 0xB5, 0xBA})
        or 0x2000 <= code <= 0x206F
        or 0x2500 <= code <= 0x259F
        or 0x3000 <= code <= 0x3003
        or 0x3008 <= code <= 0x3011
        or code == 0xFEFF
    )


# From a code point on, up to the next entry: 0 caseless, 1 lower, 2 upper, 3 odd ones are lower,
# 4 even ones are lower, 5 the eighth bit tells (Greek extended).
_CASE_RANGES = (
    *((0x00, 0), (0x41, 2), (0x5B, 0), (0x61, 1), (0x7B, 0), (0xC0, 2), (0xD7, 0), (0xD8, 2)),
    *((0xDF, 1), (0xF7, 0), (0xF8, 1), (0x100, 3), (0x139, 4), (0x149, 3), (0x179, 4), (0x17F, 3)),
    *((0x250, 1), (0x2B0, 0), (0x386, 2), (0x387, 0), (0x388, 2), (0x390, 1), (0x391, 2)),
    *((0x3AC, 1), (0x3CF, 0), (0x400, 2), (0x430, 1), (0x460, 3), (0x482, 0), (0x48A, 3)),
    *((0x4C1, 4), (0x4CF, 3), (0x530, 0), (0x531, 2), (0x557, 0), (0x561, 1), (0x588, 0)),
    *((0x1E00, 3), (0x1F00, 5), (0x2000, 0)),
)
_CASE_STARTS = tuple(start for start, _ in _CASE_RANGES)
_CASE_RULES = tuple(rule for _, rule in _CASE_RANGES)


def _case(code: int) -> int:
    """1 lower-case, 2 upper-case, 0 neither."""
    rule = _CASE_RULES[bisect_right(_CASE_STARTS, code) - 1]
    if rule < 3:
        return rule
    if rule == 5:
        return 2 if code & 8 else 1
    return 1 if code & 1 == (rule == 3) else 2
