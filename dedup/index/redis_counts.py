"""How often originals are repeated, and on how many pages: what some verdicts make of these counts.

Numbers in, values out; neither verdicts nor commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dedup.index import redis_layout as layout
from dedup.index.redis_batch import Known

NEVER = (0, 1, 0)
"""Repeats, pages and last repeat of an original that was not repeated."""


class Counted:
    """Counts of originals, and what becomes of them.

    Attributes:
        told: of each repeat in order its original's repeats and pages.
    """

    def __init__(self, before: Mapping[int, tuple[int, int, int]], now: int) -> None:
        """Counts are repeats, pages and the time of the last repeat."""
        self._before, self._now = before, now
        self._after = dict[int, tuple[int, int, int]]()
        self.told: list[tuple[int, int]] = []

    def count(self, original: int, *, elsewhere: bool) -> None:
        """One more repeat; `elsewhere`: the first one on a page that does not own it."""
        seen, pages, _ = self._now_of(original)
        self._after[original] = (seen + 1, pages + elsewhere, self._now)
        self.told.append((seen + 1, pages + elsewhere))

    def told_now(self, original: Known) -> Known:
        """An original with its counts of now."""
        if original.id not in self._after:
            return original
        seen, pages, _ = self._after[original.id]
        return original._replace(seen=seen, pages=pages)

    def withdraw(self, taken: Sequence[tuple[int, int, int]]) -> None:
        """Take back what a page counted: originals, repeats and pages."""
        for original, repeats, on_pages in taken:
            seen, pages, last = self._now_of(original)
            if seen >= repeats:
                self._after[original] = (seen - repeats, pages - on_pages, last)

    def _now_of(self, original: int) -> tuple[int, int, int]:
        return self._after.get(original) or self._before.get(original, NEVER)

    @property
    def more(self) -> int:
        """Repeats that have been counted, without those that were taken back."""
        pairs = self._after.items()
        return sum(counts[0] - self._before.get(at, NEVER)[0] for at, counts in pairs)

    def counts(self) -> dict[int, bytes]:
        """What is to be written of them."""
        return {at: layout.COUNTS.pack(*counts) for at, counts in self._after.items() if counts[0]}

    def zeros(self) -> list[int]:
        """Those that are repeated no longer."""
        return [at for at, counts in self._after.items() if not counts[0] and at in self._before]
