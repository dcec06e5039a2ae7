"""The index in this process: a posting table and an arena of originals, worked on by the kernel.

Here is what the kernel leaves to Python: page numbers, the log of what each page owns and repeats,
when to release what has expired, and when to compact after much was released. It can write down
what it changed, and do that again (`changes.py`). Thread-safe: one operation at a time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Container, Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dedup import kernel
from dedup.errors import SettingsError
from dedup.index.changes import (
    Change,
    Checked,
    Compacted,
    Forgotten,
    Originals,
    OriginalsKept,
    PagesKept,
    Swept,
    added_originals,
    added_values,
    body_lengths,
    gather,
    slice_originals,
)
from dedup.index.job import NOTHING_HELD, Job, is_added, judged_entries
from dedup.index.memory_reading import met_again, most_repeated, page_entry, page_list
from dedup.index.page_log import PageLog
from dedup.index.page_texts import TextStore, found_texts, take_texts
from dedup.index.tables import (
    DEAD_UNITS,
    FIELD_WORDS,
    FIRST_SLOTS,
    FIRST_UNITS,
    FULLEST,
    GROWTH,
    MARK_WORD,
    ORIGINALS,
    POSTINGS,
    RECORD_UNITS,
    REPEAT_ENTRY,
    REPEATS,
    TOKENS_WORD,
    USED_UNITS,
    Tables,
)
from dedup.kernel.kinds import VerdictKind
from dedup.minhash import band_keys
from dedup.model import Original, PageEntry, PageList, Stats
from dedup.settings import Settings
from dedup.sketch import Sketches
from dedup.verdict import Verdicts

WORTH_COMPACTING = 1 << 20
"""Dead units (8 MiB), or log entries, that are worth a pass over everything."""
SWEEPS = 4
"""Passes over everything within `expire_after`: what has expired takes room for a quarter more."""
UNKNOWN_PAGE = 0xFFFFFFFE
"""The page number of a lookup under an id that the index does not know."""
CHUNK = 1 << 13
"""Pages or originals of one change that tells what a compacted index keeps."""


class MemoryIndex:
    """An index in this process.

    Attributes:
        journal: where operations write down what they changed, in order, but for `clear`; None:
            they do not.
        texts: of the originals, by page number; None: they are not kept.
    """

    is_remote = False

    def __init__(self, url: str, namespace: str, settings: Settings) -> None:
        refuse_name(url)
        self.journal: list[Change] | None = None
        self._settings = settings
        self._namespace = namespace
        self._lock = threading.Lock()
        self._tables = Tables()
        self._log = PageLog()
        self._swept = 0
        self.texts: TextStore | None = {} if settings.keep == "text" else None

    @property
    def is_busy(self) -> bool:
        """Whether another thread is at work in it."""
        return self._lock.locked()

    @staticmethod
    def stored_settings(url: str, namespace: str) -> Settings | None:  # noqa: ARG004 - as others
        """None: an index in memory begins with its process."""
        return None

    def check(
        self, sketches: Sketches, pages: Sequence[str], bounds: npt.NDArray[np.int64], now: int
    ) -> Verdicts:
        """See `Index.check`."""
        job = Job(sketches, bounds, now, self._expired_before(now), self._settings)
        with self._lock:
            self._sweep_where_due(now)
            self._tables.reserve(sketches)
            first_free = self._used_units
            self._each_run(
                pages, now, lambda at, numbers, held: job.run(self._tables, None, at, numbers, held)
            )
            names = self._name_pages(job)
            texts = {}
            if self.texts is not None:
                numbers = [self._log.numbers[page] for page in pages]
                texts = take_texts(self.texts, job, sketches, numbers)
            if self.journal is not None:
                rows = np.flatnonzero(is_added(job.entries, first_free))
                added = added_originals(sketches, rows)
                self.journal.append(Checked(now, job.before, pages, bounds, job.entries, added))
            self._compact_where_worth_it()
        return job.verdicts(names, texts)

    def lookup(
        self,
        sketches: Sketches,
        pages: Sequence[str],
        bounds: npt.NDArray[np.int64],
        now: int,
        settings: Settings,
    ) -> Verdicts:
        """See `Index.lookup`. A page's own blocks go to an overlay that is thrown away."""
        job = Job(sketches, bounds, now, self._expired_before(now), settings)
        names: dict[int, str] = {}
        with self._lock:
            # Unknown pages of one call need numbers of their own, for their names.
            numbers = [
                self._log.numbers.get(page, UNKNOWN_PAGE - at) for at, page in enumerate(pages)
            ]
            for at, (number, page) in enumerate(zip(numbers, pages, strict=True)):
                overlay = Tables()
                if page in self._log.numbers:
                    held = self._log.of(number)
                    rows = range(int(bounds[at]), int(bounds[at + 1]))
                    own = met_again(self._tables, held, sketches, rows, job.before)
                    overlay.take_originals(own)
                overlay.reserve(sketches)
                job.run(self._tables, overlay, at, [number])
                names[number] = page
            names |= self._name_pages(job, beside=names)
            texts = found_texts(self.texts, job, sketches, numbers)
        return job.verdicts(names, texts)

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

            def add(
                at: int, numbers: list[int], _held: npt.NDArray[np.uint32]
            ) -> tuple[npt.NDArray[np.uint32], list[int]]:
                span = bounds[at : at + len(numbers) + 1]
                places = np.array(numbers, dtype=np.uint32)
                kernel.add_values(self._tables.columns, values, keys, span, places, now, entries)
                return entries[span[0] : span[-1]], np.diff(span).tolist()

            self._each_run(pages, now, add)
            if self.texts is not None:
                for page in pages:
                    self.texts.pop(self._log.numbers[page], None)
            if self.journal is not None:
                added = added_values(values, keys)
                self.journal.append(Checked(now, 0, pages, bounds, entries, added))
            self._compact_where_worth_it()

    def forget(self, page: str) -> bool:
        """See `Index.forget`."""
        with self._lock:
            known = self._forget(page)
            if known:
                self._note(Forgotten(page))
                self._compact_where_worth_it()
            return known

    def page(self, page: str, now: int) -> PageEntry | None:
        """See `Index.page`."""
        with self._lock:
            before = self._expired_before(now)
            return page_entry(self._tables, self._log, self.texts, page, before)

    def pages(self, prefix: str, after: str, limit: int) -> PageList:
        """See `Index.pages`."""
        with self._lock:
            return page_list(self._log, prefix, after, limit)

    def most_repeated(self, limit: int, now: int, site: str | None = None) -> list[Original]:
        """See `Index.most_repeated`."""
        with self._lock:
            before = self._expired_before(now)
            return most_repeated(self._tables, self._log, self.texts, limit, before, site)

    def stats(self) -> Stats:
        """See `Index.stats`."""
        with self._lock:
            state = self._tables.state
            texts = sum(map(len, self.texts.values())) if isinstance(self.texts, dict) else 0
            return Stats(
                url="memory://",
                namespace=self._namespace,
                pages=len(self._log.numbers),
                originals=int(state[ORIGINALS]),
                repeats=int(state[REPEATS]),
                bytes=self._tables.nbytes() + self._log.nbytes() + texts,
            )

    def clear(self) -> None:
        """See `Index.clear`."""
        with self._lock:
            self._tables = Tables()
            self._log = PageLog()
            if self.texts is not None:
                self.texts.clear()

    def close(self) -> None:
        """See `Index.close`."""
        self.clear()

    def apply_all(self, changes: Iterable[Change], postings: int) -> None:
        """Do many changes again, see `apply`.

        Args:
            changes: in order.
            postings: about how many keys of originals they have, so that there is room at once.
        """
        self._tables.expect(postings)
        for change in changes:
            self.apply(change)
        self._tables.settle()

    def apply(self, change: Change) -> None:
        """Do again what an operation did, to an index as it was then. There is no journal of that.

        Raises:
            ValueError: the change is none of such an index. What the index is then, nobody knows.
            IndexFullError: it does not fit.
        """
        with self._lock:
            match change:
                case Checked():
                    self._check_again(change)
                    self._close_gaps_where_worth_it()
                case Forgotten(page):
                    if not self._forget(page):
                        raise ValueError(f"nothing is known of the page {page!r}")
                case Swept(now):
                    self._sweep(now)
                case Compacted():
                    self._compact()
                case PagesKept():
                    self._log.take(change)
                    self._swept = change.swept
                case OriginalsKept():
                    self._tables.take_originals(change)

    def kept(self) -> Iterator[PagesKept | OriginalsKept]:
        """Compact, and give all that is there: applied to an empty index, they make it the same.

        The index must not change meanwhile, and no journal tells of this. (Where several originals
        have the same key, they may have other slots. That no verdict can tell, unless the clock is
        set back so far that what had expired is there again.)
        """
        with self._lock:
            self._compact()
            yield from self._log.kept(CHUNK, self._swept)
            tables = self._tables
            words, halves = tables.arena.view(np.uint32), tables.arena.view(np.uint16)
            entries = self._log.entries[: self._log.used]
            ids = np.sort(entries[entries < REPEAT_ENTRY]).astype(np.int64)  # each has one owner
            if len(ids) != tables.state[ORIGINALS]:
                raise ValueError("there are originals that no page owns: a bug in dedup")
            taken = tables.tags > 0
            postings = tables.ids[taken].astype(np.uint64) << np.uint64(32) | tables.tags[taken]
            postings.sort()
            for first in range(0, len(ids), CHUNK):
                chunk = ids[first : first + CHUNK]
                tokens = words[2 * chunk + TOKENS_WORD]
                edges = np.searchsorted(
                    postings, np.append(chunk, chunk[-1] + 1).astype(np.uint64) << np.uint64(32)
                )
                originals = Originals(
                    tables.arena[chunk],
                    tokens,
                    gather(halves, 4 * (chunk + RECORD_UNITS), body_lengths(tokens)),
                    np.diff(edges).astype(np.uint8),
                    postings[edges[0] : edges[-1]].astype(np.uint32),
                )
                fields = words[2 * chunk[:, None] + np.arange(*FIELD_WORDS.indices(16))]
                yield OriginalsKept(originals, fields)

    def live_bytes(self) -> int:
        """About how many bytes the arrays of `kept` have."""
        used, dead = int(self._tables.state[USED_UNITS]), int(self._tables.state[DEAD_UNITS])
        tags = 4 * int(self._tables.state[POSTINGS])
        return 8 * (used - dead) + tags + 4 * self._log.live + 60 * len(self._log.numbers)

    @property
    def _used_units(self) -> int:
        return int(self._tables.state[USED_UNITS])

    def _note(self, change: Change) -> None:
        """Write down what was changed, where somebody wants to know."""
        if self.journal is not None:
            self.journal.append(change)

    def _forget(self, page: str) -> bool:
        number = self._log.numbers.get(page)
        if number is None:
            return False
        held = self._log.of(number).copy()
        kernel.withdraw_page(self._tables.columns, held, number)
        kernel.release_unclaimed(self._tables.columns, held, number)
        self._drop_page(number)
        return True

    def _drop_page(self, number: int) -> None:
        self._log.drop_page(number)
        if self.texts is not None:
            self.texts.pop(number, None)

    def _each_run(
        self,
        pages: Sequence[str],
        now: int,
        act: Callable[
            [int, list[int], npt.NDArray[np.uint32]], tuple[npt.NDArray[np.uint32], list[int]]
        ],
    ) -> None:
        """Go through pages: those that the index does not know together, each other one alone.

        Args:
            pages: their ids.
            now: seconds since 1970.
            act: gets the place of the first page of a run, the numbers of its pages, and the
                entries that they had before; what they counted was taken back. Gives their entries,
                and how many each has.
        """
        at = 0
        while at < len(pages):
            known = self._log.numbers.get(pages[at])
            if known is None:
                numbers = self._number_fresh(pages, at)
                self._log.write(numbers, *act(at, numbers, NOTHING_HELD), now)
            else:
                numbers = [known]
                held = self._log.of(known).copy()
                kernel.withdraw_page(self._tables.columns, held, known)
                before = held if self._settings.expire_after is None else NOTHING_HELD
                self._log.write(numbers, *act(at, numbers, before), now)
                kernel.release_unclaimed(self._tables.columns, held, known)
            at += len(numbers)

    def _check_again(self, change: Checked) -> None:
        """Do what checking some pages did."""
        added, bounds, entries = change.originals, change.bounds, change.entries
        self._tables.make_room(body_lengths(added.tokens), len(added.tags))
        added_here = is_added(entries, self._used_units)
        before = np.zeros(len(entries) + 1, dtype=np.int64)
        np.cumsum(added_here, out=before[1:])
        if before[-1] != len(added.tokens):
            raise ValueError("entries and originals are not of one index")

        def act(
            at: int, numbers: list[int], _held: npt.NDArray[np.uint32]
        ) -> tuple[npt.NDArray[np.uint32], list[int]]:
            span = bounds[at : at + len(numbers) + 1]
            first, last = int(span[0]), int(span[-1])
            kernel.apply_entries(
                self._tables.columns,
                slice_originals(added, int(before[first]), int(before[last])),
                span - first,
                np.array(numbers, dtype=np.uint32),
                entries[first:last],
                change.now,
                change.before,
            )
            return judged_entries(entries[first:last], entries[first:last] > 0, span)

        self._each_run(change.pages, change.now, act)

    def _number_fresh(self, pages: Sequence[str], first: int) -> list[int]:
        """Numbers for the pages from `first` on, up to the next one that the index knows."""
        numbers = []
        for page in pages[first:]:
            if page in self._log.numbers:
                break
            numbers.append(self._log.add_page(page))
        return numbers

    def _name_pages(self, job: Job, beside: Container[int] = ()) -> dict[int, str]:
        """The ids of the pages that own the originals found, but for the numbers in `beside`."""
        # A set: np.unique is slower for a page, and imports numpy.ma when it is first called.
        numbers = set(job.details[job.kinds >= VerdictKind.EXACT, 0].tolist())
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
        self._sweep(now)
        self._note(Swept(now))
        self._compact_where_worth_it()

    def _sweep(self, now: int) -> None:
        self._swept = now
        before, columns = self._expired_before(now), self._tables.columns
        owners = np.zeros(len(self._log.names), dtype=np.uint8)
        kernel.release_expired(columns, before, owners)
        for number in np.flatnonzero(self._log.checked_before(before) & (owners == 0)).tolist():
            kernel.withdraw_page(columns, self._log.of(number), number)
            self._drop_page(number)

    def _compact_where_worth_it(self) -> None:
        """Squeeze out what was released, once it is worth a pass over everything."""
        dead, used = int(self._tables.state[DEAD_UNITS]), self._used_units
        if dead > WORTH_COMPACTING and dead > used // 3:
            self._compact()
            self._note(Compacted())
        else:
            self._close_gaps_where_worth_it()

    def _close_gaps_where_worth_it(self) -> None:
        """Squeeze out what pages no longer need, once it is worth a pass. No number changes."""
        log = self._log
        if log.dead > WORTH_COMPACTING and log.dead > log.used // 2:
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


def refuse_name(url: str) -> None:
    """Refuse a URL that says where in memory an index should be.

    Raises:
        SettingsError: it does.
    """
    if url != "memory://":
        raise SettingsError(f"index {url!r}: an index in memory has no name, use memory://")
