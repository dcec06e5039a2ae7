"""How an index lies in Redis: names of keys, packed arguments and replies.

Bytes in, bytes out: neither connections nor verdicts. `docs/redis.md` describes the same layout for
people, the heads of `lua/*.lua` for whoever changes the scripts. Numbers are little-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup.errors import IndexFailure

FORMAT_VERSION = 1
FIRST_BITS = 6
"""An index begins with 64 buckets."""

FULL_BUCKET = 64
"""Buckets split when they hold so many postings on average: listpacks that long are still quick to
scan, and far from the 512 entries at which a server stops packing them."""

MOST_KEYS = 900
"""Keys of one call: some services take a thousand arguments at most."""

SPLITS_PER_CALL = 8
"""Buckets split after a call: a round ends long before the next one is due."""

LONGEST_NAME = 0xFFFF
"""Bytes of a page's id."""

REPEAT_ENTRY = 0x80000000
NO_OPERATION = bytes(8)
NO_CHUNK = 0xFFFFFFFF

_BLOCK = struct.Struct("<HBI")
_ORIGINAL = struct.Struct("<IIIIIH")
_SETTLED = struct.Struct("<HIBBIBHI")
_HEX = np.array([f"{value:02x}".encode() for value in range(256)], dtype="S2").view(np.uint16)


@cache
def script(name: str) -> bytes:
    """The source of a script; check and commit have their common part before them."""
    folder = files("dedup.index") / "lua"
    shared = (folder / "_shared.lua").read_bytes() if name in ("check", "commit") else b""
    return shared + (folder / f"{name}.lua").read_bytes()


@dataclass(frozen=True, slots=True)
class Names:
    """The names of an index's keys: all with one hash tag, so all on one node of a cluster."""

    namespace: str

    def of(self, what: str) -> bytes:
        """The key of a singular thing: `head`, `pages`, `records`, `counts`."""
        return f"dedup:{{{self.namespace}}}:{what}".encode()

    @property
    def fixed(self) -> list[bytes]:
        """The four keys that every call names first."""
        return [self.of(what) for what in ("head", "pages", "records", "counts")]

    def buckets(self, numbers: npt.NDArray[np.int64]) -> list[bytes]:
        """The keys of posting buckets: six hexadecimal digits behind `k`."""
        prefix = np.frombuffer(self.of("k"), dtype=np.uint8)
        rows = np.empty((len(numbers), len(prefix) + 6), dtype=np.uint8)
        rows[:, : len(prefix)] = prefix
        for digit, shift in enumerate((16, 8, 0)):
            pair = np.ascontiguousarray(_HEX[(numbers >> shift) & 255]).view(np.uint8)
            at = len(prefix) + 2 * digit
            rows[:, at : at + 2] = pair.reshape(-1, 2)
        return list(rows.view(f"S{rows.shape[1]}").ravel().tolist())


class Growth(NamedTuple):
    """How many buckets there are: 2 ** bits; those below `cursor` were split (-1: none splits)."""

    bits: int
    cursor: int

    @property
    def is_splitting(self) -> bool:
        """Whether a round is on, so that a posting may be in either of two buckets."""
        return self.cursor >= 0

    def keys_for(self, postings: int) -> int:
        """How many keys a call with so many postings names."""
        return postings * (2 if self.is_splitting else 1)

    def bucket_keys(self, names: Names, fields: npt.NDArray[np.uint64]) -> list[bytes]:
        """The buckets of postings: one key each, or two while buckets split."""
        now = (fields & np.uint64(2**self.bits - 1)).astype(np.int64)
        if not self.is_splitting:
            return names.buckets(now)
        both = np.stack((now & (2 ** (self.bits - 2) - 1), now), axis=1)
        return names.buckets(both.ravel())


def pack_fields(keys: npt.NDArray[np.uint64]) -> bytes:
    """Fields of postings: the low 40 bits of each key."""
    return keys.astype("<u8").view(np.uint8).reshape(-1, 8)[:, :5].tobytes()


def pack_body(position: int, fingerprint: int, trace: npt.NDArray[np.uint16]) -> bytes:
    """A record's body: position, low half of the fingerprint, trace."""
    return struct.pack("<IQ", position, fingerprint) + trace.astype("<u2").tobytes()


def pack_call(operation: bytes, now: int, growth: Growth, *, look: bool = False) -> bytes:
    """The first argument of check and commit."""
    return operation + struct.pack("<IBBB", now, growth.bits, growth.is_splitting, look)


def pack_name(page: str) -> bytes:
    """A page's id with its length.

    Raises:
        IndexFailure: it is longer than the layout can hold.
    """
    name = page.encode("utf-8", "surrogatepass")
    if len(name) > LONGEST_NAME:
        raise IndexFailure(
            f"the page id {page[:40]!r}… has {len(name):,} bytes: an index in Redis takes ids of "
            f"up to {LONGEST_NAME:,}, use a hash of it"
        )
    return struct.pack("<H", len(name)) + name


def pack_block(page: int, postings: int, body: int) -> bytes:
    """A block of check's third argument."""
    return _BLOCK.pack(page, postings, body)


class Original(NamedTuple):
    """An original as a reply describes it."""

    id: int
    first_seen: int
    last_seen: int
    seen: int
    pages: int
    page: str
    position: int
    fingerprint: int
    trace: npt.NDArray[np.uint16]


def read_original(data: bytes) -> Original:
    """One of a reply's originals."""
    number, first, last, seen, pages, length = _ORIGINAL.unpack_from(data)
    at = _ORIGINAL.size + length
    page = data[_ORIGINAL.size : at].decode("utf-8", "surrogatepass")
    position, fingerprint = struct.unpack_from("<IQ", data, at)
    trace = np.frombuffer(data, dtype="<u2", offset=at + 12)
    return Original(number, first, last, seen, pages, page, position, fingerprint, trace)


def read_candidates(reply: bytes) -> list[list[int]]:
    """The ids under each posting of an undecided block."""
    found, at = [], 1
    while at < len(reply):
        count = reply[at]
        found.append(list(struct.unpack_from(f"<{count}I", reply, at + 1)))
        at += 1 + 4 * count
    return found


class Entries(NamedTuple):
    """What the index has of a page: under which operation, and an entry a judged block."""

    operation: bytes
    owned: list[int]
    repeated: list[int]


def read_entries(data: bytes) -> Entries:
    """A page's value."""
    entries = [entry for (entry,) in struct.iter_unpack("<I", data[8:]) if entry]
    return Entries(
        data[:8],
        [entry for entry in entries if entry < REPEAT_ENTRY],
        [entry - REPEAT_ENTRY for entry in entries if entry >= REPEAT_ENTRY],
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
    chunk: int
    entries: int

    def pack(self) -> bytes:
        """A page of commit's second argument."""
        tail = struct.pack("<BII", self.mode, self.chunk, self.entries)
        return pack_name(self.page) + self.operation + tail


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


def read_chunk(blob: bytes) -> list[bytes]:
    """The bodies of a chunk of records, by ordinal; released ones are empty."""
    length = int.from_bytes(blob[:2], "little")
    at = 10 + length
    count = blob[at]
    origin = at + 1 + 4 * count
    starts = [origin + start for (start,) in struct.iter_unpack("<I", blob[at + 1 : origin])]
    return [blob[a:b] for a, b in zip(starts, [*starts[1:], len(blob)], strict=True)]
