"""Buckets of postings as they lie in a shared store: native/buckets_binding.h in NumPy.

A posting is 9 bytes: the low 40 bits of a key and an original's id, both little-endian.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POSTING = np.dtype([("low", "<u4"), ("high", "u1"), ("id", "<u4")])
IDS_PER_KEY = 4
KEY_MASK = np.uint64(0xFFFFFFFFFF)


def find_postings(
    buckets: npt.NDArray[np.uint8] | bytes,
    bounds: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    counts: npt.NDArray[np.uint8],
    ids: npt.NDArray[np.uint32],
    earlier: npt.NDArray[np.int64],
) -> None:
    """The originals under `p` keys, each in the bucket where it would stand.

    Args:
        buckets: uint8, buckets of whole postings, back to back.
        bounds: int64[b + 1], where each bucket starts, and the last one ends.
        places: int64[p], the bucket of each key.
        keys: uint64[p], of which the low 40 bits count.
        counts: uint8[p], gets how many originals there are under each key, 4 at most.
        ids: uint32[p, 4], gets their ids, in their order in the bucket; the rest stays as it is.
        earlier: int64[p], gets the place of the last equal key before each, or -1.
    """
    last = dict[int, int]()
    for i, key in enumerate((keys & KEY_MASK).tolist()):
        earlier[i] = last.get(key, -1)
        last[key] = i
    held = _postings(buckets, bounds)
    firsts = (bounds - bounds[0]) // POSTING.itemsize
    for i, (place, key) in enumerate(zip(places.tolist(), keys.tolist(), strict=True)):
        bucket = held[firsts[place] : firsts[place + 1]]
        under = (bucket["low"] == key & 0xFFFFFFFF) & (bucket["high"] == key >> 32 & 0xFF)
        found = bucket["id"][under][:IDS_PER_KEY]
        counts[i] = len(found)
        ids.reshape(-1, IDS_PER_KEY)[i, : len(found)] = found


def append_postings(
    buckets: npt.NDArray[np.uint8] | bytes,
    bounds: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    ids: npt.NDArray[np.uint32],
    out: npt.NDArray[np.uint8],
    out_bounds: npt.NDArray[np.int64],
) -> None:
    """The buckets with `p` postings more, each at the end of its bucket, in order.

    Args:
        buckets: uint8, buckets of whole postings, back to back.
        bounds: int64[b + 1], where each bucket starts, and the last one ends.
        places: int64[p], the bucket of each new posting.
        keys: uint64[p], of which the low 40 bits count.
        ids: uint32[p], of the originals.
        out: uint8, gets the buckets back to back; 9 bytes of room more for each new posting.
        out_bounds: int64[b + 1], gets where each bucket starts in `out`, and the last one ends.
    """
    held = _postings(buckets, bounds)
    new = np.empty(len(places), dtype=POSTING)
    new["low"], new["high"], new["id"] = keys & 0xFFFFFFFF, keys >> np.uint64(32) & 0xFF, ids
    sizes = np.diff(bounds) // POSTING.itemsize
    of_bucket = np.concatenate([np.repeat(np.arange(len(sizes)), sizes), places])
    order = np.argsort(of_bucket, kind="stable")
    done = np.concatenate([held, new])[order].tobytes()
    out[: len(done)] = np.frombuffer(done, dtype=np.uint8)
    out_bounds[0] = 0
    sizes += np.bincount(places, minlength=len(sizes)).astype(np.int64)
    np.cumsum(sizes * POSTING.itemsize, out=out_bounds[1:])


def pack_words(
    numbers: npt.NDArray[np.int64],
    values: npt.NDArray[np.uint8] | bytes,
    spans: npt.NDArray[np.int64],
    out: npt.NDArray[np.uint8],
) -> int:
    """Numbers, or numbers and values in turn, as words of a command in the Redis protocol.

    Args:
        numbers: int64[n], none below 0.
        values: uint8, in which there is a value for each number.
        spans: int64[n, 2], where each value starts and ends; or empty: no values.
        out: uint8, gets the words; 45 bytes of room for each, and the values.

    Returns:
        How many bytes were written.
    """
    words = [b"%d" % number for number in numbers.tolist()]
    if len(spans):
        held = bytes(values)
        pairs = zip(words, spans.reshape(-1, 2).tolist(), strict=True)
        words = [word for number, (a, b) in pairs for word in (number, held[a:b])]
    done = b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in words])
    out[: len(done)] = np.frombuffer(done, dtype=np.uint8)
    return len(done)


def _postings(
    buckets: npt.NDArray[np.uint8] | bytes, bounds: npt.NDArray[np.int64]
) -> npt.NDArray[np.void]:
    """The postings of all buckets."""
    count = int(bounds[-1] - bounds[0]) // POSTING.itemsize
    return np.frombuffer(buckets, dtype=POSTING, count=count, offset=int(bounds[0]))
