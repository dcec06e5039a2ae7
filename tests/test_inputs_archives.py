"""Web archives: which records are pages, how their bodies are decoded, and what damage says."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import brotli
import pytest
from archives import ARC_HEAD, WarcRecord, arc_record, members, response
from backports import zstd
from conftest import real_text
from fastwarc import ArchiveIterator, WarcRecordType
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator as Warcio

from dedup.inputs import UnreadPage, find
from dedup.model import Page

INFO = WarcRecord(b"software: test\r\n", None, "warcinfo", "application/warc-fields")
REQUEST = WarcRecord(b"GET / HTTP/1.1\r\n\r\n", type="request")
PAGES = [
    WarcRecord(response(f"<p>Page {n} {'x' * (n * 37)}</p>".encode()), f"https://example.org/{n}")
    for n in range(6)
]
WHOLE = [INFO, PAGES[0], REQUEST, *PAGES[1:]]
RESPONSE = WarcRecordType.response
slow_paths = settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])


def items_of(content: bytes, path: Path, **options: Any) -> tuple[list[Page], list[UnreadPage]]:
    """The pages of an archive, and what is wrong with it."""
    path.write_bytes(content)
    items = list(find([path], **options))
    return (
        [item for item in items if isinstance(item, Page)],
        [item for item in items if isinstance(item, UnreadPage)],
    )


def test_pages_of_an_archive(tmp_path: Path) -> None:
    """HTML and plain text of responses, conversions and resources are pages; all else is not."""
    records = [
        INFO,
        REQUEST,
        WarcRecord(response(b"<p>One"), "https://example.org/1"),
        WarcRecord(response(b"Two", "text/plain"), "<https://example.org/2>"),
        WarcRecord(response(b"<p>", "APPLICATION/XHTML+XML; x=y"), "https://example.org/3"),
        WarcRecord(response(b"\x89PNG", "image/png"), "https://example.org/picture"),
        WarcRecord(response(b"<p>Not found", status=404), "https://example.org/404"),
        WarcRecord(response(b"<p>Moved", status=301), "https://example.org/301"),
        WarcRecord(response(b"", status=200), type="revisit"),
        WarcRecord(b"a: b", type="metadata", content_type="application/warc-fields"),
        WarcRecord("Vier é".encode(), "https://example.org/4", "conversion", "text/plain"),
        WarcRecord(b"<p>5", "https://example.org/5", "resource", "text/html; charset=latin-1"),
        WarcRecord(b"log", "metadata://example.org/log", "resource", "text/plain"),
        WarcRecord(b"dns", "dns:example.org", "response", "text/dns"),
        WarcRecord(b"Six", None, "conversion", "text/plain"),
    ]
    expected = [
        Page(b"<p>One", "https://example.org/1", "html", "utf-8"),
        Page(b"Two", "https://example.org/2", "text"),
        Page(b"<p>", "https://example.org/3", "html"),
        Page("Vier é".encode(), "https://example.org/4", "text"),
        Page(b"<p>5", "https://example.org/5", "html", "latin-1"),
    ]
    plain = b"".join(map(bytes, records))
    for name, content in {
        "a.warc": plain,
        "a.warc.gz": members(records),
        "whole.warc.gz": gzip.compress(plain),
        "a.wet.zst": zstd.compress(plain),
        "noname": plain,
        "noname.gz": members(records),
    }.items():
        pages, unread = items_of(content, tmp_path / name)
        last = Page(b"Six", f"{(tmp_path / name).as_posix()}#15", "text")
        assert pages == [*expected, last]
        assert unread == []


@pytest.mark.parametrize("lengths", [True, False])
def test_arc(lengths: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """ARC files: the HTTP response's type and charset, or the record's; spaces in a URL."""
    content = ARC_HEAD + b"".join(
        [
            arc_record("dns:example.org", b"1 2 3", "text/dns"),
            arc_record("http://example.org/", response(b"<p>Home")),
            arc_record("http://example.org/a b.html", response(b"<p>Spaces", "text/html")),
            arc_record("http://example.org/old", b"<p>HTTP/0.9 has no headers", "text/html"),
            arc_record("http://example.org/gone", response(b"<p>Gone", status=410)),
        ]
    )
    packed = content if lengths else gzip.compress(content)
    pages, unread = items_of(packed, tmp_path / ("a.arc" if lengths else "a.arc.gz"))
    assert unread == []
    assert pages == [
        Page(b"<p>Home", "http://example.org/", "html", "utf-8"),
        Page(b"<p>Spaces", "http://example.org/a b.html", "html"),
        Page(b"<p>HTTP/0.9 has no headers", "http://example.org/old", "html"),
    ]


BODY = ("<p>" + "Repeated words, and é. " * 50).encode()


def chunked(body: bytes, size: int = 100) -> bytes:
    """A body in chunks."""
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return b"".join(b"%x;ext=1\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def checked_zstd(content: bytes) -> bytes:
    """As the zstd command packs."""
    return zstd.compress(content, options={int(zstd.CompressionParameter.checksum_flag): 1})


DEFLATED = zlib.compressobj(wbits=-15)
RAW_DEFLATE = DEFLATED.compress(BODY) + DEFLATED.flush()


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        ({"Content_Encoding": "gzip"}, gzip.compress(BODY, mtime=0)),
        ({"Content_Encoding": "X-GZIP"}, gzip.compress(BODY, mtime=0)),
        ({"Content_Encoding": "deflate"}, zlib.compress(BODY)),
        ({"Content_Encoding": "deflate"}, RAW_DEFLATE),
        ({"Content_Encoding": "br"}, brotli.compress(BODY)),
        ({"Content_Encoding": "zstd"}, zstd.compress(BODY)),
        ({"Content_Encoding": "identity"}, BODY),
        ({"Transfer_Encoding": "chunked"}, chunked(BODY)),
        (
            {"Transfer_Encoding": "chunked", "Content_Encoding": "gzip"},
            chunked(gzip.compress(BODY, mtime=0), 7),
        ),
        ({"Content_Encoding": "gzip, br"}, brotli.compress(gzip.compress(BODY, mtime=0))),
        ({"Transfer_Encoding": "chunked"}, BODY),
        ({"Content_Encoding": "gzip"}, BODY),
        ({"Content_Encoding": "deflate"}, BODY),
        ({"Content_Encoding": "br"}, BODY),
        ({"Content_Encoding": "zstd"}, BODY),
    ],
)
def test_bodies_are_decoded(headers: dict[str, Any], stored: bytes, tmp_path: Path) -> None:
    """Chunks and codings are undone, and passed over where the crawler stored the body decoded."""
    record = WarcRecord(response(stored, **headers))
    pages, unread = items_of(bytes(record), tmp_path / "a.warc")
    assert unread == []
    assert pages[0].content == BODY


@pytest.mark.parametrize(
    ("headers", "stored", "said"),
    [
        ({"Content_Encoding": "gzip"}, gzip.compress(BODY, mtime=0)[:-20], "without its end"),
        (
            {"Content_Encoding": "gzip"},
            gzip.compress(BODY, mtime=0)[:-8] + bytes(8),
            "damaged gzip body",
        ),
        ({"Content_Encoding": "deflate"}, zlib.compress(BODY)[:-20], "without its end"),
        ({"Content_Encoding": "br"}, brotli.compress(BODY)[:-20], "damaged Brotli body"),
        ({"Content_Encoding": "zstd"}, zstd.compress(BODY)[:-20], "without its end"),
        ({"Content_Encoding": "rot13"}, BODY, "'rot13', which nothing here decodes"),
        ({"Transfer_Encoding": "chunked"}, chunked(BODY)[:-20], "without its end"),
    ],
)
def test_damaged_bodies(headers: dict[str, Any], stored: bytes, said: str, tmp_path: Path) -> None:
    """A body that cannot be decoded is named, and the next one read; one cut by choice is read."""
    record = WarcRecord(response(stored, **headers), "https://example.org/bad")
    pages, unread = items_of(bytes(record) + bytes(PAGES[0]), tmp_path / "a.warc")
    assert [page.page for page in pages] == ["https://example.org/0"]
    assert [item.page for item in unread] == ["https://example.org/bad"]
    assert said in str(unread[0].error)
    if "without" in said:
        record.headers = {"WARC-Truncated": "length"}
        pages, unread = items_of(bytes(record), tmp_path / "a.warc")
        assert unread == []
        assert isinstance(pages[0].content, bytes)
        assert BODY.startswith(pages[0].content)


def test_bodies_and_records_over_the_limit(tmp_path: Path) -> None:
    """A body over the limit, packed or not, is reported; a picture of that size is passed over."""
    records = [
        WarcRecord(response(bytes(2_000_000)), "https://example.org/large"),
        WarcRecord(
            response(gzip.compress(bytes(2_000_000)), Content_Encoding="gzip"),
            "https://example.org/bomb",
        ),
        WarcRecord(response(bytes(2_000_000), "image/png"), "https://example.org/picture"),
        PAGES[0],
    ]
    content = b"".join(map(bytes, records))
    pages, unread = items_of(content, tmp_path / "a.warc", max_bytes=1_000_000)
    assert [page.page for page in pages] == ["https://example.org/0"]
    assert [item.page for item in unread] == [
        "https://example.org/large",
        "https://example.org/bomb",
    ]
    assert all("more than 1 MB" in str(item.error) for item in unread)


@given(cut=st.data(), packed=st.sampled_from(["", ".gz", "whole.gz", ".zst"]))
@slow_paths
def test_cut_archive(cut: st.DataObject, packed: str, tmp_path: Path) -> None:
    """Cut anywhere, an archive gives each record before the cut, and one error if it is cut."""
    parts = [bytes(record) for record in WHOLE]
    if packed == ".gz":
        parts = [gzip.compress(part, mtime=0) for part in parts]
    elif packed == ".zst":
        parts = [zstd.compress(part) for part in parts]
    content = b"".join(parts)
    if packed == "whole.gz":
        content = gzip.compress(content, mtime=0)
        ends = {len(content)}
    else:
        ends = {sum(map(len, parts[:n])) for n in range(len(parts) + 1)}
    at = cut.draw(st.integers(8, len(content)))
    pages, unread = items_of(content[:at], tmp_path / f"a.warc{packed.removeprefix('whole')}")
    if packed == "whole.gz":
        there = zlib.decompressobj(31).decompress(content[:at])
        plain_ends = [sum(len(bytes(r)) for r in WHOLE[: n + 1]) for n in range(len(WHOLE))]
        whole = sum(end <= len(there) for end in plain_ends)
    else:
        whole = sum(sum(map(len, parts[: n + 1])) <= at for n in range(len(parts)))
    expected = [record.uri for record in WHOLE[:whole] if record in PAGES]
    found = [page.page for page in pages]
    assert found[: len(expected)] == expected
    assert len(found) <= len(expected) + 1  # the end of the last may be all that is missing
    assert found == [record.uri for record in PAGES[: len(found)]]
    assert (unread == []) == (at in ends)
    assert len(unread) <= 1


@given(cut=st.integers(200, 600))
@slow_paths
def test_cut_arc(cut: int, tmp_path: Path) -> None:
    """A cut ARC file gives each record before the cut, and an error unless a record ends there."""
    records = [arc_record(f"http://example.org/{n}", response(b"<p>Page %d" % n)) for n in range(4)]
    content = (ARC_HEAD + b"".join(records))[:cut]
    pages, unread = items_of(content, tmp_path / "a.arc")
    ends = [len(ARC_HEAD) + sum(map(len, records[: n + 1])) for n in range(4)]
    whole = sum(end - 1 <= cut for end in ends)  # the line end after the last need not be there
    assert [page.page for page in pages] == [f"http://example.org/{n}" for n in range(whole)]
    near = {len(ARC_HEAD), *ends, *(end - 1 for end in ends)}
    assert (unread == []) == (min(cut, len(ARC_HEAD) + sum(map(len, records))) in near)


def said(unread: Sequence[UnreadPage]) -> str:
    """The one error."""
    (item,) = unread
    return str(item.error)


@pytest.mark.parametrize("head", [b"", bytes(PAGES[0])])
def test_garbage_between_records(head: bytes, tmp_path: Path) -> None:
    """What is no record is named with its place and size, and what follows is read."""
    garbage = b"\0\1 no record\r\nWARC is no version\r\n"
    content = head + garbage + bytes(PAGES[1])
    pages, unread = items_of(content, tmp_path / "a.warc")
    assert pages[-1].page == "https://example.org/1"
    assert len(pages) == 1 + bool(head)
    assert f"{len(garbage):,} bytes up to record {len(pages)}" in said(unread)
    assert (f"at byte {len(head):,} " if head else "at its beginning") in said(unread)


@pytest.mark.parametrize("wrong", [-20, 20, 300])
def test_wrong_length(wrong: int, tmp_path: Path) -> None:
    """A record whose length is wrong is named and is no page; the next that begins is read."""
    bad = WarcRecord(response(b"<p>" + b"text " * 20), "https://example.org/bad")
    bad.length = len(bad.block) + wrong
    content = bytes(PAGES[0]) + bytes(bad) + bytes(PAGES[1]) + bytes(PAGES[2])
    pages, unread = items_of(content, tmp_path / "a.warc")
    names = [page.page for page in pages]
    assert names[0] == "https://example.org/0"
    assert names[-1] == "https://example.org/2"
    assert "https://example.org/bad" not in names
    assert "record 2 (https://example.org/bad, at byte" in said(unread)


@pytest.mark.parametrize("length", ["", "many", "-5", "1_0", "9" * 5000])
def test_head_without_a_length(length: str, tmp_path: Path) -> None:
    """A record without a length is named, and the next one is read."""
    bad = bytes(PAGES[0]).replace(
        b"Content-Length: ", b"Content-Length: %s\r\nX: " % length.encode()
    )
    pages, unread = items_of(bad + bytes(PAGES[1]), tmp_path / "a.warc")
    assert [page.page for page in pages] == ["https://example.org/1"]
    assert "no whole record stands at its beginning" in said(unread)


@pytest.mark.parametrize(
    ("compress", "name"),
    [(gzip.compress, "a.warc.gz"), (bz2.compress, "a.warc.bz2"), (checked_zstd, "a.warc.zst")],
)
def test_wrong_bytes_in_a_member(
    compress: Callable[[bytes], bytes], name: str, tmp_path: Path
) -> None:
    """A record whose member fails its checksum is no page, and those before it are."""
    parts = [compress(bytes(record)) for record in PAGES]
    parts[2] = parts[2][:-4] + bytes(byte ^ 0x55 for byte in parts[2][-4:])
    pages, unread = items_of(b"".join(parts), tmp_path / name)
    assert [page.page for page in pages] == ["https://example.org/0", "https://example.org/1"]
    assert " is a damaged " in said(unread)
    assert "2 pages before that were read" in said(unread)


def test_no_archive_under_that_name(tmp_path: Path) -> None:
    """A file that is named an archive and holds none says so; an empty one is empty."""
    pages, unread = items_of(b"<html><p>A page</html>\n", tmp_path / "a.warc")
    assert pages == []
    assert "no whole record stands at its beginning" in said(unread)
    assert items_of(b"", tmp_path / "a.warc") == ([], [])


@given(content=st.binary(max_size=400))
@slow_paths
def test_any_bytes_end(content: bytes, tmp_path: Path) -> None:
    """Whatever stands in an archive, reading ends, without an exception."""
    for start in (b"WARC/1.0\r\n", b"filedesc://x 0 20080430204825 text/plain 3\n", b""):
        items_of(start + content, tmp_path / "a.warc")


@pytest.mark.parametrize("name", ["example.warc.gz", "issue-493.warc", "issue-514.warc"])
def test_real_archives_as_fastwarc_reads_them(name: str) -> None:
    """On whole archives, the bodies are those of FastWARC, and nothing is reported."""
    path = real_text("warc") / name
    items = list(find([path]))
    assert all(isinstance(item, Page) for item in items)
    expected = []
    for record in ArchiveIterator(str(path), record_types=RESPONSE, auto_decode="all"):
        content_type = (record.http_content_type or "").lower()
        http = record.http_headers
        if http and http.status_code == 200 and content_type in {"text/html", "text/plain"}:
            uri = (record.headers.get("WARC-Target-URI") or "").strip("<>")
            expected.append((uri, record.reader.read()))
    found = [(item.page, item.content) for item in items if isinstance(item, Page)]
    assert [item for item in found if item in expected] == expected
    assert len(found) - len(expected) <= 1  # a page without a content type


def test_real_arc_as_warcio_reads_it() -> None:
    """On a whole ARC file, the bodies are those of warcio; a broken one is reported."""
    path = real_text("warc") / "example.arc.gz"
    items = list(find([path]))
    expected = []
    with path.open("rb") as file:
        for record in Warcio(file):
            http = record.http_headers
            kind = http.get_header("Content-Type", "") if http else ""
            if http and http.get_statuscode() == "200" and kind.startswith(("text/html", "text/p")):
                uri = record.rec_headers.get_header("uri")
                expected.append((uri, record.content_stream().read()))
    assert [(item.page, item.content) for item in items if isinstance(item, Page)] == expected
    assert len(items) == len(expected)
    broken = list(find([real_text("warc") / "badexample.arc.gz"]))
    assert [type(item) for item in broken] == [Page, UnreadPage]


def test_standard_input_may_be_an_archive() -> None:
    """What comes through a pipe is told by its content."""
    pages = list(find(["-"], stdin=io.BytesIO(members(WHOLE))))
    assert [page.page for page in pages] == [record.uri for record in PAGES]
