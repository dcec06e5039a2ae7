"""One batch on its way through the kernel: what goes in, and the columns that come out.

Knows nothing of pages but their numbers, and decides nothing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.index.tables import REPEAT_ENTRY, Tables
from dedup.kernel.kinds import VerdictKind
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts, rule_of

NOTHING_HELD = np.zeros(0, dtype=np.uint32)

# Members of an enumeration are looked up and compared at some length, and here for every batch.
_SKIPPED = np.uint8(VerdictKind.SKIPPED)


class Job:
    """One batch on its way through the kernel, and what comes out."""

    def __init__(
        self,
        sketches: Sketches,
        bounds: npt.NDArray[np.int64],
        now: int,
        before: int,
        settings: Settings,
    ) -> None:
        n = len(sketches)
        self.batch = (
            sketches.fingerprints,
            sketches.trace_spans,
            sketches.traces,
            sketches.key_spans,
            sketches.keys,
            sketches.minhashes,
        )
        self.bounds, self.now, self.before = bounds, now, before
        self.min_words, self.rule = settings.min_words, rule_of(settings)
        self.kinds = np.zeros(n, dtype=np.uint8)
        self.similarity = np.zeros(n, dtype=np.float64)
        self.containment = np.zeros(n, dtype=np.float64)
        self.details = np.empty((n, 6), dtype=np.uint32)
        self.entries = np.empty(n, dtype=np.uint32)
        self.candidates = np.zeros(n, dtype=np.uint16)

    def run(
        self,
        tables: Tables,
        overlay: Tables | None,
        first: int,
        numbers: list[int],
        held: npt.NDArray[np.uint32] = NOTHING_HELD,
    ) -> tuple[npt.NDArray[np.uint32], list[int]]:
        """Judge the pages from `first` on; returns their entries and how many each page has.

        `held` are the entries that the page, one alone, had before.
        """
        span = self.bounds[first : first + len(numbers) + 1]
        kernel.check_blocks(
            tables.columns,
            overlay.columns if overlay else None,
            self.batch,
            span,
            np.array(numbers, dtype=np.uint32),
            held,
            self.now,
            self.before,
            self.min_words,
            overlay is not None,
            self.rule,
            self.kinds,
            self.similarity,
            self.containment,
            self.details,
            self.entries,
            self.candidates,
        )
        judged = self.kinds[span[0] : span[-1]] != _SKIPPED
        return judged_entries(self.entries[span[0] : span[-1]], judged, span)

    def verdicts(self, names: dict[int, str], texts: dict[int, str]) -> Verdicts:
        """The verdicts, with the ids of the pages that they point to, and texts where kept."""
        columns = (self.kinds, self.similarity, self.containment, self.details)
        return Verdicts(*columns, names, texts=texts, candidates=self.candidates)


def judged_entries(
    entries: npt.NDArray[np.uint32],
    judged: npt.NDArray[np.bool_],
    span: npt.NDArray[np.int64],
) -> tuple[npt.NDArray[np.uint32], list[int]]:
    """The entries of blocks that were judged, and how many each page has."""
    before = np.zeros(len(judged) + 1, dtype=np.int64)
    np.cumsum(judged, out=before[1:])
    counts: list[int] = np.diff(before[span - span[0]]).tolist()
    return entries[judged], counts


def is_added(entries: npt.NDArray[np.uint32], first_free: int) -> npt.NDArray[np.bool_]:
    """Which entries are originals that were added since `first_free` was the next id.

    Ids ascend, so one that was met before is a page's own that was recognised.
    """
    own = np.where(entries < REPEAT_ENTRY, entries, 0)
    added: npt.NDArray[np.bool_] = own >= first_free
    added[1:] &= own[1:] > np.maximum.accumulate(own)[:-1]
    return added
