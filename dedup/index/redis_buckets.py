"""Buckets of postings in the client: which ones a batch needs, what it finds there, what it adds.

Arrays and bytes: neither commands nor verdicts. The scripts do the same on the server
(lua/_postings.lua, and `split` of lua/_changes.lua).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index import redis_layout as layout
from dedup.index.redis_layout import IDS_PER_KEY, POSTING_BYTES
from dedup.index.redis_wire import WORD_ROOM, Words, join_values

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

    def splits(self, more: int) -> int:
        """How many buckets are to be split when there are so many postings more."""
        size, fullest = 1 << self.bits, layout.FULLEST_BUCKET
        too_many = self.postings + more - fullest * (size + 3 * self.cursor)
        wanted = -(-too_many // (3 * fullest))
        return min(wanted, size - self.cursor) if wanted > min(LEAST_SPLITS, size // 4) else 0


class Held:
    """Some buckets as they were read.

    Attributes:
        numbers: int64[b], those to be split first.
    """

    def __init__(
        self, table: Buckets, keys: npt.NDArray[np.uint64], *, growing: bool, more: int = 0
    ) -> None:
        """For these keys: where a table is `growing`, and gets so many `more` postings before."""
        self._keys = keys
        self._places = np.empty(len(keys), dtype=np.int64)
        # What may have to be split, if all are added.
        self._locate(table, table.splits(len(keys) + more) if growing else 0)
        self._data: bytes | npt.NDArray[np.uint8] = b""
        self._bounds = np.zeros(len(self.numbers) + 1, dtype=np.int64)

    def _locate(self, table: Buckets, splits: int) -> None:
        """The buckets of the keys, in a table of which so many are to be split."""
        keys, numbers = self._keys, np.empty(splits + len(self._keys), dtype=np.int64)
        found = kernel.locate_postings(
            keys, table.bits, table.cursor, splits, numbers, self._places
        )
        self.table, self._splits, self.numbers = table, splits, numbers[:found]

    def take(self, values: list[bytes | None]) -> None:
        """Take the buckets' values, as the server tells them."""
        self._data, self._bounds = join_values(values)

    def follow(self, changes: Changes) -> None:
        """Bring what was read up to date with what a transaction changed after that."""
        numbers, data, bounds = self.numbers, self._data, self._bounds
        table, last = changes.table, self.table.cursor + self._splits
        # Only what was read can be split; in a new round that is nothing.
        left = last - table.cursor if table.bits == self.table.bits else 0
        self._locate(table, min(max(0, left), table.splits(len(self._keys))))
        out = np.empty(len(data) + len(changes.written.data), dtype=np.uint8)
        self._bounds = np.empty(len(self.numbers) + 1, dtype=np.int64)
        kernel.renew_buckets(
            numbers,
            data,
            bounds,
            changes.written.data,
            self.numbers,
            changes.first,
            changes.splits,
            out,
            self._bounds,
        )
        self._data = out

    def find(self) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
        """How many ids stand under each key, these, and the last equal key before each (or -1).

        uint8[p], uint32[p, 4] and int64[p].
        """
        counts = np.zeros(len(self._keys), dtype=np.uint8)
        ids = np.zeros((len(self._keys), IDS_PER_KEY), dtype=np.uint32)
        earlier = np.empty(len(self._keys), dtype=np.int64)
        kernel.find_postings(
            self._data, self._bounds, self._places, self._keys, counts, ids, earlier
        )
        return counts, ids, earlier

    def add(self, chosen: npt.NDArray[np.intp], ids: npt.NDArray[np.uint32]) -> Changes:
        """Add an id under each of the chosen keys, and split the buckets that have to be."""
        table = self.table._replace(postings=self.table.postings + len(chosen))
        # Others may have added postings since these buckets were chosen, but split none.
        splits = min(self._splits, self.table.splits(len(chosen)))
        words = 2 * (len(self.numbers) + 3 * splits)
        room = len(self._data) + POSTING_BYTES * len(chosen) + WORD_ROOM * words
        out, removed = np.empty(room, dtype=np.uint8), np.empty(splits, dtype=np.int64)
        size, written, gone = kernel.add_postings(
            self.numbers,
            self._data,
            self._bounds,
            self._places[chosen],
            self._keys[chosen],
            ids,
            table.bits,
            splits,
            out,
            removed,
        )
        first = table.cursor
        if splits:
            cursor = first + splits
            is_round = cursor == 1 << table.bits
            table = table._replace(bits=table.bits + 2 * is_round, cursor=0 if is_round else cursor)
        words_written = Words(2 * written, out[:size].data)
        return Changes(table, words_written, removed[:gone].tolist(), first, splits)


class Changes(NamedTuple):
    """What adding postings does.

    Attributes:
        table: the table afterwards.
        written: numbers of buckets, and their values, in turn.
        removed: numbers of buckets that are empty now.
        first: the first bucket that was split.
        splits: how many were.
    """

    table: Buckets
    written: Words
    removed: list[int]
    first: int
    splits: int
