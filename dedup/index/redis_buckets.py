"""Buckets of postings in the client: which ones a batch needs, what it finds there, what it adds.

Arrays and bytes: neither commands nor verdicts. The scripts do the same on the server
(lua/_postings.lua, and `split` of lua/_changes.lua).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_layout import IDS_PER_KEY, POSTING_BYTES
from dedup.index.redis_wire import Words, pack_numbers

LEAST_SPLITS = 32
"""Buckets that are split together at least, in a table that is not small: a page alone does not."""


class Buckets(NamedTuple):
    """The buckets of a generation: 2 ** `bits`, of which the first `cursor` have been split.

    Attributes:
        bits: two more for each round of splitting into fours.
        cursor: the next bucket to be split; those before it have become four each.
        postings: how many postings all buckets hold.
    """

    bits: int
    cursor: int
    postings: int

    def numbers(self, keys: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
        """The bucket of each key."""
        low = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
        size = 1 << self.bits
        at = low & (size - 1)
        return np.where(at < self.cursor, low & (4 * size - 1), at)

    def splits(self, more: int) -> int:
        """How many buckets are to be split when there are so many postings more."""
        size, fullest = 1 << self.bits, layout.FULLEST_BUCKET
        too_many = self.postings + more - fullest * (size + 3 * self.cursor)
        wanted = -(-too_many // (3 * fullest))
        return min(wanted, size - self.cursor) if wanted > min(LEAST_SPLITS, size // 4) else 0


class Held:
    """Some buckets as they were read.

    Attributes:
        numbers: int64[b], ascending.
    """

    def __init__(self, table: Buckets, keys: npt.NDArray[np.uint64], *, growing: bool) -> None:
        self.table = table
        self._keys = keys
        # What may have to be split, if all are added.
        splits = table.splits(len(keys)) if growing else 0
        next_split = np.arange(table.cursor, table.cursor + splits)
        asked = np.concatenate([table.numbers(keys), next_split])
        self.numbers, places = _distinct(asked)
        self._places, self._split_places = places[: len(keys)], places[len(keys) :]
        self._data = b""
        self._bounds = np.zeros(len(self.numbers) + 1, dtype=np.int64)

    def take(self, values: Sequence[bytes | None]) -> None:
        """Take the buckets' values, as the server tells them."""
        filled = [value or b"" for value in values]
        np.cumsum(list(map(len, filled)), out=self._bounds[1:])
        self._data = b"".join(filled)

    def find(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """How many ids stand under each key, these, and the last equal key before each (or -1).

        uint8[p], uint32[p, 4] and int64[p].
        """
        counts = np.zeros(len(self._keys), dtype=np.uint8)
        ids = np.zeros((len(self._keys), IDS_PER_KEY), dtype=np.uint32)
        earlier = np.empty(len(self._keys), dtype=np.int64)
        kernel.find_postings(
            self._data, self._bounds, self._places, self._keys, counts, ids.ravel(), earlier
        )
        return counts, ids, earlier

    def add(self, chosen: npt.NDArray[np.intp], ids: npt.NDArray[np.uint32]) -> Changes:
        """Add an id under each of the chosen keys, and split the buckets that have to be."""
        data = np.empty(len(self._data) + POSTING_BYTES * len(chosen), dtype=np.uint8)
        bounds = np.empty_like(self._bounds)
        places = self._places[chosen]
        kernel.append_postings(
            self._data, self._bounds, places, self._keys[chosen], ids, data, bounds
        )
        table = self.table._replace(postings=self.table.postings + len(chosen))
        # Others may have added postings since these buckets were chosen, but split none.
        split = self._split_places[: self.table.splits(len(chosen))]
        steps = len(split)
        is_changed = np.zeros(len(self.numbers), dtype=np.bool_)
        is_changed[places] = True
        is_changed[split] = False
        spans = np.stack((bounds[:-1], bounds[1:]), axis=1)
        packed = [pack_numbers(self.numbers[is_changed], data, spans[is_changed])]
        if steps == 0:
            return Changes(table, packed, [])
        # They stand one behind the other.
        first, stop = int(split[0]), int(split[-1]) + 1
        ends = bounds[first : stop + 1]
        numbers, values, spans = _split(
            table, self.numbers[first:stop], data[ends[0] : ends[-1]], np.diff(ends)
        )
        was_there = np.diff(self._bounds[first : stop + 1]) > 0
        removed = set(self.numbers[first:stop][was_there].tolist()) - set(numbers.tolist())
        cursor = table.cursor + steps
        is_round = cursor == 1 << table.bits
        table = table._replace(bits=table.bits + 2 * is_round, cursor=0 if is_round else cursor)
        return Changes(table, [*packed, pack_numbers(numbers, values, spans)], sorted(removed))


class Changes(NamedTuple):
    """What adding postings does.

    Attributes:
        table: the table afterwards.
        written: numbers of buckets, and their values, in turn.
        removed: numbers of buckets that are empty now.
    """

    table: Buckets
    written: list[Words]
    removed: list[int]


def _split(
    table: Buckets,
    numbers: npt.NDArray[np.int64],
    data: npt.NDArray[np.uint8],
    sizes: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """Buckets, each as four, without the empty ones: their numbers, values, and spans of these."""
    rows = data.reshape(-1, POSTING_BYTES)
    of_bucket = np.repeat(numbers, sizes // POSTING_BYTES)
    low = np.ascontiguousarray(rows[:, :4]).view("<u4").ravel().astype(np.int64)
    quarters = of_bucket + (((low >> table.bits) & 3) << table.bits)
    order = np.argsort(quarters, kind="stable")
    quarters = quarters[order]
    firsts = np.flatnonzero(np.append(True, quarters[1:] != quarters[:-1])[: len(rows)])
    bounds = POSTING_BYTES * np.append(firsts, len(rows))
    return quarters[firsts], rows[order].ravel(), np.stack((bounds[:-1], bounds[1:]), axis=1)


def _distinct(
    values: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The distinct values, ascending, and the place of each value among them.

    `np.unique` does the same in three times the time, which few values notice most.
    """
    order = np.argsort(values)
    ordered = values[order]
    is_first = np.empty(len(values), dtype=np.bool_)
    is_first[:1] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    places = np.empty(len(values), dtype=np.int64)
    places[order] = np.cumsum(is_first) - 1
    return ordered[is_first], places
