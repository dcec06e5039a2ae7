"""The index in this process: a posting table and an arena of originals, worked on by the kernel.

Here is what the kernel leaves to Python: page numbers, the log of what each page owns and repeats,
when to release what has expired, and room (arrays grow before a batch, and are compacted after much
was released). The layout of the arrays is told in `kernel/native/index.h`. Thread-safe: one
operation at a time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Container, Sequence

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.errors import IndexFullError, SettingsError
from dedup.index.page_log import PageLog
from dedup.kernel.kinds import VerdictKind
from dedup.minhash import band_keys
from dedup.model import Stats
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts, rule_of

RECORD_UNITS = 5
"""8-byte units of a record before its trace."""
MARK_WORD = 8
"""The 32-bit word of a record that carries its new id while the arena is compacted."""
USED_UNITS, DEAD_UNITS, POSTINGS, ORIGINALS, REPEATS, STATE_SIZE = range(6)
REPEAT_ENTRY = np.uint32(0x80000000)
MAX_UNITS = 0x80000000
"""Ids are units, and one bit of an entry is taken: 16 GiB of originals."""

FULLEST, GROWTH = 0.8, 1.2
"""The posting table grows when more than this share is taken, to this much more: linear probing is
still short at 0.8, and a step of a fifth leaves it two thirds to four fifths full."""
FIRST_SLOTS, FIRST_UNITS = 1 << 10, 1 << 13
WORTH_COMPACTING = 1 << 20
"""Dead units (8 MiB), or log entries, that are worth a pass over everything."""
SWEEPS = 4
"""Passes over everything within `expire_after`: what has expired takes room for a quarter more."""
UNKNOWN_PAGE = 0xFFFFFFFE
"""The page number of a lookup under an id that the index does not know."""


class _Tables:
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
        needed = used + int((RECORD_UNITS + (lengths * 2 + 7) // 8).sum())
        if needed > MAX_UNITS:
            raise IndexFullError(
                f"the index in memory holds {MAX_UNITS >> 27} GiB of originals at most: "
                "use a namespace for each crawl or site"
            )
        if needed > len(self.arena):
            # In place where the allocator can; a small step, since growing costs little.
            room = min(MAX_UNITS, needed + needed // 16 + FIRST_UNITS)
            self.arena.resize(room, refcheck=False)
        postings = int(self.state[POSTINGS]) + keys
        if postings > FULLEST * len(self.tags):
            self.move_postings(int(max(postings / FULLEST + 1, len(self.tags) * GROWTH)))

    def move_postings(self, slots: int, *, forwarded: bool = False) -> None:
        """Put the postings into a table of so many slots."""
        tags, ids = np.zeros(slots, dtype=np.uint32), np.zeros(slots, dtype=np.uint32)
        kernel.move_postings(self.columns, tags, ids, forwarded)
        self.tags, self.ids = tags, ids

    def nbytes(self) -> int:
        """Bytes of the arrays."""
        return sum(column.nbytes for column in self.columns)


class MemoryIndex:
    """An index in this process."""

    is_remote = False

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        if url != "memory://":
            raise SettingsError(f"index {url!r}: an index in memory has no name, use memory://")
        self._settings = settings
        self._namespace = namespace
        self._rule = rule_of(settings)
        self._lock = threading.Lock()
        self._tables = _Tables()
        self._log = PageLog()
        self._swept = 0

    @staticmethod
    def stored_settings(url: str, namespace: str) -> Settings | None:  # noqa: ARG004 - as others
        """None: an index in memory begins with its process."""
        return None

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        job = _Job(sketches, bounds, now, self._expired_before(now), self._settings)
        with self._lock:
            self._sweep_where_due(now)
            self._tables.reserve(sketches)
            at = 0
            while at < len(pages):
                known = self._log.numbers.get(pages[at])
                if known is None:
                    numbers = self._number_fresh(pages, at)
                    self._judge(job, at, numbers)
                    at += len(numbers)
                else:
                    held = self._log.of(known).copy()
                    kernel.withdraw_page(self._tables.columns, held, known)
                    self._judge(job, at, [known])
                    kernel.release_unclaimed(self._tables.columns, held, known)
                    at += 1
            names = self._name_pages(job)
            self._compact_where_worth_it()
        return job.verdicts(names)

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`. A page's own new blocks go to an overlay that is thrown away."""
        job = _Job(sketches, bounds, now, self._expired_before(now), settings)
        names: dict[int, str] = {}
        with self._lock:
            for at, page in enumerate(pages):
                # Unknown pages of one call need numbers of their own, for their names.
                number = self._log.numbers.get(page, UNKNOWN_PAGE - at)
                overlay = _Tables()
                overlay.reserve(sketches)
                job.run(self._tables, overlay, at, [number])
                names[number] = page
            names |= self._name_pages(job, beside=names)
        return job.verdicts(names)

    def add_minhashes(
        self,
        values: npt.NDArray[np.uint32],
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
    ) -> None:
        """See `Index.add_minhashes`."""
        bands = self._settings.bands
        if bands is None or not len(values):
            return
        keys = band_keys(values, bands)
        entries = np.zeros(len(values), dtype=np.uint32)
        with self._lock:
            self._tables.make_room(np.full(len(values), 2 * values.shape[1]), keys.size)
            columns = self._tables.columns
            at = 0
            while at < len(pages):
                known = self._log.numbers.get(pages[at])
                numbers = self._number_fresh(pages, at) if known is None else [known]
                held = self._log.of(numbers[0]).copy()
                kernel.withdraw_page(columns, held, numbers[0])
                span = bounds[at : at + len(numbers) + 1]
                kernel.add_values(
                    *(columns, values, keys, span),
                    np.array(numbers, dtype=np.uint32),
                    now,
                    entries,
                )
                kernel.release_unclaimed(columns, held, numbers[0])
                self._log.write(numbers, entries[span[0] : span[-1]], np.diff(span).tolist(), now)
                at += len(numbers)
            self._compact_where_worth_it()

    def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        with self._lock:
            number = self._log.numbers.get(page)
            if number is None:
                return False
            held = self._log.of(number).copy()
            kernel.withdraw_page(self._tables.columns, held, number)
            kernel.release_unclaimed(self._tables.columns, held, number)
            self._log.drop_page(number)
            self._compact_where_worth_it()
            return True

    def stats(self) -> Stats:
        """See `Index.stats`."""
        with self._lock:
            state = self._tables.state
            return Stats(
                url="memory://",
                namespace=self._namespace,
                pages=len(self._log.numbers),
                originals=int(state[ORIGINALS]),
                repeats=int(state[REPEATS]),
                bytes=self._tables.nbytes() + self._log.nbytes(),
            )

    def clear(self) -> None:
        """See `Index.clear`."""
        with self._lock:
            self._tables = _Tables()
            self._log = PageLog()

    def close(self) -> None:
        """See `Index.close`."""
        self.clear()

    def _number_fresh(self, pages: Sequence[str], first: int) -> list[int]:
        """Numbers for the pages from `first` on, up to the next one that the index knows."""
        numbers = []
        for page in pages[first:]:
            if page in self._log.numbers:
                break
            numbers.append(self._log.add_page(page))
        return numbers

    def _judge(self, job: _Job, first: int, numbers: list[int]) -> None:
        """Judge some pages in a row and write their entries."""
        entries, counts = job.run(self._tables, None, first, numbers)
        self._log.write(numbers, entries, counts, job.now)

    def _name_pages(self, job: _Job, beside: Container[int] = ()) -> dict[int, str]:
        """The ids of the pages that own the originals found, but for the numbers in `beside`."""
        numbers = np.unique(job.details[job.kinds >= VerdictKind.EXACT, 0]).tolist()
        return {n: self._log.names[n] or "" for n in numbers if n not in beside}

    def _expired_before(self, now: int) -> int:
        """The first second in which an original must have been seen to be there; 0: any."""
        duration = self._settings.expire_after
        # Times are whole seconds: those below `now - duration` are those below this.
        return 0 if duration is None else max(0, now - int(duration))

    def _sweep_where_due(self, now: int) -> None:
        """Release what has expired, and forget the pages that nothing is left of, now and then.

        A page that was not checked for so long stays while other pages keep an original of its own
        alive: it will recognise that when it comes again.
        """
        duration = self._settings.expire_after
        # Also where the clock was set back: it may take long to come to that time again.
        if duration is None or abs(now - self._swept) * SWEEPS < duration:
            return
        self._swept = now
        before, columns = self._expired_before(now), self._tables.columns
        owners = np.zeros(len(self._log.names), dtype=np.uint8)
        kernel.release_expired(columns, before, owners)
        for number in np.flatnonzero(self._log.checked_before(before) & (owners == 0)).tolist():
            kernel.withdraw_page(columns, self._log.of(number), number)
            self._log.drop_page(number)
        self._compact_where_worth_it()

    def _compact_where_worth_it(self) -> None:
        """Squeeze out what was released, once it is worth a pass over everything."""
        tables, log = self._tables, self._log
        dead, used = int(tables.state[DEAD_UNITS]), int(tables.state[USED_UNITS])
        if dead > WORTH_COMPACTING and dead > used // 3:
            self._compact()
        elif log.dead > WORTH_COMPACTING and log.dead > log.used // 2:
            log.rewrite(log.entries[: log.used])

    def _compact(self) -> None:
        """Renumber the originals without the released ones: postings, log, then the records."""
        tables, log = self._tables, self._log
        kernel.forward_records(tables.columns)
        live = int(tables.state[POSTINGS] / FULLEST * GROWTH) + FIRST_SLOTS
        tables.move_postings(live, forwarded=True)
        marks = tables.arena.view(np.uint32)
        entries = log.entries[: log.used]
        renumbered = marks[2 * (entries & ~REPEAT_ENTRY).astype(np.int64) + MARK_WORD]
        log.rewrite(np.where(renumbered > 0, renumbered | (entries & REPEAT_ENTRY), 0))
        kernel.slide_records(tables.columns)
        used = int(tables.state[USED_UNITS])
        del marks
        tables.arena.resize(used + used // 16 + FIRST_UNITS, refcheck=False)


class AsyncMemoryIndex:
    """The index in this process, to be awaited: its operations run in threads."""

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        self._index = MemoryIndex(url, namespace, settings)

    async def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        return await asyncio.to_thread(self._index.check, sketches, pages, bounds, now)

    async def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`."""
        return await asyncio.to_thread(self._index.lookup, sketches, pages, bounds, now, settings)

    async def add_minhashes(
        self,
        values: npt.NDArray[np.uint32],
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
    ) -> None:
        """See `Index.add_minhashes`."""
        await asyncio.to_thread(self._index.add_minhashes, values, pages, bounds, now)

    async def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        return await asyncio.to_thread(self._index.forget, page)

    async def stats(self) -> Stats:
        """See `Index.stats`."""
        return await asyncio.to_thread(self._index.stats)

    async def clear(self) -> None:
        """See `Index.clear`."""
        await asyncio.to_thread(self._index.clear)

    async def close(self) -> None:
        """See `Index.close`."""
        self._index.close()


class _Job:
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

    def run(
        self, tables: _Tables, overlay: _Tables | None, first: int, numbers: list[int]
    ) -> tuple[npt.NDArray[np.uint32], list[int]]:
        """Judge the pages from `first` on; returns their entries and how many each page has."""
        span = self.bounds[first : first + len(numbers) + 1]
        kernel.check_blocks(
            tables.columns,
            overlay.columns if overlay else None,
            self.batch,
            span,
            np.array(numbers, dtype=np.uint32),
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
        )
        judged = self.kinds[span[0] : span[-1]] != VerdictKind.SKIPPED
        before = np.zeros(len(judged) + 1, dtype=np.int64)
        np.cumsum(judged, out=before[1:])
        counts: list[int] = np.diff(before[span - span[0]]).tolist()
        return self.entries[span[0] : span[-1]][judged], counts

    def verdicts(self, names: dict[int, str]) -> Verdicts:
        """The verdicts, with the ids of the pages that they point to."""
        return Verdicts(self.kinds, self.similarity, self.containment, self.details, names)
