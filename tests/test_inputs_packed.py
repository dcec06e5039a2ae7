"""Compressed inputs: whatever packs them, wherever they were cut, whatever they unpack to."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dedup.inputs import UnreadPage, find
from dedup.inputs.lines import read_up_to
from dedup.inputs.unpack import BUFFER, CODECS, Unpacked, codec_of
from dedup.model import Page

CHECKED: dict[int, int] = {zstd.CompressionParameter.checksum_flag: 1}  # as the zstd command does
PACK: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lambda content: lzma.compress(content, preset=0),
    ".zst": lambda content: zstd.compress(content, options=CHECKED),
}
ZSTD = codec_of(zstd.compress(b""), "")
TEXT = b"".join(b"%d lines and %d bytes\n" % (n, n * n) for n in range(3000))


def unpack(packed: bytes, first: int = 20) -> tuple[bytes, Unpacked]:
    """All that comes out, and the stream that it came from."""
    stream = Unpacked(io.BytesIO(packed[first:]), packed[:first], codec_of(packed[:first], ""), "f")
    return read_up_to(io.BufferedReader(stream, BUFFER), 1 << 30), stream


@pytest.mark.parametrize("suffix", PACK)
@settings(max_examples=25)
@given(parts=st.lists(st.binary(max_size=3000), max_size=5), zeros=st.sampled_from([0, 4, 512]))
def test_members_come_out_one_after_another(suffix: str, parts: list[bytes], zeros: int) -> None:
    """Any number of members, padded with zeros or not, unpack to what was packed."""
    packed = b"".join(PACK[suffix](part) for part in [b"first", *parts]) + bytes(zeros)
    content, stream = unpack(packed)
    assert content == b"first" + b"".join(parts)
    assert stream.damage is None


@pytest.mark.parametrize("suffix", PACK)
@settings(max_examples=25)
@given(data=st.data())
def test_cut_anywhere_is_known(suffix: str, data: st.DataObject) -> None:
    """A stream that is cut inside a member says so, after all that can be unpacked."""
    members = [PACK[suffix](TEXT[at : at + 25_000]) for at in range(0, len(TEXT), 25_000)]
    packed = b"".join(members)
    at = data.draw(st.integers(8, len(packed) - 1))
    content, stream = unpack(packed[:at], first=8)
    assert TEXT.startswith(content)
    ends = [sum(map(len, members[:n])) for n in range(len(members) + 1)]
    whole = max(n for n, end in enumerate(ends) if end <= at)
    assert len(content) >= len(TEXT[: 25_000 * whole])
    assert (stream.damage is None) == (at in ends)
    if at not in ends:
        assert "ends too early" in str(stream.damage)
        assert f"begins at byte {ends[whole]:,}" in str(stream.damage)


def test_cut_gzip_gives_every_byte_that_zlib_has() -> None:
    """Of a cut gzip file, nothing that can be unpacked is held back."""
    packed = gzip.compress(TEXT)
    for at in range(100, len(packed), 997):
        assert unpack(packed[:at])[0] == zlib.decompressobj(31).decompress(packed[:at])


@pytest.mark.parametrize("suffix", PACK)
def test_wrong_bytes_are_known(suffix: str) -> None:
    """A flipped bit, a wrong checksum and foreign bytes after the end are damage."""
    packed = PACK[suffix](TEXT)
    for place in (len(packed) // 2, len(packed) - 6):
        changed = bytearray(packed)
        changed[place] ^= 0x55
        content, stream = unpack(bytes(changed))
        assert "is a damaged" in str(stream.damage)
        assert stream.corrupt == bool(content)
        assert len(content) <= len(TEXT) + 100
    content, stream = unpack(packed + b"and what is this")
    assert content == TEXT
    assert "other bytes after the end" in str(stream.damage)
    assert not stream.corrupt


def test_gzip_with_a_wrong_checksum_gives_its_bytes_first() -> None:
    """zlib drops what it unpacked in the call that fails; here it comes out."""
    packed = gzip.compress(TEXT)[:-8] + bytes(8)
    content, stream = unpack(packed)
    assert content == TEXT
    assert stream.corrupt


def test_disk_error_is_damage() -> None:
    """What was read before the disk failed is given, then the reason."""

    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell():
                raise OSError(5, "Input/output error")
            return super().read(size)

    stream = Unpacked(Broken(TEXT[:100]), b"before ", None, "f")
    assert read_up_to(stream, 1000) == b"before " + TEXT[:100]
    assert "'f' cannot be read to its end (input/output error)" in str(stream.damage)


SAMPLES = [b"WARC/1.0\r\nContent-Type: text/html %d harbour quay" % n * 3 for n in range(300)]
DICTIONARY = zstd.train_dict(SAMPLES, 4000)


def dictionary_frame(content: bytes, number: int = 0xD) -> bytes:
    """A frame that is skipped, with this in it."""
    return bytes([0x50 + number]) + b"\x2a\x4d\x18" + len(content).to_bytes(4, "little") + content


@pytest.mark.parametrize("first", [1, 6, 20, 5000])
@pytest.mark.parametrize("packed", [False, True])
def test_zstd_dictionary_at_the_beginning(packed: bool, first: int) -> None:  # noqa: FBT001
    """Frames are unpacked with the dictionary that the first one has, itself packed or not."""
    inner = DICTIONARY.dict_content
    frames = [zstd.compress(sample, zstd_dict=DICTIONARY) for sample in SAMPLES]
    content = dictionary_frame(zstd.compress(inner) if packed else inner) + b"".join(frames)
    stream = Unpacked(io.BytesIO(content[first:]), content[:first], ZSTD, "f")
    assert read_up_to(io.BufferedReader(stream, BUFFER), 1 << 30) == b"".join(SAMPLES)
    assert stream.damage is None
    content = content[:300]
    cut = Unpacked(io.BytesIO(content[first:]), content[:first], ZSTD, "f")
    assert read_up_to(io.BufferedReader(cut, BUFFER), 1 << 30) == b""
    assert cut.damage is not None


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (b"", "it needs a dictionary that is not at its beginning"),
        (dictionary_frame(b"something else"), "it needs a dictionary that is not at its beginning"),
        (dictionary_frame(DICTIONARY.dict_content, 3), "it needs a dictionary"),
        (dictionary_frame(DICTIONARY.dict_content[:100]), "its dictionary is damaged"),
        (dictionary_frame(zstd.compress(DICTIONARY.dict_content)[:-9]), "dictionary is damaged"),
        (dictionary_frame(zstd.compress(bytes(1 << 25))), "its dictionary is damaged"),
    ],
)
def test_zstd_dictionary_that_is_not_there(before: bytes, said: str) -> None:
    """Without its dictionary, or with a damaged one, a stream is an error that says so."""
    content, stream = unpack(before + zstd.compress(SAMPLES[0], zstd_dict=DICTIONARY))
    assert content == b""
    assert said in str(stream.damage)


def test_zstd_frames_that_are_skipped() -> None:
    """A first frame that is skipped and has no dictionary is passed over, however large it is."""
    for size in (0, 100, 1 << 25):
        content, stream = unpack(dictionary_frame(bytes(size)) + zstd.compress(TEXT))
        assert content == TEXT
        assert stream.damage is None


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
def test_suffix_without_the_bytes(codec: object, tmp_path: Path) -> None:
    """A file that is named packed and is not is an error with a remedy."""
    suffix = getattr(codec, "suffix", "")
    (tmp_path / f"a.txt{suffix}").write_text("plain")
    (item,) = find([tmp_path])
    assert isinstance(item, UnreadPage)
    assert "fetch it again, or rename it" in str(item.error)


def items_of(path: Path) -> tuple[list[Page], list[str]]:
    """The pages of a file, and the errors."""
    items = list(find([path]))
    return (
        [item for item in items if isinstance(item, Page)],
        [str(item.error) for item in items if isinstance(item, UnreadPage)],
    )


RECORDS = [{"url": f"https://example.org/{n}", "text": f"Text {n} " * (n % 7)} for n in range(300)]
LINES = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()


@pytest.mark.parametrize("suffix", PACK)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_records_before_a_cut_come_out(suffix: str, data: st.DataObject, tmp_path: Path) -> None:
    """Of JSON Lines cut anywhere, each line that unpacks is a page, and one error is the last."""
    packed = PACK[suffix](LINES)
    at = data.draw(st.integers(6, len(packed)))
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes(packed[:at])
    pages, errors = items_of(path)
    there = unpack(packed[:at], first=6)[0]
    complete = there.count(b"\n")
    assert [page.page for page in pages[:complete]] == [r["url"] for r in RECORDS[:complete]]
    assert len(pages) <= complete + 1
    assert len(errors) == (at < len(packed))
    if errors:
        assert "before that were read" in errors[0]


@given(data=st.data())
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_before_a_cut_come_out(data: st.DataObject, tmp_path: Path) -> None:
    """Of a cut table, no row comes out that is not whole, as the end of a row may be missing."""
    rows = b"".join(b'%d,"Text ""%d""\nin two lines"\n' % (n, n * n * n) for n in range(2000))
    packed = gzip.compress(b"id,text\n" + rows)
    at = data.draw(st.integers(20, len(packed) - 1))
    (tmp_path / "a.csv.gz").write_bytes(packed[:at])
    pages, errors = items_of(tmp_path / "a.csv.gz")
    there = zlib.decompressobj(31).decompress(packed[:at])
    assert len(pages) == there.count(b'lines"\n')
    assert [page.content for page in pages] == [
        f'Text "{n**3}"\nin two lines' for n in range(len(pages))
    ]
    assert len(errors) == 1


@pytest.mark.parametrize("suffix", ["", *PACK])
@pytest.mark.parametrize("name", ["page.txt", "page.html", "records.jsonl", "table.csv", "noname"])
def test_every_kind_packed_in_every_way(suffix: str, name: str, tmp_path: Path) -> None:
    """A file reads the same, packed or not."""
    plain = {
        "page.txt": b"A page",
        "page.html": b"<p>A page",
        "records.jsonl": LINES[:5000].rpartition(b"\n")[0],
        "table.csv": b"url,text\na,A page\nb,Another\n",
        "noname": LINES,
    }[name]
    pack = PACK.get(suffix, bytes)
    (tmp_path / name).write_bytes(plain)
    expected = [page.content for page in items_of(tmp_path / name)[0]]
    (tmp_path / f"{name}{suffix}").write_bytes(pack(plain))
    pages, errors = items_of(tmp_path / f"{name}{suffix}")
    assert [page.content for page in pages] == expected
    assert expected
    assert errors == []


def test_memory_is_bounded(tmp_path: Path) -> None:
    """300 MB of JSON Lines, a line of 200 MB among them, are read in a few MB."""
    line = json.dumps({"id": 1, "text": "word " * 20_000}).encode() + b"\n"
    path = tmp_path / "bomb.jsonl.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        for _ in range(500):
            file.write(line)
        file.write(b'{"id": 2, "text": "')
        for _ in range(200):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n' + line * 500)
    pages = unread = 0
    tracemalloc.start()
    for item in find([path], max_bytes=1_000_000):
        pages += isinstance(item, Page)
        unread += isinstance(item, UnreadPage)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (pages, unread) == (1000, 1)
    assert peak < 12_000_000


def zeros(size: int) -> Iterator[bytes]:
    """So many zero bytes."""
    for _ in range(size // 1_000_000):
        yield bytes(1_000_000)


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".zst"])
def test_bomb_is_a_page_over_the_limit(suffix: str, tmp_path: Path) -> None:
    """A page that unpacks to thirty times the limit is reported, with memory for the limit."""
    path = tmp_path / f"bomb.txt{suffix}"
    path.write_bytes(PACK[suffix](bytes(30_000_000)))
    tracemalloc.start()
    (item,) = find([path], max_bytes=1_000_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(item, UnreadPage)
    assert "more than 1 MB" in str(item.error)
    assert peak < 8_000_000
