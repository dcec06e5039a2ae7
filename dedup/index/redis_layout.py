"""How an index lies in Redis: names of keys, packed arguments and replies.

Bytes in, bytes out: neither connections nor verdicts. `docs/redis.md` describes the same layout for
people, the heads of `lua/*.lua` for whoever changes the scripts. Numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure

FORMAT_VERSION = 3

FULLEST_BUCKET = 16
"""Postings of a bucket on average; where there would be more, the next bucket splits into two.
Fuller ones are a little leaner, and slower, since scripts read and write them whole."""

MOST_POSTINGS = 1500
"""Postings of one call: some 150 blocks, which keep a server busy for a few milliseconds."""

MOST_WATCHED = 3000
"""Postings of one transaction, by plain commands: some 300 blocks."""

CHUNK_ROOM = 4
"""Records in a chunk at most: an id is the chunk's number times this, plus the place in it. Larger
chunks save some bytes a block, but scripts read them whole."""

IDS_PER_KEY = 4
"""Ids that a key holds at most, first come first kept (as in lua/_postings.lua)."""

LONGEST_NAME = 0xFFFF
"""Bytes of a page's id."""

REPEAT_ENTRY = 0x80000000
NO_OPERATION = bytes(8)
FIELD_BYTES = 5
POSTING_BYTES = FIELD_BYTES + 4
PARTS = ("pages", "records", "counts", "postings")

_CALL = struct.Struct("<IIBBBddd")
_ORIGINAL = struct.Struct("<IIIIIH")
_CHUNK = struct.Struct("<HII")
_LAST_SEEN = 6
_START = struct.Struct("<I")
COUNTS = struct.Struct("<III")
"""A value of `counts`: repeats, pages, last seen."""
_SETTLED = struct.Struct("<HIBBIBHI")
BLOCK_HEAD = np.dtype([("page", "<u2"), ("postings", "u1"), ("length", "<u4")])


@cache
def script(name: str) -> bytes:
    """The source of a script; check and commit have their common parts before them."""
    folder = files("dedup.index") / "lua"
    parts = ("_records", "_postings", "_changes") if name in ("check", "commit") else ()
    return b"".join((folder / f"{part}.lua").read_bytes() for part in (*parts, name))


@dataclass(frozen=True, slots=True)
class Names:
    """The names of an index's keys: all with one hash tag, so all on one node of a cluster."""

    namespace: str

    def of(self, what: str) -> bytes:
        """The key of `head`, or of a part and a generation, as in `pages0`."""
        return f"dedup:{{{self.namespace}}}:{what}".encode()

    @property
    def head(self) -> bytes:
        """The key of the head."""
        return self.of("head")

    @property
    def all(self) -> list[bytes]:
        """Every key, as check and commit name them."""
        return [self.head, *(self.of(f"{part}{parity}") for parity in (0, 1) for part in PARTS)]


class Call(NamedTuple):
    """The first argument of check and commit, but for the operation.

    Attributes:
        now: seconds since 1970.
        expire: after so many seconds an original that was not seen is gone (0: never).
        bounds: what signatures are held to: the share of the pairs of both that a near one has in
            common, that of its own of an excerpt, and the share of different pairs that texts have
            which are not marked as repetitive.
        signed: bodies have signatures.
        look: nothing is to be changed.
    """

    now: int
    expire: int
    bounds: tuple[float, float, float]
    signed: bool
    look: bool = False

    def pack(self, operation: bytes) -> bytes:
        """As it is sent."""
        return operation + _CALL.pack(
            self.now, self.expire, FULLEST_BUCKET, self.look, self.signed, *self.bounds
        )


def pack_fields(keys: npt.NDArray[np.uint64]) -> bytes:
    """Fields of postings: the low 40 bits of each key."""
    rows = keys.astype("<u8").view(np.uint8).reshape(-1, 8)
    return rows[:, :FIELD_BYTES].tobytes()


def encode_name(page: str) -> bytes:
    """A page's id as it is kept.

    Raises:
        IndexFailure: it is longer than the layout can hold.
    """
    name = page.encode("utf-8", "surrogatepass")
    if len(name) > LONGEST_NAME:
        raise IndexFailure(
            f"the page id {page[:40]!r}… has {len(name):,} bytes: an index in Redis takes ids of "
            f"up to {LONGEST_NAME:,}, use a hash of it"
        )
    return name


def pack_name(page: str) -> bytes:
    """A page's id with its length, as `encode_name` has it."""
    name = encode_name(page)
    return struct.pack("<H", len(name)) + name


class Original(NamedTuple):
    """An original as a reply describes it; `body` is what the layout keeps of it (or its start)."""

    id: int
    first_seen: int
    last_seen: int
    seen: int
    pages: int
    page: str
    body: bytes


def read_original(data: bytes) -> Original:
    """One of a reply's originals."""
    number, first, last, seen, pages, length = _ORIGINAL.unpack_from(data)
    at = _ORIGINAL.size + length
    page = data[_ORIGINAL.size : at].decode("utf-8", "surrogatepass")
    return Original(number, first, last, seen, pages, page, data[at:])


def read_candidates(reply: bytes) -> list[list[int]]:
    """The ids under each posting of an undecided block."""
    found, at = [], 0
    while at < len(reply):
        count = reply[at]
        found.append(list(struct.unpack_from(f"<{count}I", reply, at + 1)))
        at += 1 + 4 * count
    return found


class Entries(NamedTuple):
    """What the index has of a page: under which operation, and an entry a judged block.

    Attributes:
        operation: id of the operation.
        owned: ids of the page's originals.
        repeated: ids of the originals that its blocks repeat.
        all: both in the order of the blocks, with REPEAT_ENTRY where a block repeats; 0 where it
            is undecided.
    """

    operation: bytes
    owned: list[int]
    repeated: list[int]
    all: list[int]


NO_ENTRIES = Entries(NO_OPERATION, [], [], [])


def read_entries(data: bytes) -> Entries:
    """A page's value."""
    entries = [entry for (entry,) in struct.iter_unpack("<I", data[8:])]
    return Entries(
        data[:8],
        [entry for entry in entries if 0 < entry < REPEAT_ENTRY],
        [entry - REPEAT_ENTRY for entry in entries if entry >= REPEAT_ENTRY],
        entries,
    )


class PageMode(IntEnum):
    """What becomes of a page's value: some entries set, all begun anew, or gone."""

    KEEP = 0
    BEGIN = 1
    DROP = 2


class PageChange(NamedTuple):
    """What a commit does to a page."""

    page: str
    operation: bytes
    mode: PageMode
    entries: int

    def pack(self) -> bytes:
        """A page of commit's second argument."""
        return pack_name(self.page) + self.operation + struct.pack("<BI", self.mode, self.entries)


def pack_settled(
    page: int,
    place: int,
    action: int,
    postings: int,
    original: int,
    verified: Sequence[int],
    body: bytes,
    *,
    elsewhere: bool,
) -> tuple[bytes, bytes]:
    """A block of commit's third argument, and its part of the fourth."""
    head = _SETTLED.pack(
        page, place, action, postings, original, elsewhere, len(verified), len(body)
    )
    return head, body + struct.pack(f"<{len(verified)}I", *verified)


def pack_release(original: int, postings: int) -> bytes:
    """An original of commit's sixth argument."""
    return struct.pack("<IB", original, postings)


def pack_withdrawals(counts: Iterable[tuple[int, int, int]]) -> bytes:
    """Commit's seventh argument: id, repeats and pages to take back."""
    return b"".join(struct.pack("<IIB", *count) for count in counts)


class Chunk(NamedTuple):
    """Some originals of one page.

    Attributes:
        page: its id.
        first_seen: when they were added, in seconds since 1970.
        last_seen: when they were met on the page again, last.
        records: what the layout keeps of each; see `body_in`.
    """

    page: str
    first_seen: int
    last_seen: int
    records: bytes


def read_lead(blob: bytes) -> tuple[str, int, int]:
    """Of a chunk of records, whose they are, and when they were first and last seen."""
    length, first, last = _CHUNK.unpack_from(blob)
    page = blob[_CHUNK.size : _CHUNK.size + length].decode("utf-8", "surrogatepass")
    return page, first, last


def read_chunk(blob: bytes) -> Chunk:
    """A chunk of records."""
    (length, _, _) = _CHUNK.unpack_from(blob)
    return Chunk(*read_lead(blob), blob[_CHUNK.size + length :])


def see_again(chunk: bytearray, now: int, start: int, body: bytes) -> None:
    """Note in a chunk that a page has a block again: when, and, as the new body says, where."""
    _START.pack_into(chunk, _LAST_SEEN, now)
    chunk[start : start + _START.size] = body[: _START.size]


def body_in(chunks: Mapping[int, Chunk], original: int) -> bytes:
    """What is kept of an original, from chunks by their numbers; empty: it is not there."""
    number, place = divmod(original, CHUNK_ROOM)
    records = chunks[number].records if number in chunks else b"\0"
    count = records[0]
    if place >= count:
        return b""
    origin = 1 + 4 * count
    (start,) = _START.unpack_from(records, 1 + 4 * place)
    if place + 1 == count:
        return records[origin + start :]
    (stop,) = _START.unpack_from(records, 1 + 4 * (place + 1))
    return records[origin + start : origin + stop]
