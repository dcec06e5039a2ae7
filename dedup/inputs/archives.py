"""Web archives to pages: WARC 0.17 to 1.1 (with WET), and ARC 1.

ISO 28500, and the Internet Archive's ARC file format. Pages are `response` records with status 200
that are HTML or plain text, and `conversion` and `resource` records of these types; what a crawl
writes besides (requests, metadata, revisits, images, error pages) is passed over. The page id is
the target URI: of several captures of one URL, each is checked again, and the last one stands.

The records are framed here, not by a library, because the libraries do not tell a whole archive
from a damaged one (docs/decisions.md): a record is given only when what follows it is a record's
end, and whatever is lost is named with its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from dedup.errors import InputError
from dedup.inputs.http import FORMATS, GOOD, content_type, decode_body, headers, split_head
from dedup.inputs.lines import read_up_to, skip
from dedup.inputs.model import Reading, UnreadPage
from dedup.inputs.unpack import Stream, Unpacked
from dedup.model import Page

HEAD = 1 << 16
"""Bytes that the headers of a record, or of the response in it, may have."""

NO_PAGES = ("dns:", "filedesc:", "metadata:", "urn:", "whois:")
"""Beginnings of target URIs under which crawlers keep their notes: logs, settings, page texts."""

_VERSION = re.compile(rb"WARC/\d+\.\d+[ \t]*\r?\n")
_ARC = re.compile(
    rb"([A-Za-z][A-Za-z0-9+.-]*:[^\r\n]*) (\S+) (\d{8,17}|null|-) (\S*)(?: [^\r\n]*?)? +(\d{1,18})"
    rb"[ \t]*\r?\n"
)
"""URL, address, time, type; ARC 2 has more; length. Some crawlers left spaces in URLs."""


_LENGTH = re.compile(r"[0-9]{1,18}")
_PASSED_OVER = "passed over"


@dataclass(frozen=True, slots=True)
class Record:
    """The head of a record.

    Attributes:
        number: 1-based, of all records of the file.
        offset: where it begins in the unpacked file (bytes).
        length: of its block (bytes).
        type: `response`, `conversion`, `resource`, or a type that is passed over.
        uri: what was fetched, or "".
        content_type: of the block.
        cut: its crawler cut it, and says so.
        is_arc: it stands in an ARC file.
    """

    number: int
    offset: int
    length: int
    type: str
    uri: str
    content_type: str
    cut: bool = False
    is_arc: bool = False


class Archive:
    """The records of one file."""

    def __init__(self, stream: Stream, unpacked: Unpacked, name: str, reading: Reading) -> None:
        """Read an archive.

        Args:
            stream: unpacked.
            unpacked: below it; knows of damage.
            name: of the file.
            reading: the limit.
        """
        self._stream, self._unpacked, self._name, self._limit = stream, unpacked, name, reading
        self._at = 0  # bytes of the unpacked file that were read
        self._line = b""  # the line that was read last, and where it begins
        self._line_at = 0
        self._number = 0

    def pages(self) -> Iterator[Page | UnreadPage]:
        """The pages, and what is wrong in between."""
        self._next_line()
        self._skip_blank()
        while self._line:
            offset = self._line_at
            record = self._head()
            if record is None:
                yield from self._resynchronise(offset)
                continue
            page, there = self._block(record)
            if there < record.length:
                if not self._unpacked.damage:
                    yield self._ends(
                        record,
                        f"in the middle of record {record.number:,}, {there:,} bytes of"
                        f" {record.length:,} into it",
                    )
                return
            self._next_line()
            if self._line.strip() and not self._is_head():
                yield self._error(
                    f"record {record.number:,} ({record.uri or record.type}, at byte"
                    f" {record.offset:,} of the unpacked file) does not end where its length says,"
                    " and is lost with what it covers"
                )
                yield from self._resynchronise(self._line_at, known=True)
                continue
            blank = self._skip_blank()
            if page is not None and not self._unpacked.corrupt:
                yield page
            if not self._line and not record.is_arc and blank < 2 and not self._unpacked.damage:
                yield self._ends(record, f"before the end mark of record {record.number:,}")

    def _head(self) -> Record | None:
        """The record that begins at this line; None where none does."""
        offset = self._line_at
        if arc := _ARC.fullmatch(self._line):
            self._number += 1
            uri, kind, length = (part.decode("utf-8", "replace") for part in arc.group(1, 4, 5))
            is_page = not uri.startswith(NO_PAGES)
            return Record(
                self._number,
                offset,
                int(length),
                "response" if is_page else _PASSED_OVER,
                uri,
                kind,
                is_arc=True,
            )
        if not _VERSION.fullmatch(self._line):
            return None
        self._number += 1
        lines: list[bytes] = []
        size = 0
        readline = self._stream.readline
        while (line := readline(HEAD)) and line not in {b"\r\n", b"\n"} and size < HEAD:
            lines.append(line)
            size += len(line)
        self._line = line
        self._at += size + len(line)
        head = headers(b"".join(lines))
        length = head.get(b"content-length", "")
        if not self._line or not _LENGTH.fullmatch(length):
            return None
        uri = head.get(b"warc-target-uri", "").strip("<> ")
        return Record(
            self._number,
            offset,
            int(length),
            _PASSED_OVER if uri.startswith(NO_PAGES) else head.get(b"warc-type", "").lower(),
            uri,
            head.get(b"content-type", ""),
            cut=b"warc-truncated" in head,
        )

    def _block(self, record: Record) -> tuple[Page | UnreadPage | None, int]:
        """The page in a record, if there is one, and how many bytes of its block there are."""
        if record.type not in {"response", "conversion", "resource"}:
            return None, self._skip(record.length)
        start = self._read(min(record.length, HEAD))
        status: int | None = None
        head: dict[bytes, str] = {}
        begins = 0
        if record.type == "response":
            status, head, begins = split_head(start)
        declared = head.get(b"content-type", "") if status else record.content_type
        kind, charset = content_type(declared)
        page_format = FORMATS.get(kind)
        if not kind and _is_text(start[begins:]):
            page_format = "auto"
        if page_format is None or status not in {None, GOOD}:
            return None, len(start) + self._skip(record.length - len(start))
        name = record.uri or f"{self._name}#{record.number}"
        if record.length - begins > self._limit.max_bytes:
            there = len(start) + self._skip(record.length - len(start))
            return UnreadPage(name, self._limit.too_large(repr(name))), there
        rest = self._read(record.length - len(start)) if record.length > len(start) else b""
        there = len(start) + len(rest)
        body = start[begins:] + rest
        try:
            body = decode_body(body, head, self._limit.max_bytes, cut=record.cut)
        except InputError as error:
            what = f"{name!r} (record {record.number:,} of {self._name!r}) {error}"
            return UnreadPage(name, InputError(what)), there
        if len(body) > self._limit.max_bytes:
            return UnreadPage(name, self._limit.too_large(repr(name))), there
        return Page(body, name, page_format, charset), there

    def _resynchronise(self, begins: int, *, known: bool = False) -> Iterator[UnreadPage]:
        """Go on to the next line at which a record begins, and say what was passed over."""
        while self._line and not self._is_head():
            self._next_line()
        if known or self._unpacked.damage:
            return
        where = f"at byte {begins:,} of the unpacked file" if begins else "at its beginning"
        lost = f"{self._line_at - begins:,} bytes up to"
        end = f"record {self._number + 1:,}" if self._line else "its end"
        yield self._error(f"no whole record stands {where}, and {lost} {end} are passed over")

    def _is_head(self) -> bool:
        return bool(_VERSION.fullmatch(self._line) or _ARC.fullmatch(self._line))

    def _ends(self, record: Record, where: str) -> UnreadPage:
        kind = "ARC" if record.is_arc else "WARC"
        return self._error(f"this {kind} file ends {where}, and what came after it is lost")

    def _error(self, what: str) -> UnreadPage:
        return UnreadPage(self._name, InputError(f"{self._name!r}: {what}; fetch it again"))

    def _next_line(self) -> None:
        self._line_at = self._at
        self._line = self._stream.readline(HEAD)
        self._at += len(self._line)

    def _skip_blank(self) -> int:
        """Go past blank lines; how many there were, with their ends."""
        count = 0
        while self._line and not self._line.strip():
            count += self._line.endswith(b"\n")
            self._next_line()
        return count

    def _read(self, size: int) -> bytes:
        part = read_up_to(self._stream, size)
        self._at += len(part)
        return part

    def _skip(self, size: int) -> int:
        there = skip(self._stream, size)
        self._at += there
        return there


def _is_text(start: bytes) -> bool:
    """Whether a body without a content type is a page."""
    return not start[:1024].translate(None, _TEXT_BYTES)


_TEXT_BYTES = bytes({*b"\t\n\f\r\x1b", *range(0x20, 0x7F), *range(0x80, 0x100)})
