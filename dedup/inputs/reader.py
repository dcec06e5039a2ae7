"""One stream to its pages: unpacked, told apart, handed to the reader of its kind.

Whatever is wrong with a stream comes out as an `UnreadPage` after what could be read of it. Knows
nothing of paths.
"""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator
from typing import cast

from dedup.errors import InputError
from dedup.inputs.archives import Archive
from dedup.inputs.csv_records import read_table
from dedup.inputs.json_records import read_json, read_json_lines
from dedup.inputs.kinds import (
    LOOK,
    PAGES,
    Kind,
    format_of,
    is_json_line,
    kind_of,
    kind_of_content,
)
from dedup.inputs.lines import read_up_to
from dedup.inputs.meter import Metered
from dedup.inputs.model import Reading, UnreadPage
from dedup.inputs.own import own_file
from dedup.inputs.parquet_records import read_parquet, spooled
from dedup.inputs.records import Records
from dedup.inputs.unpack import BUFFER, Stream, Unpacked, codec_of
from dedup.model import Format, Page

NAMED_ERRORS = 100
"""Records of a file that are named when they cannot be read; the others are counted."""


def read(
    raw: Metered, name: str, reading: Reading, *, named: bool, suffixes: str
) -> Iterator[Page | UnreadPage]:
    """The pages of a stream.

    Args:
        raw: its bytes, maybe packed.
        name: page id, or the beginning of the ids of its records.
        reading: how.
        named: somebody asked for it: then a file of dedup's own is an error, and else passed over.
        suffixes: the name whose suffixes tell what it is.

    Raises:
        InputError: it cannot be read at all.
    """
    start = read_up_to(raw, LOOK)
    codec = codec_of(start, suffixes)
    kind = cast("Kind | None", reading.kind) or kind_of(suffixes)
    if codec is None and kind in PAGES and len(start) < LOOK:
        # Most files of a folder are small pages: no layers for these.
        if not _is_own(start, name, named=named):
            yield _page(start, name, reading, suffixes)
        return
    unpacked = Unpacked(raw, start, codec, name)
    stream = io.BufferedReader(unpacked, BUFFER)
    begins = stream.peek(LOOK)[:LOOK]
    if _is_own(begins, name, named=named):
        return
    kind = kind or kind_of_content(begins)
    if kind in PAGES:
        content = read_up_to(stream, reading.max_bytes + 1)
        if unpacked.damage and len(content) <= reading.max_bytes:
            raise unpacked.damage
        yield _page(content, name, reading, suffixes)
        return
    if kind == "parquet":
        yield from _parquet(raw, stream, unpacked, reading, packed=codec is not None)
        return
    count = yield from _not_too_many_errors(_records(kind, stream, unpacked, reading), name)
    if unpacked.damage:
        pages = "1 page" if count == 1 else f"{count:,} pages"
        yield UnreadPage(name, InputError(f"{unpacked.damage}; {pages} before that were read"))


def _not_too_many_errors(
    items: Iterator[Page | UnreadPage], name: str
) -> Generator[Page | UnreadPage, None, int]:
    """The items of a file, of what is wrong with it the first hundred; returns how many are pages.

    A file of millions of records without a text would else be a report of millions of errors.
    """
    pages = unread = 0
    for item in items:
        if isinstance(item, UnreadPage):
            unread += 1
            if unread > NAMED_ERRORS:
                continue
        else:
            pages += 1
        yield item
    if unread > NAMED_ERRORS:
        more = unread - NAMED_ERRORS
        yield UnreadPage(
            name, InputError(f"{name!r}: {more:,} more records are not read, as those named before")
        )
    return pages


def _is_own(begins: bytes, name: str, *, named: bool) -> bool:
    own = own_file(begins)
    if own and named:
        raise InputError(f"{name!r} {own}")
    return own is not None


def _page(content: bytes, name: str, reading: Reading, suffixes: str) -> Page | UnreadPage:
    """The whole stream as a page."""
    if len(content) > reading.max_bytes:
        return UnreadPage(name, reading.too_large(repr(name)))
    page_format = format_of(suffixes)
    if reading.kind in {"text", "html"}:
        page_format = cast("Format", reading.kind)
    return Page(content, name, page_format)


def _records(
    kind: Kind, stream: Stream, unpacked: Unpacked, reading: Reading
) -> Iterator[Page | UnreadPage]:
    """The pages of a stream of records."""
    if kind == "warc":
        return Archive(stream, unpacked, unpacked.name, reading).pages()
    records = Records(unpacked.name, reading)
    if kind in {"csv", "tsv"}:
        return read_table(stream, records, reading, unpacked.is_whole, tabs=kind == "tsv")
    if kind == "json" and not is_json_line(stream.peek(LOOK)[:LOOK].lstrip()):
        return read_json(stream, records, reading, unpacked.is_whole)
    return read_json_lines(stream, records, reading, unpacked.is_whole)


def _parquet(
    raw: Metered, stream: Stream, unpacked: Unpacked, reading: Reading, *, packed: bool
) -> Iterator[Page | UnreadPage]:
    """The pages of a Parquet file, which must be able to seek."""
    records = Records(unpacked.name, reading)
    if not packed and raw.seekable():
        raw.seek(0)
        yield from _not_too_many_errors(read_parquet(raw, records), unpacked.name)
        return
    with spooled(stream, unpacked, packed=packed) as file:
        yield from _not_too_many_errors(read_parquet(file, records), unpacked.name)
