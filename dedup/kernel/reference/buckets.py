"""Buckets of postings as they lie in a shared store: native/buckets_binding.h in NumPy.

A posting is 9 bytes: the low 40 bits of a key and an original's id, both little-endian.
"""

from __future__ import annotations

from itertools import accumulate, pairwise

import numpy as np
import numpy.typing as npt

from dedup.kernel.reference.wire import read_words, write_words

POSTING = np.dtype([("low", "<u4"), ("high", "u1"), ("id", "<u4")])
IDS_PER_KEY = 4
KEY_MASK = np.uint64(0xFFFFFFFFFF)


def locate_postings(
    keys: npt.NDArray[np.uint64],
    bits: int,
    cursor: int,
    splits: int,
    numbers: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
) -> int:
    """The buckets of `p` keys, each once, behind the next ones to be split.

    Args:
        keys: uint64[p], of which the low 32 bits count.
        bits: there are 2 ** `bits` buckets, of which the first ones have become four each.
        cursor: how many have.
        splits: how many buckets from `cursor` on come first.
        numbers: int64, gets the buckets; room for `p + splits`.
        places: int64[p], gets the place of each key's bucket in `numbers`.

    Returns:
        How many buckets.
    """
    found = {cursor + at: at for at in range(splits)}
    size = 1 << bits
    for i, key in enumerate(keys.tolist()):
        number = key & 0xFFFFFFFF & (size - 1)
        if number < cursor:
            number = key & 0xFFFFFFFF & (4 * size - 1)
        places[i] = found.setdefault(number, len(found))
    numbers[: len(found)] = list(found)
    return len(found)


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


def add_postings(
    numbers: npt.NDArray[np.int64],
    buckets: npt.NDArray[np.uint8] | bytes,
    bounds: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
    keys: npt.NDArray[np.uint64],
    ids: npt.NDArray[np.uint32],
    bits: int,
    splits: int,
    out: npt.NDArray[np.uint8],
    removed: npt.NDArray[np.int64],
) -> tuple[int, int, int]:
    """What is to be written when `p` postings are added, each at the end of its bucket, in order.

    The first buckets become four each: a posting's quarter are the two bits of its key above the
    low `bits`, and the quarter's number is the bucket's with these bits.

    Args:
        numbers: int64[b], of the buckets.
        buckets: uint8, buckets of whole postings, back to back.
        bounds: int64[b + 1], where each bucket starts, and the last one ends.
        places: int64[p], the bucket of each new posting.
        keys: uint64[p], of which the low 40 bits count.
        ids: uint32[p], of the originals.
        bits: of a bucket's number.
        splits: how many buckets are split.
        out: uint8, gets number and value of each changed bucket, as words of a command in the Redis
            protocol; room for all values, and 90 bytes for each bucket, after the splits.
        removed: int64, gets the numbers of split buckets of which nothing is left; room for all.

    Returns:
        How many bytes, how many buckets, and how many are removed.
    """
    held = _postings(buckets, bounds)
    firsts = ((bounds - bounds[0]) // POSTING.itemsize).tolist()
    new = np.empty(len(places), dtype=POSTING)
    new["low"], new["high"], new["id"] = keys & 0xFFFFFFFF, keys >> np.uint64(32) & 0xFF, ids
    words: list[bytes] = []
    gone: list[int] = []
    for place, number in enumerate(numbers.tolist()):
        before, more = held[firsts[place] : firsts[place + 1]], new[places == place]
        if place >= splits:
            if len(more):
                words += [b"%d" % number, np.concatenate([before, more]).tobytes()]
            continue
        postings = np.concatenate([before, more])
        quarters = postings["low"] >> np.uint32(bits) & 3
        for quarter in range(4):
            value = postings[quarters == quarter].tobytes()
            if value:
                words += [b"%d" % (number + (quarter << bits)), value]
            elif quarter == 0 and len(before):
                gone.append(number)
    removed[: len(gone)] = gone
    return write_words(words, out), len(words) // 2, len(gone)


def renew_buckets(
    numbers: npt.NDArray[np.int64],
    buckets: npt.NDArray[np.uint8] | bytes,
    bounds: npt.NDArray[np.int64],
    written: bytes | memoryview,
    wanted: npt.NDArray[np.int64],
    first: int,
    splits: int,
    out: npt.NDArray[np.uint8],
    out_bounds: npt.NDArray[np.int64],
) -> None:
    """Buckets as they are after a transaction, from what was read before it and what it wrote.

    Args:
        numbers: int64[b], of the buckets that were read, each once.
        buckets: uint8, their values, back to back.
        bounds: int64[b + 1], where each starts, and the last one ends.
        written: uint8, number and value of each bucket that it wrote, as `add_postings` packs them.
        wanted: int64[w], buckets, each once. One that was neither read nor written is empty.
        first: the first bucket that it split.
        splits: how many it split: what they held stands in what was written.
        out: uint8, gets the values of the wanted ones, back to back; room for all values and words.
        out_bounds: int64[w + 1], gets where each starts, and the last one ends.
    """
    held = zip(numbers.tolist(), pairwise(bounds.tolist()), strict=True)
    values = {
        number: bytes(buckets[start:stop])
        for number, (start, stop) in held
        if not first <= number < first + splits
    }
    words = read_words(bytes(written))
    values |= {int(number): value for number, value in zip(words[::2], words[1::2], strict=True)}
    found = [values.get(number, b"") for number in wanted.tolist()]
    out_bounds[:] = list(accumulate(map(len, found), initial=0))
    out[: out_bounds[-1]] = np.frombuffer(b"".join(found), dtype=np.uint8)


def _postings(
    buckets: npt.NDArray[np.uint8] | bytes, bounds: npt.NDArray[np.int64]
) -> npt.NDArray[np.void]:
    """The postings of all buckets."""
    count = int(bounds[-1] - bounds[0]) // POSTING.itemsize
    return np.frombuffer(buckets, dtype=POSTING, count=count, offset=int(bounds[0]))
