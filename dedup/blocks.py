"""Text pages to blocks: paragraphs, headings, list items, table rows, captions.

Pages of text come in three shapes, told apart place by place: paragraphs between blank lines, one
block a line, and lines hard-wrapped at some width that belong together. The kernel describes the
lines (`scan_lines`); here is the policy, vectorised over all lines of a batch. Must not know of
normalising, of verdicts or of HTML. A page's blocks depend on that page alone.

A line that follows another without a blank line continues its block only where the text around
it is wrapped. The evidence is what wrapping does to text: a wrapped line is *full*, that is, the
next line's first word would not have fitted behind it; and the next line begins in mid-sentence,
so most often in lower case. Scripts without case speak through their widths alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, overload

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.model import Place

_Int64s: TypeAlias = npt.NDArray[np.int64]

# Rows of scan_lines' output, and bits of its FLAGS; their meaning stands in kernel/native/lines.h.
_START, _END, _CHAR_START, _CHAR_END, _NUMBER, _INDENT, _EDGE, _FIRST, _FLAGS = range(9)
_FIELDS = 9
_BREAK, _STRUCTURE, _BARE, _MARKER, _WEAK = 1, 2, 4, 8, 16
_LOWER, _UPPER, _DIGIT, _CAPS = 32, 64, 128, 256
_TERMINAL, _CONTINUES, _GAP, _FIGURES, _WIDE = 512, 1024, 2048, 4096, 8192
_ALL_FLAGS = (1 << 14) - 1
_QUOTE_DEPTH = 15 << 16

# A line with one of these never continues a block; after one with one of those nothing does.
_BEGINS = _BREAK | _STRUCTURE | _BARE | _MARKER
_STANDS_ALONE = _STRUCTURE | _BARE | _FIGURES

_Int32s: TypeAlias = npt.NDArray[np.int32]
_Bools: TypeAlias = npt.NDArray[np.bool_]

# Widths are in columns. Hardly anybody wraps narrower or wider than this.
_NARROWEST = 30
_WIDEST = 200
# Lines on either side whose widest tells the wrap width at a line.
_REACH = 4
# Pairs on either side, in the same run of lines, whose evidence counts in full; the rest of the
# page counts half and capped.
_NEAR = 6
_PAGE_CAP = 40
# The evidence that it takes, in tenths of log odds: more pages hold a block a line. One pair of
# lines alone on a page is never enough.
_PRIOR, _ALONE = 15, 30
# A line in lower case behind one that is not filled, on a page where that is common: a list.
_UNFILLED = -24
# Two lines that begin with so many equal ASCII characters, or bytes.
_ALIKE, _ALIKE_ASCII, _ALIKE_BYTES = -40, 5, 18
# So many lines in mid-sentence, three quarters of them full at one width, make a page sure.
_SURE = 4


def _tabulate_odds() -> npt.NDArray[np.int8]:
    """Ten times the log odds that a pair of lines stems from wrapped text, not from a block a line.

    By how the second line starts (0 says nothing, 1 lower case, 2 upper case, 3 without case, 4 in
    a script that breaks lines anywhere) * 32; 16 where the first ends a sentence; 8 where it is
    full, 4 where it is at least long enough to be ragged; 2 where one is overlong (then "full"
    means that words may have been mended); 1 where the page is sure.
    """
    odds = np.zeros((5, 2, 2, 2, 2, 2), np.int8)  # start, closed, full, long, overlong, sure
    odds[1, :, 1] = 30
    odds[1, :, 0] = -7
    odds[1, 0, 0, 1] = 8
    odds[2, :, 0] = -24
    odds[3, 0, 1] = 13
    odds[3, 1, 1] = -8
    odds[4, 0, 1] = 18
    odds[4, 1, 1] = -3
    odds[3:, :, 0] = -15
    # There, a line that is not full is a heading or ends a paragraph, and says little.
    odds[2:, :, 0, :, :, 1] = -5
    # One block beside another, or a line to which the rest of a hyphenated word was moved.
    odds[1:, :, :, :, 1] = -30
    odds[1, 0, 1, :, 1] = 10
    return odds.reshape(-1)


def _tabulate_starts() -> npt.NDArray[np.uint8]:
    """How a line starts, by its flags: the first index of the odds."""
    flags = np.arange(_ALL_FLAGS + 1)
    starts = np.where(flags & (_DIGIT | _GAP), 0, 3)
    starts[(flags & (_DIGIT | _GAP | _WIDE)) == _WIDE] = 4
    starts[(flags & (_UPPER | _CAPS)) == _UPPER] = 2
    starts[(flags & _LOWER) != 0] = 1
    starts[(flags & (_WEAK | _FIGURES)) != 0] = 0  # it may follow anything
    return starts.astype(np.uint8)


_ODDS = _tabulate_odds()
_STARTS = _tabulate_starts()


class TextBlocks:
    """The blocks of one text page: a light view of its batch (see `dedup.model.PageBlocks`)."""

    __slots__ = ("_batch", "_count", "_first", "content")

    def __init__(self, content: str, batch: TextBatch, first: int, count: int) -> None:
        self.content = content
        self._batch = batch
        self._first = first
        self._count = count

    def __len__(self) -> int:
        return self._count

    def text(self, position: int) -> str:
        """The block's text."""
        start, end = self.span(position)
        return self.content[start:end]

    def span(self, position: int) -> tuple[int, int]:
        """Its `(start, end)` in `content`."""
        row = self._row(position)
        return self._batch.char_starts.item(row), self._batch.char_ends.item(row)

    def line(self, position: int) -> int:
        """The 1-based line of its start."""
        return self._batch.lines.item(self._row(position))

    def path(self, position: int) -> None:
        """None: text has no elements."""
        self._row(position)

    def hidden(self, position: int) -> bool:
        """False: text hides nothing."""
        self._row(position)
        return False

    def all_texts(self) -> list[str]:
        """The text of every block."""
        rows, content = slice(self._first, self._first + self._count), self.content
        starts, ends = self._batch.char_starts[rows].tolist(), self._batch.char_ends[rows].tolist()
        return [content[start:end] for start, end in zip(starts, ends, strict=True)]

    def all_lines(self) -> list[int]:
        """The line of every block."""
        lines: list[int] = self._batch.lines[self._first : self._first + self._count].tolist()
        return lines

    def places(self, positions: Sequence[int]) -> list[Place]:
        """What there is to say of these blocks."""
        batch, content = self._batch, self.content
        found: list[Place] = []
        for position in positions:
            row = self._row(position)
            start, end = batch.char_starts.item(row), batch.char_ends.item(row)
            found.append((start, end, batch.lines.item(row), None, False, content[start:end]))
        return found

    def text_without(self, positions: Sequence[int]) -> str:
        """The content with these blocks and the white space behind each cut out."""
        if len(positions) == self._count > 0:  # nothing is left but what stands before them
            return self.content[: self._batch.char_starts.item(self._first)]
        pieces = []
        kept = 0
        for position in positions:
            pieces.append(self.content[kept : self.span(position)[0]])
            last = position + 1 == self._count
            kept = len(self.content) if last else self.span(position + 1)[0]
        pieces.append(self.content[kept:])
        return "".join(pieces)

    def _row(self, position: int) -> int:
        if not 0 <= position < self._count:
            raise IndexError(f"position {position}: the page has {self._count} blocks")
        return self._first + position


class TextBatch(Sequence[TextBlocks]):
    """The blocks of several text pages, as columns; item i is page i's `TextBlocks`.

    Attributes:
        buffer: the pages in UTF-8 (lone surrogates as three bytes), one after the other.
        starts: int64, byte offset in `buffer` of each block, all pages in order.
        ends: int64, byte offset after it.
        bounds: int64[pages + 1], where each page's blocks begin and end in the columns.
        char_starts: int64, its offset in its page's content, in characters.
        char_ends: int64, the offset after it.
        lines: int64, the 1-based line of its start.
    """

    __slots__ = (
        "_contents",
        "bounds",
        "buffer",
        "char_ends",
        "char_starts",
        "ends",
        "lines",
        "starts",
    )

    def __init__(
        self,
        contents: Sequence[str],
        buffer: bytes,
        fields: _Int64s,
        line_bounds: _Int64s,
        begins: _Int64s,
    ) -> None:
        last = np.empty_like(begins)
        last[:-1] = begins[1:] - 1
        last[-1:] = fields.shape[1] - 1
        self._contents = contents
        self.buffer = buffer
        self.starts: _Int64s = fields[_START][begins]
        self.ends: _Int64s = fields[_END][last]
        self.char_starts: _Int64s = fields[_CHAR_START][begins]
        self.char_ends: _Int64s = fields[_CHAR_END][last]
        self.lines: _Int64s = fields[_NUMBER][begins]
        self.bounds: _Int64s = np.searchsorted(begins, line_bounds)

    def __len__(self) -> int:
        return len(self._contents)

    @overload
    def __getitem__(self, index: int) -> TextBlocks: ...
    @overload
    def __getitem__(self, index: slice) -> list[TextBlocks]: ...
    def __getitem__(self, index: int | slice) -> TextBlocks | list[TextBlocks]:
        if isinstance(index, slice):
            return [self[page] for page in range(*index.indices(len(self)))]
        content = self._contents[index]
        first = self.bounds.item(index if index >= 0 else index - 1)
        end = self.bounds.item(index + 1 if index >= 0 else index)
        return TextBlocks(content, self, first, end - first)

    def __iter__(self) -> Iterator[TextBlocks]:
        bounds = self.bounds.tolist()
        for content, first, end in zip(self._contents, bounds[:-1], bounds[1:], strict=True):
            yield TextBlocks(content, self, first, end - first)


def split_texts(contents: Sequence[str]) -> TextBatch:
    """The blocks of text pages. Linear in their length; no page influences another's.

    Every character that is not white space is in exactly one block; blocks are not empty, begin
    and end with such a character, stand in order and do not overlap.
    """
    encoded = [content.encode("utf-8", "surrogatepass") for content in contents]
    buffer = b"".join(encoded)
    page_bounds = np.zeros(len(encoded) + 1, np.int64)
    np.cumsum([len(page) for page in encoded], out=page_bounds[1:])
    line_bounds = np.empty_like(page_bounds)
    # Lines are rarely shorter than this; where they are, the kernel says how many there are.
    capacity = len(buffer) // 32 + 64
    fields = np.empty((_FIELDS, capacity), np.int64)
    count = kernel.scan_lines(buffer, page_bounds, fields, line_bounds)
    if count > capacity:
        fields = np.empty((_FIELDS, count), np.int64)
        kernel.scan_lines(buffer, page_bounds, fields, line_bounds)
    fields = fields[:, :count]
    begins = np.ones(count, np.bool_)
    begins[_continuations(buffer, fields, line_bounds)] = False
    return TextBatch(contents, buffer, fields, line_bounds, np.flatnonzero(begins))


def _continuations(  # noqa: PLR0915 - one pass over columns, told from start to end
    buffer: bytes, fields: _Int64s, line_bounds: _Int64s
) -> _Int64s:
    """The lines that continue the block of the line before them."""
    flags = fields[_FLAGS].astype(np.int32)
    apart = flags[1:] & _BEGINS
    apart |= flags[:-1] & _STANDS_ALONE
    apart |= (flags[1:] ^ flags[:-1]) & _QUOTE_DEPTH
    pairs = np.flatnonzero(apart == 0)
    if pairs.size == 0:
        return pairs
    seconds = pairs + 1
    edges = np.minimum(fields[_EDGE], 1 << 20).astype(np.int32)
    line_pages = np.repeat(np.arange(len(line_bounds) - 1, dtype=np.int64), np.diff(line_bounds))
    pages = line_pages.take(pairs)
    pair_bounds = np.searchsorted(pairs, line_bounds)

    ours, following = flags.take(pairs), flags.take(seconds)
    edge, first = edges.take(pairs), fields[_FIRST].astype(np.int32).take(seconds)
    starts = _STARTS.take(following & _ALL_FLAGS)
    lower = starts == 1
    closed = (ours & _TERMINAL) != 0

    page_widths = _usual_widths(edge, pages, pair_bounds)
    usual = page_widths.take(pages)
    # A word that would need more than a quarter of the line proves nothing.
    needs = np.minimum(first, usual >> 2)
    needs += edge
    needs += (usual >> 5) + 1
    # A page whose lines in mid-sentence are full at one width is wrapped at that width throughout.
    telling = (lower | (starts >= 3)) & ~closed
    agree = telling & (needs > usual)
    agreed = _sums(agree, pair_bounds)
    steady = 4 * agreed >= 3 * _sums(telling, pair_bounds)
    sure = (steady & (agreed >= _SURE)).take(pages)
    least = np.where(steady, page_widths, page_widths * 6 // 10)
    width = _widest_nearby(edges, line_pages, page_widths * 13 // 10).take(pairs)
    np.maximum(width, np.maximum(least, _NARROWEST).take(pages), out=width)

    limit = width * 13 // 10
    ours_over, next_over = edge > limit, (edges.take(seconds) > limit) & (first < 64)
    overlong = ours_over | next_over
    mended = lower & ~closed & (edge * 8 >= width * 7) & ~(ours_over & next_over)
    full = np.where(overlong, mended, needs > width)
    ragged = (edge * 2 >= width) & (edge >= _NARROWEST)
    # (((start, closed), full), ...), sure: the odds' index, in binary.
    situation = starts
    for fact in (closed, full, ragged, overlong, sure):
        situation = situation << 1 | fact
    evidence = _ODDS.take(situation)
    # Prose fills its lines, ragged as it may be; lists in lower case do not.
    filled = full | (edge * 20 >= width * 17)
    loose = 2 * _sums(telling & filled, pair_bounds) < _sums(telling, pair_bounds)
    evidence[lower & ~full & loose.take(pages)] = _UNFILLED
    # Prose begins lines alike now and then, a list again and again.
    alike = _begin_alike(buffer, fields[_START], fields[_END], pairs)
    alike &= (5 * _sums(alike, pair_bounds) >= np.diff(pair_bounds)).take(pages)
    evidence[alike] = _ALIKE
    wrapped = _is_wrapped(evidence, pairs, pages, pair_bounds)

    # In wrapped text, any word may have been too long for the line; and ragged lines go on in
    # mid-sentence, or are nearly full.
    full |= (np.minimum(first, width >> 1) + edge >= width) & ~overlong
    carries_on = lower & (~closed | (needs * 8 > width * 7))
    carries_on |= (ours & _CONTINUES) != 0
    carries_on &= (edge * 2 >= width) & ~overlong
    joins = full | carries_on
    joins &= wrapped & ~alike
    joined = np.flatnonzero(joins)
    pairs = pairs.take(joined)
    return pairs[~_starts_block(flags, fields[_INDENT], pairs, full.take(joined))] + 1


def _begin_alike(buffer: bytes, starts: _Int64s, ends: _Int64s, pairs: _Int64s) -> _Bools:
    """Which pairs of lines begin alike: rows of a list or a log, hardly ever prose.

    That is with the same five ASCII characters, or with the same eighteen bytes of any script.
    """
    data = np.frombuffer(buffer, np.uint8)
    first, second = starts.take(pairs), starts.take(pairs + 1)
    size = np.minimum(ends.take(pairs) - first, ends.take(pairs + 1) - second)
    found: _Bools = np.zeros(len(pairs), np.bool_)
    candidates = np.flatnonzero(size >= _ALIKE_ASCII)
    is_ascii = np.ones(len(candidates), np.bool_)
    for offset in range(_ALIKE_BYTES):
        ours = data.take(first.take(candidates) + offset)
        same = ours == data.take(second.take(candidates) + offset)
        is_ascii &= ours < 0x80
        candidates, is_ascii = candidates[same], is_ascii[same]
        if offset == _ALIKE_ASCII - 1:
            found[candidates[is_ascii]] = True
            longer = ~is_ascii & (size.take(candidates) >= _ALIKE_BYTES)
            candidates, is_ascii = candidates[longer], is_ascii[longer]
    found[candidates] = True
    return found


def _usual_widths(edges: _Int32s, pages: _Int64s, pair_bounds: _Int64s) -> _Int32s:
    """For each page the eighth decile of its pairs' edges, overlong ones left out."""
    keys = pages << 32
    keys |= np.where(edges > _WIDEST, 0, edges)
    keys.sort()
    low, high = pair_bounds[:-1], pair_bounds[1:]
    places = np.minimum(low + (high - low - 1) * 8 // 10, len(edges) - 1)
    return np.where(high > low, keys.take(places) & 0xFFFFFFFF, 0).astype(np.int32)


def _widest_nearby(edges: _Int32s, pages: _Int64s, limits: _Int32s) -> _Int32s:
    """For each line the widest edge within reach, those over the page's limit left out."""
    pad = 2 * _REACH
    # Each page stands apart by zeros, so that none sees another's lines.
    places = pages * pad
    places += np.arange(pad, pad + len(edges))
    padded = np.zeros(places.item(-1) + pad, np.int32)
    padded[places] = np.where(edges > limits.take(pages), 0, edges)
    widest = np.maximum(padded[1:], padded[:-1])
    widest = np.maximum(widest[2:], widest[:-2])
    widest = np.maximum(widest[4:], widest[:-4])
    places -= _REACH - 1
    return widest.take(places)


def _sums(values: _Bools, pair_bounds: _Int64s) -> _Int64s:
    """How many of the values are true on each page."""
    total = np.zeros(len(values) + 1, np.int64)
    np.cumsum(values, out=total[1:])
    at_bounds = total.take(pair_bounds)
    sums: _Int64s = at_bounds[1:] - at_bounds[:-1]
    return sums


def _is_wrapped(
    evidence: npt.NDArray[np.int8], pairs: _Int64s, pages: _Int64s, pair_bounds: _Int64s
) -> _Bools:
    """For each pair whether the text around it is wrapped."""
    total = np.zeros(len(evidence) + 1, np.int64)
    np.cumsum(evidence, out=total[1:])
    at_bounds = total.take(pair_bounds)
    page = (at_bounds[1:] - at_bounds[:-1]).take(pages)
    # Near is what is within reach and in the same run of lines.
    run_bounds = np.flatnonzero(np.diff(pairs, prepend=-2, append=pairs[-1] + 2) != 1)
    sizes = np.diff(run_bounds)
    places = np.arange(len(evidence))
    low = np.maximum(places - _NEAR, np.repeat(run_bounds[:-1], sizes))
    high = np.minimum(places + (_NEAR + 1), np.repeat(run_bounds[1:], sizes))
    near = total.take(high)
    near -= total.take(low)
    page -= near
    page >>= 1
    np.clip(page, -_PAGE_CAP, _PAGE_CAP, out=page)
    page += near
    wrapped: _Bools = page > np.where(np.diff(pair_bounds) == 1, _ALONE, _PRIOR).take(pages)
    return wrapped


def _starts_block(flags: _Int32s, indents: _Int64s, pairs: _Int64s, full: _Bools) -> _Bools:
    """Which pairs of wrapped text have a second line that begins a block by its looks."""
    ours, following = flags.take(pairs), flags.take(pairs + 1)
    closed = (ours & _TERMINAL) != 0
    after = np.minimum(pairs + 2, len(flags) - 1)
    mid_sentence = full & ~closed
    # An item, a section, a speech: unless the line before is full and in mid-sentence.
    starts: _Bools = ((following & _WEAK) != 0) & ~mid_sentence
    # A page number, unless it can be the last line of a paragraph.
    last = ((following & _TERMINAL) | (flags.take(after) & _BREAK)) != 0
    starts |= ((following & _FIGURES) != 0) & ~(mid_sentence & last)
    # An indented first line; not the further lines of an item or of a hanging paragraph.
    indent = indents.take(pairs + 1)
    deeper = indent - indents.take(pairs) >= 2
    hanging = ~closed & (indents.take(after) == indent)
    item = (ours & (_MARKER | _WEAK)) != 0
    starts |= deeper & ~hanging & ~item & ~(((following & _LOWER) != 0) & ~closed)
    # A heading or a running head in capitals.
    shouts = ((following & _CAPS) != 0) & ((ours & _CAPS) == 0)
    starts |= shouts & closed
    return starts
