"""CSV and TSV to pages, a row at a time.

The first row names the fields. A bad row costs that row, and a quote that nothing closes is named:
Python's reader would swallow the rest of the file without a word. Rows are cut off at the limit
while they are read.
"""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from typing import Any, Self

from dedup.errors import InputError
from dedup.inputs.lines import STEP
from dedup.inputs.model import Reading, UnreadPage
from dedup.inputs.records import Records, undecoded
from dedup.inputs.unpack import Stream
from dedup.model import Page

DELIMITERS = (",", ";", "\t", "|")
"""What stands between the fields of a `.csv` file: that of these which its first row has most."""


def read_table(
    stream: Stream,
    records: Records,
    reading: Reading,
    whole: Callable[[], bool],
    *,
    tabs: bool = False,
) -> Iterator[Page | UnreadPage]:
    """The pages of a table; `NAME#N` is row N after the header.

    Args:
        stream: unpacked.
        records: makes pages.
        reading: the limit.
        whole: whether the stream is whole so far: a last row that was cut is no record.
        tabs: TSV.
    """
    rows = _Rows(stream, reading.max_bytes, whole, tabs=tabs)
    header = rows.next()
    if header is None:
        return
    if isinstance(header, InputError):
        yield UnreadPage(records.name, InputError(f"{records.name!r}: its first row {header}"))
        return
    try:
        wanted = records.columns(header)
    except InputError as error:
        yield UnreadPage(records.name, error)
        return
    places = [(name, header.index(name)) for name in wanted]
    number = 0
    while (row := rows.next()) is not None:
        number += 1
        if isinstance(row, InputError):
            yield records.unread(number, f"(line {rows.line:,}) {row}")
        elif len(row) != len(header):
            yield records.unread(
                number,
                f"(line {rows.line:,}) has {len(row):,} fields where the first row has"
                f" {len(header):,}: correct that row",
            )
        else:
            yield records.page({name: undecoded(row[place]) for name, place in places}, number)


class _Rows:
    """The rows of a table. To csv's reader, it is the iterator of lines.

    Attributes:
        line: 1-based line on which the row begins that was read last.
    """

    def __init__(
        self, stream: Stream, limit: int, whole: Callable[[], bool], *, tabs: bool
    ) -> None:
        self._stream, self._limit, self._whole = _as_utf8(stream), limit, whole
        self._read = self.line = self._row_bytes = self._quotes = 0
        self._ended = self._cut = False
        self._first = self._stream.readline(limit + 1).removeprefix(codecs.BOM_UTF8)
        # The limit of a field is the module's own, for everybody: raised, never lowered.
        csv.field_size_limit(max(csv.field_size_limit(), limit))
        self._reader = csv.reader(self, delimiter="\t" if tabs else _delimiter(self._first))

    def next(self) -> list[str] | InputError | None:
        """The next row that is not blank; what is wrong with it; or None at the end."""
        row: list[str] | InputError | None = []
        while row == []:
            row = self._next()
        # A row that the end of a damaged stream cut is no row; the damage is told elsewhere.
        if self._cut or (self._ended and not self._whole()):
            return None
        if not isinstance(row, list):
            return row
        if self._ended:
            return InputError(
                "opens a quote that nothing closes, and all of the file from there on is in it:"
                " close it"
            )
        if any("\0" in field for field in row):
            return InputError("has NUL characters: write the file again, in UTF-8")
        return row

    def _next(self) -> list[str] | InputError | None:
        self.line = self._read + 1
        self._row_bytes = self._quotes = 0
        try:
            return next(self._reader, None)
        except _TooLarge:
            return InputError(
                f"has more than {self._limit / 1e6:g} MB: look for a quote that is not closed, or"
                " raise --max-page-mb"
            )
        except csv.Error as error:
            return InputError(f"is no row ({error}): correct it")

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> str:
        """The next line; an oversized row is read past without being kept."""
        line = self._first or self._stream.readline(self._limit + 1)
        self._first = b""
        if not line:
            self._ended = True
            raise StopIteration
        self._count(line)
        if self._row_bytes > self._limit:
            while line and (self._quotes % 2 or not line.endswith(b"\n")):
                line = self._stream.readline(STEP)
                self._count(line)
            raise _TooLarge
        self._cut = not line.endswith(b"\n") and not self._whole()
        return line.decode("utf-8", "surrogateescape")

    def _count(self, line: bytes) -> None:
        self._read += line.endswith(b"\n")
        self._row_bytes += len(line)
        self._quotes += line.count(b'"')  # a doubled one changes nothing


class _TooLarge(Exception):  # noqa: N818 - a signal from the lines to the rows
    """The row is over the limit."""


def _delimiter(header: bytes) -> str:
    return max(DELIMITERS, key=lambda delimiter: header.count(delimiter.encode()))


def _as_utf8(stream: Stream) -> Stream:
    """The stream; recoded where it is UTF-16, as Excel's "Unicode text" is."""
    if stream.peek(2)[:2] not in {codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE}:
        return stream
    return io.BufferedReader(_Recoded(stream))


class _Recoded(io.RawIOBase):
    """UTF-16 as UTF-8."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self._stream = stream
        self._decode = codecs.getincrementaldecoder("utf-16")("replace").decode
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            part = self._stream.read(STEP)
            self._waiting = self._decode(part, final=not part).encode("utf-8", "replace")
            if not part:
                break
        part, self._waiting = self._waiting[: len(buffer)], self._waiting[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)
