"""Records of originals as they lie in a shared store: native/records_binding.h in NumPy.

A chunk is the length of its page's id (u16), two times (u32), the id, how many bodies there are
(u8), where each starts (u32), counted from the first, and these.
"""

from __future__ import annotations

import struct
from itertools import accumulate, groupby

import numpy as np
import numpy.typing as npt

from dedup.kernel.reference.wire import write_words

CHUNK_LEAD = 10


def pack_records(
    bodies: bytes | npt.NDArray[np.uint8],
    bounds: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    pages: npt.NDArray[np.int64],
    names: bytes,
    name_bounds: npt.NDArray[np.int64],
    now: int,
    room: int,
    free: int,
    out: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.uint32],
) -> tuple[int, int]:
    """New originals in chunks, as they are to be written: those of a page together, `room` in each.

    Args:
        bodies: uint8, of the blocks of a batch, back to back.
        bounds: int64[n + 1], where each block's body starts, and the last one ends.
        rows: int64[m], the blocks that are new originals.
        pages: int64[m], the page of each, ascending.
        names: ids of pages, back to back.
        name_bounds: int64[p + 1], where each page's id starts, and the last one ends.
        now: when they are first and last seen, in seconds since 1970.
        room: how many bodies a chunk may have.
        free: the number of the first chunk.
        out: uint8, gets number and value of each chunk, as words of a command in the Redis
            protocol; room for all bodies, and for each record a page's id and 105 bytes.
        ids: uint32[m], gets ids: `room` times the number of its chunk, and its place there.

    Returns:
        How many bytes, and how many chunks.
    """
    ends, name_ends = bounds.tolist(), name_bounds.tolist()
    words: list[bytes] = []
    at = number = 0
    for page, on_page in groupby(pages.tolist()):
        name = bytes(names[name_ends[page] : name_ends[page + 1]])
        last = at + sum(1 for _ in on_page)
        while at < last:
            chosen = rows[at : min(at + room, last)].tolist()
            some = [bytes(bodies[ends[row] : ends[row + 1]]) for row in chosen]
            starts = list(accumulate(map(len, some[:-1]), initial=0))
            lead = struct.pack("<HII", len(name), now, now) + name
            lead += struct.pack(f"<B{len(some)}I", len(some), *starts)
            words += [b"%d" % (free + number), lead + b"".join(some)]
            first = room * (free + number)
            ids[at : at + len(some)] = range(first, first + len(some))
            at, number = at + len(some), number + 1
    return write_words(words, out), number


def locate_bodies(
    chunks: bytes,
    bounds: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64],
    originals: npt.NDArray[np.int64],
    room: int,
    spans: npt.NDArray[np.int64],
) -> None:
    """Where the bodies of originals are in chunks of records.

    Args:
        chunks: back to back.
        bounds: int64[c + 1], where each chunk starts, and the last one ends.
        numbers: int64[c], their numbers, ascending.
        originals: int64[o], ascending: `room` times the number of its chunk, and its place there.
        room: how many bodies a chunk may have.
        spans: int64[o, 2], gets where each starts and ends; 0 and 0: it is not there.
    """
    held = {number: at for at, number in enumerate(numbers.tolist())}
    found = spans.reshape(-1, 2)
    found[:] = 0
    for row, original in enumerate(originals.tolist()):
        number, place = divmod(original, room)
        if number not in held:
            continue
        start, stop = bounds[held[number] : held[number] + 2].tolist()
        span = _locate_body(chunks[start:stop], place)
        if span is not None:
            found[row] = start + span[0], start + span[1]


def _locate_body(chunk: bytes, place: int) -> tuple[int, int] | None:
    """Where a chunk has the body at a place."""
    at = CHUNK_LEAD + int.from_bytes(chunk[:2], "little")
    if at >= len(chunk):
        return None
    count = chunk[at]
    origin = at + 1 + 4 * count
    if place >= count or origin > len(chunk):
        return None
    starts = [*struct.unpack_from(f"<{count}I", chunk, at + 1), len(chunk) - origin]
    start, stop = starts[place : place + 2]
    return (origin + start, origin + stop) if start <= stop <= starts[-1] else None
