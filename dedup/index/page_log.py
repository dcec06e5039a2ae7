"""What each page of the index in memory owns and repeats: entries of all pages, back to back.

Knows numbers, names and entries, and nothing of what an entry stands for.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dedup.index.changes import PagesKept

FIRST_LOG = 1 << 10
NO_PAGE = 0xFFFFFFFF
"""Stands for the time of a page's last check where a number is nobody's."""


class PageLog:
    """The entries of every page, back to back; a page that is checked again gets a new place.

    Numbers of pages that were dropped are given out again: no record names those any more.
    """

    def __init__(self) -> None:
        self.numbers: dict[str, int] = {}
        self.names: list[str | None] = []
        self.firsts = array("Q")
        self.counts = array("I")
        self.checked = array("I")
        self.free: list[int] = []
        self.entries = np.zeros(FIRST_LOG, dtype=np.uint32)
        self.used = self.dead = 0

    def add_page(self, name: str) -> int:
        """A number for a new page."""
        if self.free:
            number = self.free.pop()
            self.names[number] = name
        else:
            number = len(self.names)
            self.names.append(name)
            self.firsts.append(0)
            self.counts.append(0)
            self.checked.append(NO_PAGE)
        self.numbers[name] = number
        return number

    def of(self, number: int) -> npt.NDArray[np.uint32]:
        """A page's entries."""
        first = self.firsts[number]
        return self.entries[first : first + self.counts[number]]

    def write(
        self, numbers: list[int], entries: npt.NDArray[np.uint32], counts: Sequence[int], now: int
    ) -> None:
        """Write the entries of pages that were checked now, back to back."""
        self._make_room(len(entries))
        self.entries[self.used : self.used + len(entries)] = entries
        for number, count in zip(numbers, counts, strict=True):
            self.dead += self.counts[number]
            self.firsts[number], self.counts[number] = self.used, count
            self.checked[number] = now
            self.used += count

    def drop_page(self, number: int) -> None:
        """Take a page out."""
        name = self.names[number]
        if name is not None:
            del self.numbers[name]
        self.names[number] = None
        self.dead += self.counts[number]
        self.counts[number] = 0
        self.checked[number] = NO_PAGE
        self.free.append(number)

    def checked_before(self, time: int) -> npt.NDArray[np.bool_]:
        """Of each number, whether its page was last checked earlier."""
        return np.array(self.checked, dtype=np.uint32) < time

    def rewrite(self, entries: npt.NDArray[np.uint32]) -> None:
        """Close the gaps, taking each live page's entries from `entries` (0: one to leave out)."""
        firsts, counts = (
            np.array(self.firsts, dtype=np.int64),
            np.array(self.counts, dtype=np.int64),
        )
        total = int(counts.sum())
        # The place in the old log of each entry of the new one, page by page.
        starts = np.cumsum(counts) - counts
        places = np.repeat(firsts - starts, counts) + np.arange(total)
        kept = entries[places]
        present = kept > 0
        before = np.zeros(total + 1, dtype=np.int64)
        np.cumsum(present, out=before[1:])
        self.firsts = array("Q", before[starts].tolist())
        self.counts = array("I", (before[starts + counts] - before[starts]).tolist())
        self.entries = np.concatenate((kept[present], np.zeros(FIRST_LOG, dtype=np.uint32)))
        self.used, self.dead = int(before[-1]), 0

    @property
    def live(self) -> int:
        """Entries of all pages."""
        return self.used - self.dead

    def kept(self, chunk: int, swept: int) -> Iterator[PagesKept]:
        """All pages, by so many numbers at a time, for `take`; there must be no gaps to close.

        Args:
            chunk: numbers of one part.
            swept: what to say of the last sweep.
        """
        counts, checked = np.array(self.counts, np.uint32), np.array(self.checked, np.uint32)
        free = np.array(self.free, dtype=np.uint32)
        ends = np.append(0, np.cumsum(counts, dtype=np.int64))
        for first in range(0, max(1, len(self.names)), chunk):
            last = min(first + chunk, len(self.names))
            part, entries = slice(first, last), self.entries[ends[first] : ends[last]]
            yield PagesKept(self.names[part], counts[part], checked[part], entries, free, swept)
            free = free[:0]

    def take(self, kept: PagesKept) -> None:
        """Take over the next pages of another log."""
        first = len(self.names)
        self.names.extend(kept.names)
        named = enumerate(kept.names, first)
        self.numbers.update((name, number) for number, name in named if name is not None)
        starts = self.used + np.cumsum(kept.counts, dtype=np.int64) - kept.counts
        self.firsts.extend(starts.tolist())
        self.counts.extend(kept.counts.tolist())
        self.checked.extend(kept.checked.tolist())
        self.free.extend(kept.free.tolist())
        self._make_room(len(kept.entries))
        self.entries[self.used : self.used + len(kept.entries)] = kept.entries
        self.used += len(kept.entries)

    def _make_room(self, entries: int) -> None:
        """Make room for more entries."""
        if self.used + entries > len(self.entries):
            room = self.used + entries
            self.entries.resize(room + room // 16 + FIRST_LOG, refcheck=False)

    def nbytes(self) -> int:
        """Bytes of the log and of the page ids, by sampling their lengths."""
        sample = self.names[:: max(1, len(self.names) // 1000)]
        names = sum(sys.getsizeof(name) for name in sample) * len(self.names) // max(1, len(sample))
        tables = sys.getsizeof(self.numbers) + sys.getsizeof(self.names) + 28 * len(self.names)
        columns = 8 * len(self.firsts) + 8 * len(self.counts)
        return self.entries.nbytes + names + tables + columns
