"""The arrays of the index in memory, which the kernel works on, and room in them.

The layout is told in `kernel/native/index.h`. Knows nothing of pages.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.errors import IndexFullError
from dedup.index.changes import OriginalsKept, body_lengths
from dedup.sketch import Sketches

RECORD_UNITS = 5
"""8-byte units of a record before its trace."""
FIELD_WORDS = slice(2, 8)
"""The 32-bit words of a record that have page, position, first_seen, last_seen, seen and pages."""
MARK_WORD, TOKENS_WORD = 8, 9
"""Those that have a mark (its new id, while the arena is compacted) and the length of the body."""
USED_UNITS, DEAD_UNITS, POSTINGS, ORIGINALS, REPEATS, STATE_SIZE = range(6)
REPEAT_ENTRY = VALUES_FLAG = np.uint32(0x80000000)
NOBODY = 0xFFFFFFFF
MAX_UNITS = 0x80000000
"""Ids are units, and one bit of an entry is taken: 16 GiB of originals."""

FULLEST, GROWTH = 0.8, 1.12
"""The posting table grows when more than this share is taken, to this much more: linear probing is
still short at 0.8, and a step of an eighth leaves it at least seven tenths full."""
SPARE = 40
"""The arena has room for this part of it more than it needs."""
FIRST_SLOTS, FIRST_UNITS = 1 << 10, 1 << 13


def units_of(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Units of records with so many 16-bit values each."""
    return RECORD_UNITS + (lengths * 2 + 7) // 8


class Tables:
    """The four arrays that the kernel calls an index."""

    def __init__(self, slots: int = FIRST_SLOTS, units: int = FIRST_UNITS) -> None:
        self.tags = np.zeros(slots, dtype=np.uint32)
        self.ids = np.zeros(slots, dtype=np.uint32)
        self.arena = np.zeros(units, dtype=np.uint64)
        self.state = np.zeros(STATE_SIZE, dtype=np.int64)
        self.state[USED_UNITS] = 1

    @property
    def columns(
        self,
    ) -> tuple[
        npt.NDArray[np.uint32],
        npt.NDArray[np.uint32],
        npt.NDArray[np.uint64],
        npt.NDArray[np.int64],
    ]:
        """The arrays, as the kernel takes them."""
        return self.tags, self.ids, self.arena, self.state

    def reserve(self, sketches: Sketches) -> None:
        """Make room for all of these blocks.

        Raises:
            IndexFullError: they do not fit; nothing was changed.
        """
        self.make_room(sketches.tokens, sketches.key_count + len(sketches))

    def make_room(self, lengths: npt.NDArray[np.int64], keys: int) -> None:
        """Make room for records with so many 16-bit values each, and for so many keys of all.

        Raises:
            IndexFullError: they do not fit; nothing was changed.
        """
        used = int(self.state[USED_UNITS])
        needed = used + int(units_of(lengths).sum())
        if needed > MAX_UNITS:
            raise IndexFullError(
                f"the index in memory holds {MAX_UNITS >> 27} GiB of originals at most: "
                "use a namespace for each crawl or site"
            )
        if needed > len(self.arena):
            # In place where the allocator can; a small step, since growing costs little.
            room = min(MAX_UNITS, needed + needed // SPARE + FIRST_UNITS)
            self.arena.resize(room, refcheck=False)
        postings = int(self.state[POSTINGS]) + keys
        if postings > FULLEST * len(self.tags):
            self.move_postings(int(max(postings / FULLEST + 1, len(self.tags) * GROWTH)))

    def expect(self, postings: int) -> None:
        """Make the table large enough for so many postings."""
        if postings > FULLEST * len(self.tags):
            self.move_postings(int(postings / FULLEST) + 1)

    def settle(self) -> None:
        """Give back the room of postings that were expected and did not come."""
        slots = int(self.state[POSTINGS] / FULLEST * GROWTH) + FIRST_SLOTS
        if slots < len(self.tags):
            self.move_postings(slots)

    def move_postings(self, slots: int, *, forwarded: bool = False) -> None:
        """Put the postings into a table of so many slots."""
        tags, ids = np.zeros(slots, dtype=np.uint32), np.zeros(slots, dtype=np.uint32)
        kernel.move_postings(self.columns, tags, ids, forwarded)
        self.tags, self.ids = tags, ids

    def take_originals(self, kept: OriginalsKept) -> None:
        """Add originals of other tables, with what was counted; their pages have not met them yet.

        Raises:
            IndexFullError: they do not fit; nothing was changed.
        """
        added, fields = kept
        lengths = body_lengths(added.tokens)
        self.make_room(lengths, len(added.tags))
        units = units_of(lengths)
        ids = self.state[USED_UNITS] + np.cumsum(units) - units
        bounds = np.arange(len(ids) + 1)
        owners = np.ascontiguousarray(fields[:, 0])
        kernel.apply_entries(self.columns, added, bounds, owners, ids.astype(np.uint32), 0, 0)
        words = self.arena.view(np.uint32)
        words[2 * ids[:, None] + np.arange(*FIELD_WORDS.indices(16))] = fields
        words[2 * ids + MARK_WORD] = NOBODY
        self.state[REPEATS] += int(fields[:, 4].sum(dtype=np.int64))

    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(column.nbytes for column in self.columns)
